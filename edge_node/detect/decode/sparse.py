"""Readers of networks that return a few boxes: NMS ran inside, or the boxes are predicted as a set."""

from __future__ import annotations

from functools import partial

import numpy as np

from edge_node.detect.decode.raw import Raw, build
from edge_node.frames import Detections
from shared.geometry import F32


def corner_rows(raw: Raw) -> Detections:
    """``(boxes, 6)``: corners in input pixels, score, class."""
    return _finished(raw.arrays[0], raw)


def paddle(raw: Raw) -> Detections:
    """``(boxes, 6)``: class, score, corners in input pixels."""
    return _finished(raw.arrays[0][:, [2, 3, 4, 5, 1, 0]], raw)


def rtmdet(raw: Raw) -> Detections:
    """``(boxes, 5)``: corners in input pixels and score; and the classes ``(boxes,)``."""
    boxes, classes = raw.arrays
    return _finished(np.column_stack([boxes, classes]), raw)


def fraction_rows(raw: Raw) -> Detections:
    """``(boxes, 6)``: centre and size as fractions of the input, score, class."""
    rows = raw.arrays[0]
    return _finished(np.concatenate([_from_fractions(rows[:, :4], raw.size), rows[:, 4:]], axis=1), raw)


def separate(raw: Raw, first_class: int = 0) -> Detections:
    """Corners in input pixels, scores, classes and, perhaps, how many boxes there are.

    Args:
        raw: An output for each of these.
        first_class: The number that the network gives to our class 0.
    """
    boxes, scores, classes = raw.arrays[:3]
    rows = np.column_stack([boxes, scores, classes - first_class])
    return _finished(rows[: int(raw.arrays[3].ravel()[0])] if len(raw.arrays) > 3 else rows, raw)


separate_from_one = partial(separate, first_class=1)
"""The same for networks whose class 0 is the background: it is left out, and the others move down."""


def tf_ssd(raw: Raw) -> Detections:
    """The same with corners as fractions of the input, y before x."""
    boxes = raw.arrays[0][:, [1, 0, 3, 2]] * np.array(raw.size * 2, np.float32)
    return separate_from_one(Raw([boxes, *raw.arrays[1:]], raw.size, raw.wanted, raw.confidence))


def query_rows(raw: Raw) -> Detections:
    """``(queries, 4 + classes)``: centre and size as fractions of the input, then class scores."""
    rows = raw.arrays[0]
    return _queries(rows[:, :4], rows[:, 4:], raw)


def logit_queries(raw: Raw) -> Detections:
    """Boxes ``(queries, 4)`` as fractions of the input, and class scores before the sigmoid."""
    boxes, logits = raw.arrays
    with np.errstate(over="ignore"):  # of a very small logit: the score is 0
        return _queries(boxes, np.float32(1) / (1 + np.exp(-logits)), raw)


def _queries(boxes: F32, scores: F32, raw: Raw) -> Detections:
    """The best wanted class of each query.

    Source: Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", 2023. Unlike this function, they
    take the best pairs of query and class, so that one box may come out with several classes.

    Args:
        boxes: ``(queries, 4)``: centre, width and height as fractions of the input.
        scores: ``(queries, classes)``, 0..1.
        raw: Input size, wanted classes and lowest score.
    """
    few = scores[:, raw.wanted]
    best = few.argmax(axis=1)
    score = few[np.arange(len(few)), best]
    class_id = raw.wanted[best].astype(np.float32)
    return _finished(np.column_stack([_from_fractions(boxes, raw.size), score, class_id]), raw)


def _finished(rows: F32, raw: Raw) -> Detections:
    """The wanted detections among finished ones.

    Args:
        rows: ``(N, 6)``: corners in input pixels, score, class id. Rows that fill up a list of fixed length
            have no score, or an id that nobody wants.
        raw: Wanted classes and lowest score.
    """
    score = rows[:, 4]
    keep = np.flatnonzero((score >= raw.confidence) & (score > 0))
    keep = keep[np.isin(rows[keep, 5], raw.wanted)]
    return build(rows[keep, :4], score[keep], rows[keep, 5])


def _from_fractions(cxcywh: F32, size: tuple[int, int]) -> F32:
    """Corners in pixels ``(N, 4)`` from centre, width and height as fractions of the input."""
    scaled = cxcywh * np.array(size * 2, np.float32)
    half = scaled[:, 2:] / 2
    return np.concatenate([scaled[:, :2] - half, scaled[:, :2] + half], axis=1)
