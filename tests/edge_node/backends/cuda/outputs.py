"""Outputs of networks, as the kernels behind the network meet them, and what the host makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_node.assets.names import Layout
from edge_node.backends.interface import Wanted
from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.detect.decode import dense
from edge_node.detect.decode.candidates import candidates, suppress
from edge_node.detect.decode.dense import cells
from edge_node.detect.decode.families import FAMILIES
from edge_node.frames import Detections

F32 = npt.NDArray[np.float32]
SIZE = (160, 128)
"""Width and height of the input; large enough for a few hundred anchors."""
STRIDES: dict[Layout, tuple[int, ...]] = {
    "yolox": dense.YOLOX_STRIDES,
    "nanodet": dense.NANODET_STRIDES,
    "picodet": dense.NANODET_STRIDES,
}
DECODED: tuple[Layout, ...] = ("yolov8", "yolov5", "yolox", "nanodet", "picodet")
"""A layout of each kind that a GPU decodes."""


def crowd(
    rng: np.random.Generator,
    *,
    classes: int,
    anchors: int,
    candidates: int,
    objects: int = 30,
    steps: int = 0,
) -> F32:
    """An output ``(4 + classes, anchors)`` in which several anchors see each object.

    Args:
        rng: Random numbers.
        classes: How many classes the network knows.
        anchors: How many anchors.
        candidates: How many of them score above 0.25; the others below 0.05.
        objects: How many objects they see.
        steps: How many scores there are between 0.25 and 1, so that many are equal; 0: as many as there are.
    """
    out = np.empty((4 + classes, anchors), np.float32)
    which = rng.integers(0, objects, anchors)
    sides = rng.uniform(5, 200, (2, objects))
    out[:2] = rng.uniform(0, 640, (2, objects))[:, which] + rng.normal(0, 8, (2, anchors))
    out[2:4] = sides[:, which] * rng.uniform(0.8, 1.25, (2, anchors))
    out[4:] = rng.random((classes, anchors)) * 0.05
    chosen = rng.permutation(anchors)[:candidates]
    score = rng.random(candidates)
    if steps:
        score = np.floor(score * steps) / steps
    of = rng.integers(0, classes, objects)[which[chosen]]
    out[4 + of, chosen] = 0.251 + score * 0.74
    second = rng.random(candidates) < 0.3  # two classes of one score: the first wins
    out[4 + (of[second] + 1) % classes, chosen[second]] = out[4 + of[second], chosen[second]]
    return out


def broken(rng: np.random.Generator, output: F32) -> F32:
    """The output with numbers in it that are none, infinite, zero or below, some of them in candidates."""
    rows, anchors = output.shape
    for value in (np.nan, np.inf, -np.inf, 0.0, -1.0):
        output[rng.integers(0, rows, 60), rng.integers(0, anchors, 60)] = value
        seen = np.flatnonzero(output[4:].max(axis=0) > 0.25)
        some = rng.choice(seen, min(len(seen), 9), replace=False)
        output[rng.integers(0, 4, len(some)), some] = value
        output[4 + rng.integers(0, rows - 4, len(some)), rng.choice(seen, len(some))] = value
    output[2, rng.integers(0, anchors, 100)] = 0.0
    output[2:4, rng.integers(0, anchors, 20)] = 3e38  # the area is beyond all floats
    output[:2, rng.integers(0, anchors, 20)] = -3e38
    return output


def anchors_of(layout: Layout, size: tuple[int, int] = SIZE) -> int:
    """How many anchors a network has; of families without levels, as many as of YOLOX."""
    return sum(cells(*size, STRIDES.get(layout, dense.YOLOX_STRIDES)))


def arranged(
    layout: Layout, output: F32, likely: F32 | None = None, size: tuple[int, int] = SIZE
) -> list[F32]:
    """An output ``(4 + classes, anchors)`` as a family arranges it.

    Distances of sides are distributions that have little to do with the boxes, but are as damaged.

    Args:
        layout: Of the family.
        output: As YOLOv8 arranges it.
        likely: The objectness of each anchor for families that have one; None: 1.
        size: Width and height of the input.
    """
    anchors, boxes, scores = output.shape[1], output[:4].T, output[4:].T
    if layout == "yolov8":
        return [output]
    if layout in ("nanodet", "picodet"):
        strides = STRIDES[layout]
        rng = np.random.default_rng(anchors)
        sides = rng.normal(0, 4, (anchors, 4, dense.DFL_BINS)).astype(np.float32)
        odd = ~(np.abs(boxes) < 1e30)
        sides[..., 3][odd] = boxes[odd]
        sides = sides.reshape(anchors, -1)
        if layout == "nanodet":
            return [np.concatenate([scores, sides], axis=1)]
        ends = np.cumsum(cells(*size, strides))[:-1]
        return [*np.split(scores, ends), *np.split(sides, ends)]
    if layout == "yolox":
        corner, stride = dense.grid(*size, dense.YOLOX_STRIDES)
        centre, sides = boxes[:, :2] / stride[:, None] - corner, np.log(boxes[:, 2:] / stride[:, None])
        boxes = np.concatenate([centre, sides], axis=1)
    objectness = np.ones(anchors, np.float32) if likely is None else likely
    return [np.ascontiguousarray(np.concatenate([boxes, objectness[:, None], scores], axis=1))]


def outputs(layout: Layout, classes: int, anchors: int, batch: int, share: float) -> F32:
    """Outputs of a batch in which a share of the anchors are candidates."""
    rng, count = np.random.default_rng(anchors), int(share * anchors)
    pictures = [crowd(rng, classes=classes, anchors=anchors, candidates=count) for _ in range(batch)]
    return np.stack([arranged(layout, picture)[0] for picture in pictures])


def on_host(
    layout: Layout, outputs: Sequence[npt.NDArray[Any]], wanted: Wanted, size: tuple[int, int] = SIZE
) -> Detections:
    """What the host makes of one picture's outputs, in pixels of the input."""
    with np.errstate(all="ignore"):
        target, family = InputFormat(*size), FAMILIES[layout]
        found = candidates(family, outputs, target, wanted.class_ids, wanted.confidence)
        return suppress(family, found, wanted.iou, wanted.most)


def in_picture(found: Detections, fit: Letterbox) -> Detections:
    """The same in pixels of the picture, one picture by itself."""
    xyxy = fit.to_source(found.xyxy)
    shown = (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])
    return Detections(xyxy, np.minimum(found.score, 1), found.class_id)[shown]


def assert_equal(found: Detections | None, expected: Detections) -> None:
    """Every bit is the same."""
    assert found is not None
    np.testing.assert_array_equal(found.score, expected.score)
    np.testing.assert_array_equal(found.class_id, expected.class_id)
    np.testing.assert_array_equal(found.xyxy, expected.xyxy)
