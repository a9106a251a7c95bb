"""Readers of networks that score every cell of a grid: boxes in input pixels, before NMS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from edge_node.backends.interface import Array
from edge_node.detect.decode.exponent import exponential
from edge_node.detect.decode.floats import likely, single
from edge_node.detect.decode.raw import Ids, Raw, build
from edge_node.frames import Detections
from shared.geometry import F32

DFL_BINS = 8
"""Bins of a distance distribution in NanoDet and PicoDet: their "reg_max", which is 7, plus one."""

_FEW = 1_000
"""Up to this many scores, sorting them is faster than a table of all anchors."""
YOLOX_STRIDES, NANODET_STRIDES = (8, 16, 32), (8, 16, 32, 64)
"""Pixels between the cells of each level."""

_BINS = np.arange(DFL_BINS, dtype=np.float32)[:, None]


def yolov8(raw: Raw) -> Detections:
    """``(4 + classes, anchors)``: centre x, y, width, height in input pixels, then class scores."""
    output, wanted = raw.arrays[0], raw.wanted
    scores = output[4:] if len(wanted) == len(output) - 4 else output[4:][wanted]
    anchor, score, best = _best_of_columns(scores, raw.confidence)
    if not len(anchor):  # as in most pictures of most cameras
        return Detections.empty()
    return _from_centres(single(output[:4].take(anchor, axis=1)), score, wanted[best])


def yolov5(raw: Raw) -> Detections:
    """``(anchors, 5 + classes)``: as YOLOv8's, with an objectness that each class score is multiplied by."""
    chosen, score, class_id = _with_objectness(raw)
    return _from_centres(single(raw.arrays[0][chosen, :4]).T, score, class_id)


def yolox(raw: Raw) -> Detections:
    """``(cells, 5 + classes)``: raw offsets from the grid, objectness and class scores after the sigmoid.

    Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", section 2.1.
    """
    chosen, score, class_id = _with_objectness(raw)
    corner, stride = grid(*raw.size, YOLOX_STRIDES)
    offsets, stride = single(raw.arrays[0][chosen, :4]), stride[chosen, None]
    centre = (offsets[:, :2] + corner[chosen]) * stride
    with np.errstate(over="ignore"):  # `build` leaves infinite boxes out
        sides = exponential(offsets[:, 2:]) * stride
    return _from_centres(np.concatenate([centre, sides], axis=1).T, score, class_id)


def nanodet(raw: Raw) -> Detections:
    """``(cells, classes + 32)``: class scores after the sigmoid, then a distribution for each side.

    Source: RangiLyu, NanoDet-Plus, whose cells, unlike most others', are anchored at their corners.
    """
    output = raw.arrays[0]
    chosen, score, class_id = _best(output[:, : -4 * DFL_BINS], raw.wanted, raw.confidence)
    corner, stride = grid(*raw.size, NANODET_STRIDES)
    anchor = corner[chosen] * stride[chosen, None]
    sides = single(output[chosen, -4 * DFL_BINS :])
    return _from_distances(sides, anchor, stride[chosen], score, class_id, raw.size)


def picodet(raw: Raw) -> Detections:
    """Class maps ``(cells, classes)`` of each level, then as many of distributions ``(cells, 32)``.

    Source: Yu et al., "PP-PicoDet: A Better Real-Time Object Detector on Mobile Devices", 2021.
    """
    levels = len(raw.arrays) // 2
    maps, boxes = raw.arrays[:levels], raw.arrays[levels:]
    found = [_best(scores, raw.wanted, raw.confidence) for scores in maps]
    sides = single(np.concatenate([sides[rows] for sides, (rows, _, _) in zip(boxes, found, strict=True)]))
    starts = np.cumsum([0, *map(len, maps[:-1])])
    chosen = np.concatenate([rows + start for start, (rows, _, _) in zip(starts, found, strict=True)])
    score, class_id = (np.concatenate([one[part] for one in found]) for part in (1, 2))
    corner, stride = grid(*raw.size, tuple(8 << level for level in range(levels)))
    anchor = (corner[chosen] + 0.5) * stride[chosen, None]
    return _from_distances(sides, anchor, stride[chosen], score, class_id, raw.size)


