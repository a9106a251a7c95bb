"""What deserves a second look: finds that may become tracks, and tracks that were lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge_node.detect.tiles.interest import NOTHING, Followed, Spots
from edge_node.frames import Detections, Tracks
from shared.geometry import F32

A, B = (100.0, 100.0, 120.0, 150.0), (300.0, 100.0, 320.0, 150.0)


def found(*boxes: tuple[float, float, float, float], score: float = 0.8) -> Detections:
    xyxy: F32 = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(xyxy, np.full(len(xyxy), score, np.float32), np.zeros(len(xyxy), np.int32))


def tracked(at_s: float, *boxes: tuple[float, float, float, float]) -> Followed:
    xyxy = np.array(boxes, float).reshape(-1, 4)
    return replace(NOTHING, at_s=at_s, xyxy=xyxy, velocity=np.zeros((len(xyxy), 2)), age_s=np.ones(len(xyxy)))


def test_what_a_mask_or_a_filter_dropped_is_no_find() -> None:
    part = found(A, B)
    near = found((101.0, 99.0, 120.0, 151.0))  # merging may have moved its edges
    assert Followed.of(0.0, Tracks.empty(), [part]).found.tolist() == [list(A), list(B)]
    assert Followed.of(0.0, Tracks.empty(), [part], near).found.tolist() == [list(B)]


def test_a_low_score_is_no_find() -> None:
    assert not len(Followed.of(0.0, Tracks.empty(), [found(A, score=0.3)]).found)


def test_a_track_that_is_no_longer_reported_gets_another_look() -> None:
    spots = Spots()
    spots.take(tracked(0.0, A, B), NOTHING)
    assert not len(spots.open())
    spots.take(tracked(0.1, B), tracked(0.0, A, B))
    assert spots.open().tolist() == [list(A)]
