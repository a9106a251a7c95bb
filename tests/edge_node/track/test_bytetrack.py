"""ByteTrack's stages, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from edge_node.track import bytetrack
from tests.edge_node.track.test_ocsort import Spot, index, rows_at, seen_at

NEAR: Spot = (100.0, 100.0)


@pytest.mark.parametrize(
    ("similar", "track_id", "high", "matched"),
    [
        (0.16, 1, True, True),  # a confirmed track and a confident detection
        (0.14, 1, True, False),
        (0.51, 1, False, True),  # a visible track and a doubtful detection
        (0.49, 1, False, False),
        (0.31, 0, True, True),  # a new track and a confident detection
        (0.29, 0, True, False),
        (0.9, 0, False, False),  # a new track and a doubtful detection
    ],
)
def test_each_stage_has_its_least_similarity(
    similar: float, track_id: int, high: bool, matched: bool
) -> None:
    rows, seen = rows_at(NEAR, ids=(track_id,)), seen_at(NEAR, high=high)
    rows.visible[:] = track_id > 0
    found = bytetrack.staged(rows, seen, index(0), index(0), np.array([similar]))
    assert len(found.pairs()[0]) == matched


def test_a_track_that_is_not_visible_meets_no_doubtful_detection() -> None:
    rows, seen = rows_at(NEAR), seen_at(NEAR, high=False)
    rows.visible[:] = False
    assert not len(bytetrack.staged(rows, seen, index(0), index(0), np.array([0.9])).pairs()[0])


def test_what_one_stage_matched_is_left_alone_by_the_next() -> None:
    rows, seen = rows_at(NEAR, (500.0, 500.0)), seen_at(NEAR, NEAR)
    seen.high[1] = False
    found = bytetrack.staged(rows, seen, index(0, 0), index(0, 1), np.array([0.6, 0.9]))
    assert [part.tolist() for part in found.pairs()] == [[0], [0]]


def test_a_prediction_over_several_frames_that_drifted_away_is_replaced() -> None:
    """IoU 0.54 and 0.48 of boxes with sides of 20."""
    for dx, replaced in ((6.0, False), (7.0, True)):
        for frames in (1, 2):
            rows = rows_at(NEAR)
            rows.frames[:] = frames
            at = seen_at((100.0 + dx, 100.0)).centre
            bytetrack.correct(rows, index(0), at)
            assert (rows.pos[0, 0] == 100.0 + dx) == (replaced and frames > 1)
