"""Heads that end in a few boxes: chosen by NMS inside the network, or predicted as a set without any."""

from __future__ import annotations

import numpy as np

from edge_node.detect.decode.dense import Ids, build
from edge_node.frames import Detections
from shared.geometry import F32


def finished(rows: F32, wanted: Ids, confidence: float) -> Detections:
    """What is wanted of finished detections.

    Args:
        rows: ``(N, 6)``: corners in input pixels, score, class id. What fills up a list of fixed length has
            no score, or an id that nobody wants.
        wanted: Class ids to keep.
        confidence: Lowest score, 0..1.
    """
    score = rows[:, 4]
    keep = np.flatnonzero((score >= confidence) & (score > 0))
    keep = keep[np.isin(rows[keep, 5], wanted)]
    return build(rows[keep, :4], score[keep], rows[keep, 5])


def queries(boxes: F32, scores: F32, size: tuple[int, int], wanted: Ids, confidence: float) -> Detections:
    """The best wanted class of each query.

    Source: Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", 2023, which, unlike this, takes the
    best pairs of query and class, so that one box may come out with several classes.

    Args:
        boxes: ``(queries, 4)``: centre, width and height as fractions of the input.
        scores: ``(queries, classes)``, 0..1.
        size: Width and height of the input, pixels.
        wanted: Class ids to keep.
        confidence: Lowest score, 0..1.
    """
    few = scores[:, wanted]
    best = few.argmax(axis=1)
    score = few[np.arange(len(few)), best]
    rows = np.column_stack([from_fractions(boxes, size), score, wanted[best].astype(np.float32)])
    return finished(rows, wanted, confidence)


def logit_queries(
    boxes: F32, logits: F32, size: tuple[int, int], wanted: Ids, confidence: float
) -> Detections:
    """The same with scores before the sigmoid."""
    with np.errstate(over="ignore"):  # of a very small logit: the score is 0
        scores: F32 = np.float32(1) / (1 + np.exp(-logits))
        return queries(boxes, scores, size, wanted, confidence)


def from_fractions(cxcywh: F32, size: tuple[int, int]) -> F32:
    """Corners in pixels ``(N, 4)`` from centre, width and height as fractions of the input."""
    scaled = cxcywh * np.array(size * 2, np.float32)
    half = scaled[:, 2:] / 2
    return np.concatenate([scaled[:, :2] - half, scaled[:, :2] + half], axis=1)
