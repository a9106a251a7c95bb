"""A small dataset that is split: coloured boxes on noise."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

COLOURS = {"red": (40, 40, 220), "blue": (220, 60, 40)}


def write_dataset(folder: Path, splits: dict[str, dict[str, int]], *, side: int = 96) -> Path:
    """COCO files of pictures with coloured boxes.

    Args:
        folder: Is made.
        splits: For each split, how many pictures show a box of each colour; "" shows none.
        side: Width and height of the pictures.
    """
    chance = np.random.default_rng(1)
    ids = {name: number for number, name in enumerate(COLOURS, 1)}
    (folder / "annotations").mkdir(parents=True)
    for split, counts in splits.items():
        (folder / "images" / split).mkdir(parents=True)
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        for colour, count in counts.items():
            for _ in range(count):
                number = len(images) + 1
                picture = chance.integers(90, 130, (side, side, 3), np.uint8)
                if colour:
                    x, y = chance.integers(4, side // 2, 2).tolist()
                    cv2.rectangle(picture, (x, y), (x + 32, y + 32), COLOURS[colour], -1)
                    box = {
                        "image_id": number,
                        "category_id": ids[colour],
                        "bbox": [x, y, 32, 32],
                        "iscrowd": 0,
                    }
                    annotations.append({"id": len(annotations) + 1, "area": 1024, **box})
                name = f"{split}_{number}.png"
                cv2.imwrite(str(folder / "images" / split / name), picture)
                images.append({"id": number, "file_name": name, "width": side, "height": side})
        categories = [{"id": number, "name": name} for name, number in ids.items()]
        document = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data", {"train": {"red": 4, "blue": 4}, "val": {"red": 2, "blue": 2}})