@lru_cache(64)
def grid(width: int, height: int, strides: tuple[int, ...]) -> tuple[F32, F32]:
    """Corners ``(cells, 2)``, in cells, and strides ``(cells,)`` of a network's levels.

    They are remembered, so nobody may change them.
    """
    corners, steps = [], []
    for stride in strides:
        y, x = np.mgrid[0 : math.ceil(height / stride), 0 : math.ceil(width / stride)]
        corners.append(np.stack([x.ravel(), y.ravel()], axis=1))
        steps.append(np.full(x.size, stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(steps).astype(np.float32)


def cells(width: int, height: int, strides: Sequence[int]) -> list[int]:
    """The number of cells in each level."""
    return [math.ceil(height / stride) * math.ceil(width / stride) for stride in strides]


def _best(scores: Array, wanted: Ids, confidence: float) -> tuple[Ids, F32, Ids]:
    """Index, score and class of the rows ``(cells, classes)`` whose best wanted class scores enough."""
    if len(wanted) < scores.shape[1]:
        scores = scores[:, wanted]
    row = likely(scores, confidence) // scores.shape[1]
    chosen = row[np.flatnonzero(np.diff(row, prepend=-1))]
    few = single(scores[chosen])
    best = few.argmax(axis=1)
    score = few[np.arange(len(chosen)), best]
    enough = score >= confidence  # NaN is not
    if not enough.all():
        chosen, score, best = chosen[enough], score[enough], best[enough]
    return chosen, score, wanted[best]


def _best_of_columns(scores: Array, confidence: float) -> tuple[Ids, F32, Ids]:
    """Index, score and row of the columns of ``(classes, anchors)`` whose best class scores enough."""
    place = likely(scores, confidence)
    if not len(place):
        return place, np.zeros(0, np.float32), place
    score = single(scores.reshape(-1).take(place))
    row, column = np.divmod(place, scores.shape[1])
    if len(place) <= _FEW:
        order = column.argsort(kind="stable")
        ordered, found = column[order], score[order]
        once = ordered[1:] != ordered[:-1]
        if once.all() and (found >= confidence).all():  # no column is there twice, and no score is NaN
            return ordered, found, row[order]
    best, best_row = np.full(scores.shape[1], -np.inf, np.float32), np.empty(scores.shape[1], np.intp)
    best[column] = score
    if np.count_nonzero(best > -np.inf) < len(column):
        np.maximum.at(best, column, score)
        equal = np.flatnonzero(score == best[column])[::-1]  # of equal rows the first one is written last
        column, row = column[equal], row[equal]
    best_row[column] = row
    chosen = np.flatnonzero(best >= confidence)
    return chosen, best[chosen], best_row[chosen]


def _with_objectness(raw: Raw) -> tuple[Ids, F32, Ids]:
    """The same for rows ``(cells, 5 + classes)``; a score is at most the objectness."""
    output, confidence = raw.arrays[0], raw.confidence
    some = np.flatnonzero(single(output[:, 4]) >= confidence)
    few = single(output[some, 4:])
    scores = few[:, 1:] * few[:, :1]
    chosen, score, class_id = _best(scores, raw.wanted, confidence)
    return some[chosen], score, class_id


def _from_centres(cxcywh: F32, score: F32, class_id: Ids) -> Detections:
    """Boxes from centre, width and height ``(4, K)``."""
    centre, half = cxcywh[:2], cxcywh[2:] / 2
    xyxy = np.empty((len(score), 4), np.float32)
    np.subtract(centre, half, out=xyxy.T[:2])
    np.add(centre, half, out=xyxy.T[2:])
    return build(xyxy, score, class_id)


def _from_distances(
    distributions: F32, anchor: F32, stride: F32, score: F32, class_id: Ids, size: tuple[int, int]
) -> Detections:
    """Boxes from the expected distances of their sides, clipped to the input as in training.

    Source: Li et al., "Generalized Focal Loss", 2020, section 3.

    Args:
        distributions: ``(K, 4 * bins)`` logits for left, top, right and bottom, in strides.
        anchor: ``(K, 2)``, pixels.
        stride: ``(K,)``.
        score: ``(K,)``.
        class_id: ``(K,)``.
        size: Width and height of the input.
    """
    logits = np.ascontiguousarray(distributions.reshape(-1, DFL_BINS).T)
    weight = exponential(logits - logits.max(axis=0))
    # Sums in this order, one bin after the other, as the GPU has them.
    total = np.add.accumulate(weight, axis=0)[-1]
    moment = np.add.accumulate(weight * _BINS, axis=0)[-1]
    distance = (moment / total).reshape(-1, 4) * stride[:, None]
    xyxy = np.concatenate([anchor - distance[:, :2], anchor + distance[:, 2:]], axis=1)
    return build(np.clip(xyxy, 0, np.array(size * 2, np.float32)), score, class_id)
