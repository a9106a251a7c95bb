from __future__ import annotations

import pytest

from edge_node.config.camera_settings import AnalyticsSettings
from shared.wire.messages import ZoneDefinition
from tests.edge_node.scenes import Actor, clock, film, frame_of, play, square, stand, unseen, walk

ZONE = ZoneDefinition(polygon=square())
HERE = stand(0.5, 0.5)
GATES = AnalyticsSettings(link_within_s=2.0, link_distance=1.0, link_size_ratio=2.0)


def test_a_track_starts_and_ends_exactly_once_with_its_age() -> None:
    actors = [Actor(3, unseen(walk((1, 0.1, 0.1), (6, 0.2, 0.1)), (3, 5))), Actor(9, stand(0.8, 0.8, 2, 4))]
    played = play(film(actors, clock(10, 10)))
    assert played.story("track_started", "track_ended") == [
        ("track_started", 3, 1.0),
        ("track_started", 9, 2.0),
        ("track_ended", 9, 4.0),
        ("track_ended", 3, 6.0),
    ]
    assert [h.dwell_s for h in played.of("track_ended")] == [pytest.approx(2.0), pytest.approx(5.0)]
    assert [h.class_id for h in played.happenings] == [0, 0, 0, 0]


def test_a_track_started_when_it_was_first_seen_not_when_it_was_confirmed() -> None:
    tracks = frame_of([(Actor(1, HERE), (0.5, 0.5), 9.7, (0.0, 0.0))], [], 10.0)
    (started,) = play([(tracks, 10.0)]).of("track_started")
    assert started.occurred_s == pytest.approx(9.7)
    assert started.box == pytest.approx((0.48, 0.38, 0.52, 0.5))


def test_a_box_over_the_frames_edge_is_reported_cut() -> None:
    tracks = frame_of([(Actor(1, HERE), (0.0, 1.05), 0.0, (0.0, 0.0))], [], 0.0)
    (started,) = play([(tracks, 0.0)]).of("track_started")
    assert started.box == pytest.approx((0.0, 0.93, 0.02, 1.0))


def test_ends_of_tracks_never_reported_are_ignored() -> None:
    assert play([(frame_of([], [4, 5], 0.0), 0.0)]).happenings == []


def test_a_track_that_is_seen_and_given_up_in_one_frame_starts_and_ends() -> None:
    tracks = frame_of([(Actor(1, HERE), (0.5, 0.5), 0.0, (0.0, 0.0))], [1], 0.0)
    assert [h.type for h in play([(tracks, 0.0)]).happenings] == ["track_started", "track_ended"]
