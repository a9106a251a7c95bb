"""Small datasets that tests draw themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from optimization.dataset.labelled import Dataset, Labelled

WIDTH, HEIGHT = 96, 64
CAT, DOG = 1, 2


def paint(path: Path, seed: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """A picture that looks unlike those of other seeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    assert cv2.imwrite(str(path), cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC))
    return path


def coco(
    folder: Path,
    boxes: Mapping[str, Sequence[Sequence[float]]],
    file: str = "instances.json",
    changes: Mapping[str, Any] | None = None,
) -> Path:
    """A COCO file beside pictures, which are painted where they are missing.

    Args:
        folder: Of file and pictures.
        boxes: By picture: category, x, y, width, height, and 1 for a crowd.
        file: Name of the file.
        changes: Other values of the document.
    """
    images, annotations = [], []
    for number, (name, objects) in enumerate(boxes.items(), 1):
        path = folder / "images" / name
        if not path.exists():
            paint(path, sum(name.encode()))
        images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for kind, *box in objects:
            annotations.append(
                {"image_id": number, "category_id": kind, "bbox": box[:4], "iscrowd": int(len(box) > 4)}
            )
    document = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": CAT, "name": "cat"}, {"id": DOG, "name": "dog"}],
    }
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**document, **(changes or {})}))
    return path


def labelled(path: Path, *kinds: int, group: str = "", split: str = "") -> Labelled:
    """A picture with an object of each class."""
    boxes = np.array([[4 + 9 * at, 5, 30 + 9 * at, 40] for at in range(len(kinds))], np.float32).reshape(
        -1, 4
    )
    return Labelled(
        path,
        WIDTH,
        HEIGHT,
        boxes,
        np.array(kinds, np.int32),
        np.zeros(len(kinds), np.bool_),
        group or path.stem,
        split,
    )


def objects(dataset: Dataset) -> set[tuple[object, ...]]:
    """All objects: picture, class, corners to a hundredth of a pixel, and whether it is a crowd."""
    return {
        (item.path.stem, dataset.names[kind], *(round(one, 2) for one in box), crowd)
        for item in dataset.items
        for box, kind, crowd in zip(
            item.xyxy.tolist(), item.class_id.tolist(), item.crowd.tolist(), strict=True
        )
    }
