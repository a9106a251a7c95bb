"""Folders of pictures, as a node collects them and as people have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from shared import collected
from shared.collected import Collected, Proposal, Reason, Seeing

WIDTH, HEIGHT = 320, 180
BEGIN_US = 1_790_000_000_000_000
MINUTE_US = 60_000_000
PERSON = (0.1, 0.2, 0.3, 0.8)
CAR = (0.5, 0.4, 0.9, 0.9)
REASONS: tuple[Reason, ...] = ("new_scene", "low_score", "flicker")


def picture(path: Path, width: int = WIDTH, height: int = HEIGHT, shade: int = 90) -> Path:
    """Write a picture with a person and a car."""
    image = np.full((height, width, 3), shade, np.uint8)
    for (x1, y1, x2, y2), colour in ((PERSON, (40, 160, 230)), (CAR, (230, 160, 40))):
        corners = [int(x1 * width), int(y1 * height)], [int(x2 * width), int(y2 * height)]
        cv2.rectangle(image, corners[0], corners[1], colour, -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def collect(folder: Path, count: int, *, camera: str = "yard", apart_us: int = 10 * MINUTE_US) -> list[str]:
    """Write what a node collects, the sidecar first; the names, in order."""
    names = []
    for number in range(count):
        at_us = BEGIN_US + number * apart_us
        place = folder / camera / collected.file_name(at_us, number)
        place.parent.mkdir(parents=True, exist_ok=True)
        kept = Collected(
            version=1,
            node="edge",
            camera=camera,
            session="s1",
            seq=number,
            captured_us=at_us,
            reasons=(REASONS[number % 3],),
            size=(WIDTH, HEIGHT),
            light=0.4,
            model=Seeing(name="nanodet"),
            boxes=(
                Proposal(label="person", score=0.3 + 0.05 * number, xyxy=PERSON),
                Proposal(label="car", score=0.9, xyxy=CAR),
            ),
        )
        collected.sidecar(place).write_bytes(collected.serialise(kept))
        picture(place, shade=60 + number)
        names.append(f"{camera}/{place.name}")
    return names


def written(folder: Path) -> dict[str, Any]:
    """What is in `annotations.json`."""
    return dict(json.loads((folder / "annotations.json").read_bytes()))


def images(folder: Path) -> dict[str, dict[str, Any]]:
    """Rows of its `images`, by name."""
    return {row["file_name"]: row for row in written(folder)["images"]}
