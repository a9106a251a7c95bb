"""Where a counting error comes from: parts of the pipeline are replaced by the truth, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detected, Detections
from optimization.measure.counts.counted import by_tracks, by_watch, frames_of
from optimization.measure.counts.shapes import Shapes
from optimization.measure.counts.truth import Counts
from optimization.measure.mot import Boxes
from shared.geometry import iou

_LEAST_IOU = 0.5
"""A detection with less overlap is none of that object."""


def stages(
    frames: Sequence[Detected],
    truth: Sequence[Boxes],
    frame_rate: float,
    size: tuple[int, int],
    shapes: Shapes,
    tracking: TrackerSettings,
    class_name: str,
) -> dict[str, Counts]:
    """Count with more and more of the pipeline, from the truth's own tracks to the node's.

    Args:
        frames: Frames and their detections.
        truth: True identities and boxes of each frame.
        frame_rate: Frames per second.
        size: Width and height of the frame, pixels.
        shapes: Lines and zones.
        tracking: Settings of the tracker.
        class_name: Class of the objects in the truth.

    Returns:
        What was counted, by a sentence that says from what.
    """
    matched = [_matched(frame.detections, true) for frame, true in zip(frames, truth, strict=True)]

    def analysed(tracks: Sequence[Boxes]) -> Counts:
        return by_tracks(tracks, frame_rate, size, shapes, class_name)

    def tracked(found: Sequence[Detections]) -> Counts:
        return by_watch(frames_of(found, frame_rate, size), shapes, tracking, (class_name,))

    return {
        "true boxes, true ids": analysed(truth),
        "true boxes, tracker": tracked([_sure(boxes) for boxes in truth]),
        "true boxes where detected, true ids": analysed([true for true, _ in matched]),
        "detected boxes, true ids": analysed(
            [(true[0], found.xyxy.astype(np.float64)) for true, found in matched]
        ),
        "detected boxes of true objects, tracker": tracked([found for _, found in matched]),
    }


def _sure(boxes: Boxes) -> Detections:
    """True boxes as a detector would report them."""
    count = len(boxes[0])
    return Detections(boxes[1].astype(np.float32), np.full(count, 0.9, np.float32), np.zeros(count, np.int32))


def _matched(detections: Detections | None, true: Boxes) -> tuple[Boxes, Detections]:
    """The true objects of a frame that were detected, and their detections in the same order."""
    ids, boxes = true
    found = Detections.empty() if detections is None else detections
    overlap = iou(boxes, found.xyxy)
    i, j = linear_sum_assignment(np.where(overlap >= _LEAST_IOU, overlap, 0.0), maximize=True)
    good = overlap[i, j] >= _LEAST_IOU
    return (ids[i[good]], boxes[i[good]]), found[j[good]]
