"""The pictures and films that detectors are measured on; they lie in `../shared`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge_node.pictures import U8
from optimization.measure.mot import Boxes

SHARED = Path(__file__).resolve().parents[4] / "shared"
COCO = SHARED / "data" / "coco_mini_val"
VIDEO = SHARED / "data" / "video"
TRUTH = SHARED / "data" / "mot15" / "PETS09-S2L1"
"""Ground truth of `vtest.avi`."""
SIZE = (768, 576)
"""Width and height of that video."""
REFERENCE = SHARED / "models" / "rtmdet_nano_person.onnx"
SURE = 0.5
"""Lowest score of the larger detector that counts as truth."""
LOWEST = 0.001
"""Lowest score that average precision looks at."""
FRAMES = {"vtest.avi": 53, "intel_one-by-one-person-detection.mp4": 93}
"""Frames of each clip that are looked at, spread evenly."""
RESOLUTIONS = {"16:9": (1280, 720), "4:3": (768, 576)}


def frames_of(clip: str) -> Iterator[U8]:
    """Some frames of a clip, spread evenly."""
    reader = cv2.VideoCapture(str(VIDEO / clip))
    total = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    chosen = set(np.linspace(0, total - 1, FRAMES[clip]).round().astype(int).tolist())
    for index in itertools.count():
        there, image = reader.read()
        if not there:
            return
        if index in chosen:
            yield np.asarray(image, np.uint8)


def mirrored(into: Path) -> Path:
    """`vtest.avi` mirrored, as a folder of pictures."""
    folder = into / "mirrored"
    folder.mkdir()
    reader = cv2.VideoCapture(str(VIDEO / "vtest.avi"))
    for number in itertools.count():
        there, image = reader.read()
        if not there:
            break
        cv2.imwrite(str(folder / f"{number:05}.jpg"), cv2.flip(image, 1), [cv2.IMWRITE_JPEG_QUALITY, 98])
    return folder


def mirrored_truth(truth: list[Boxes]) -> list[Boxes]:
    """The ground truth of the mirrored video."""
    width = SIZE[0]
    return [
        (ids, np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1))
        for ids, boxes in truth
    ]
