from __future__ import annotations

import numpy as np
import pytest

from edge_node.config.publishing import SnapshotSettings
from edge_node.frames import Frame, Tracks
from edge_node.publish.best_views import MAX_TRACKS, BestViews

Box = tuple[float, float, float, float]


def frame(seq: int, shade: int = 0) -> Frame:
    return Frame("c", seq, seq * 10**9, seq * 10**9, np.full((200, 300, 3), shade, np.uint8))


def tracks(*rows: tuple[int, Box, float], predicted: bool = False) -> Tracks:
    n = len(rows)
    return Tracks(
        np.array([box for _, box, _ in rows], np.float32).reshape(-1, 4),
        np.array([score for *_, score in rows], np.float32),
        np.zeros(n, np.int32),
        np.array([track_id for track_id, *_ in rows], np.int64),
        np.zeros(n, np.float32),
        np.zeros((n, 2), np.float32),
        np.full(n, predicted),
    )


SMALL, LARGE, CUT = (50, 50, 70, 90), (50, 50, 110, 150), (0, 50, 60, 150)


@pytest.mark.parametrize(
    ("shown", "best"),
    [
        pytest.param([(SMALL, 0.9), (LARGE, 0.9), (SMALL, 0.9)], 1, id="the larger one"),
        pytest.param([(LARGE, 0.9), (LARGE, 0.5)], 0, id="the surer one"),
        pytest.param([(LARGE, 0.80), (LARGE, 0.85)], 0, id="a little better is not worth it"),
        pytest.param([(CUT, 0.9), (LARGE, 0.7)], 1, id="a whole one rather than one cut by the edge"),
    ],
)
def test_the_best_view_is_kept(shown: list[tuple[Box, float]], best: int) -> None:
    views = BestViews(SnapshotSettings())
    for seq, (box, score) in enumerate(shown):
        views.update(frame(seq, shade=seq * 50), tracks((1, box, score)))
    taken = views.take(1)
    assert taken is not None
    assert taken.image is not None
    assert taken.seq == best
    assert float(taken.image.mean()) == best * 50


def test_a_view_is_taken_once_and_again_only_when_a_better_one_came() -> None:
    views = BestViews(SnapshotSettings())
    views.update(frame(0), tracks((1, SMALL, 0.9)))
    assert not views.was_taken(1)
    assert views.take(1) is not None
    assert views.take(1) is None
    views.update(frame(1), tracks((1, LARGE, 0.9)))
    assert views.take(1) is not None
    assert views.was_taken(1)


def test_a_predicted_box_shows_nobody() -> None:
    views = BestViews(SnapshotSettings())
    views.update(frame(0), tracks((1, LARGE, 0.9), predicted=True))
    assert views.take(1) is None


def test_a_picture_has_a_margin_and_is_small() -> None:
    views = BestViews(SnapshotSettings(side=60))
    views.update(frame(0), tracks((1, LARGE, 0.9)))
    taken = views.take(1)
    assert taken is not None
    assert taken.image is not None
    assert taken.image.shape == (60, 36, 3)  # 72 x 120 with the margin, halved
    assert taken.image.base is None, "a copy, not a view of the frame"


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((400, 10, 500, 20), id="outside"),
        pytest.param((10, 10, 10, 50), id="no area"),
        pytest.param((299.9, 10, 299.95, 20), id="a sliver"),
    ],
)
def test_a_box_with_no_pixels_is_no_view(box: Box) -> None:
    views = BestViews(SnapshotSettings())
    views.update(frame(0), tracks((1, box, 0.9)))
    assert views.take(1) is None


def test_no_tracks_are_no_views() -> None:
    views = BestViews(SnapshotSettings())
    views.update(frame(0), Tracks.empty())
    assert views.take(1) is None


def test_memory_is_bounded() -> None:
    views = BestViews(SnapshotSettings())
    for track_id in range(3 * MAX_TRACKS):
        views.update(frame(track_id), tracks((track_id, LARGE, 0.9)))
        views.take(track_id)
    assert len(views) == MAX_TRACKS
    assert views.was_taken(3 * MAX_TRACKS - 1)
    assert not views.was_taken(0), "the one seen longest ago is forgotten"
