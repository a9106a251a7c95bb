"""What is seen in a video is settled over time: which boxes are sure, and how large objects are."""

from __future__ import annotations

import numpy as np

from edge_node.frames import Detections
from optimization.training.following import settled


def film(scores: list[float], shaken: float = 0.0) -> list[Detections]:
    """One object that walks to the right, 10 frames a second; its box's right side is seen wrongly."""
    off = np.random.default_rng(0).uniform(-shaken, shaken, len(scores))
    return [
        Detections(
            np.array([[10 + 3 * number, 20, 40 + 3 * number + off[number], 100]], np.float32),
            np.array([score], np.float32),
            np.zeros(1, np.int32),
        )
        for number, score in enumerate(scores)
    ]


def times(frames: list[Detections], apart: float = 0.1) -> list[float]:
    return [apart * number for number in range(len(frames))]


def sure(scores: list[float]) -> list[bool]:
    frames = film(scores)
    return [bool(mark[0]) for mark in settled(frames, times(frames))[1]]


def test_a_weak_box_between_good_ones_is_sure() -> None:
    assert sure([0.7] * 6 + [0.38] * 2 + [0.7] * 6) == [True] * 14


def test_an_object_that_is_never_seen_well_is_not_sure() -> None:
    assert sure([0.2] * 14) == [False] * 14


def test_what_is_too_weak_for_any_box_stays_unsure() -> None:
    assert sure([0.7] * 6 + [0.1] + [0.7] * 6)[6] is False


def test_boxes_that_shake_become_steady_and_go_on_moving() -> None:
    frames, truth = film([0.7] * 30, 6), film([0.7] * 30)
    boxes, _ = settled(frames, times(frames))
    off = [np.abs(box - right.xyxy).max() for box, right in zip(boxes, truth, strict=True)][3:-3]
    seen = [np.abs(one.xyxy - right.xyxy).max() for one, right in zip(frames, truth, strict=True)][3:-3]
    assert np.mean(off) < 0.5 * np.mean(seen)


def test_boxes_too_far_apart_in_time_stay_as_they_were_seen() -> None:
    frames = film([0.7] * 10, 6)
    boxes, _ = settled(frames, times(frames, 2.0))
    assert all((box == one.xyxy).all() for box, one in zip(boxes, frames, strict=True))


def test_objects_side_by_side_keep_their_own_boxes_and_empty_frames_are_no_matter() -> None:
    two = np.array([[10, 20, 40, 100], [60, 20, 90, 100]], np.float32)
    full = Detections(two, np.array([0.7, 0.6], np.float32), np.zeros(2, np.int32))
    frames = [Detections.empty(), full, full, full, Detections.empty(), full]
    boxes, marks = settled(frames, times(frames))
    assert [len(one) for one in boxes] == [0, 2, 2, 2, 0, 2]
    assert np.abs(boxes[2] - two).max() < 0.01
    assert marks[2].all()
