"""What is said of a track when it is over, of scenes whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_node.analytics.analyse import Analytics
from edge_node.analytics.happenings import Happening
from edge_node.analytics.watch import Analysed
from edge_node.config.camera_settings import AnalyticsSettings, CameraSettings, GroundCalibration
from edge_node.config.publishing import TrackSettings
from edge_node.consolidate import consolidation as module
from edge_node.consolidate.consolidation import Consolidation
from edge_node.consolidate.followed import Summary
from edge_node.frames import Frame
from shared import limits
from shared.wire.messages import LineDefinition, TrackStay, ZoneDefinition
from tests.edge_node.scenes import (
    CLASSES,
    HEIGHT,
    WIDTH,
    Actor,
    between,
    clock,
    film,
    shaken,
    square,
    stand,
    unseen,
    walk,
)

START_US = 1_700_000_000_000_000
IMAGE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
ZONES = {"yard": ZoneDefinition(polygon=square())}
LINES = {"gate": LineDefinition(points=((0.5, 1.0), (0.5, 0.0)))}


def items(
    actors: Sequence[Actor],
    times: Sequence[float],
    zones: Mapping[str, ZoneDefinition] | None = None,
    lines: Mapping[str, LineDefinition] | None = None,
    settings: AnalyticsSettings | None = None,
) -> Iterator[Analysed]:
    """The frames of a scene, as analytics hands them on."""
    analytics = Analytics(zones or {}, lines or {}, CLASSES, settings or AnalyticsSettings())
    for seq, (tracks, now_s) in enumerate(film(actors, times)):
        frame = Frame("street", seq, (START_US + round(now_s * 1e6)) * 1000, round(now_s * 1e9), IMAGE)
        yield Analysed(frame, tracks, analytics.update(tracks, now_s, WIDTH, HEIGHT), now_s, {})


def consolidation(**tracks: Any) -> Consolidation:
    settings = TrackSettings(**{"enabled": True} | tracks)
    return Consolidation({"street": CameraSettings(source=0, tracks=settings)})


def summaries(frames: Iterator[Analysed], one: Consolidation | None = None) -> list[Summary]:
    one = one or consolidation()
    return [summary for item in frames for summary in one.update(item)]


def only(*arguments: Any, **named: Any) -> Summary:
    (summary,) = summaries(items(*arguments, **named))
    return summary


def test_a_walk_through_a_zone_and_over_a_line_is_one_summary() -> None:
    across = Actor(7, walk((1.0, 0.05, 0.5), (10.0, 0.95, 0.5)), score=0.8)
    told = only([across], clock(10, 14), ZONES, LINES)
    assert (told.track_id, told.started_us, told.ended_us) == (7, START_US + 1_000_000, START_US + 10_000_000)
    assert told.duration_s == pytest.approx(9.0)
    assert told.ended == "left"
    assert told.detections == 91
    assert told.best_score == pytest.approx(0.8)
    assert [(one[0], *one[1:]) for one in told.path] == [
        pytest.approx((0.0, 0.05, 0.5), abs=1e-4),
        pytest.approx((9.0, 0.95, 0.5), abs=1e-4),
    ]
    assert told.stays == (TrackStay(zone="yard", entered_s=2.0, dwell_s=5.0, ended="exited"),)
    (crossing,) = told.crossings
    assert (crossing.line, crossing.direction) == ("gate", "in")
    assert crossing.at_s == pytest.approx(4.5, abs=0.11)
    assert told.first_box == pytest.approx((0.03, 0.38, 0.07, 0.5), abs=1e-4)
    assert told.stationary_share == 0.0
    assert (told.speed_average_m_s, told.continues, told.left_out) == (None, None, 0)


def test_who_vanishes_in_the_middle_is_lost_and_was_last_seen_inside() -> None:
    told = only([Actor(1, walk((0.0, 0.1, 0.5), (4.0, 0.5, 0.5)))], clock(10, 9), ZONES)
    assert told.ended == "lost"
    (stay,) = told.stays
    assert (stay.zone, stay.ended) == ("yard", "inside")
    assert stay.entered_s + stay.dwell_s == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("goes", "ended"),
    [
        pytest.param(walk((0.0, 0.5, 0.5), (2.0, 0.5, 0.99)), "left", id="out at the bottom"),
        pytest.param(walk((0.0, 0.2, 0.5), (1.0, 0.8, 0.5)), "left", id="it would soon have been out"),
        pytest.param(walk((0.0, 0.8, 0.5), (2.0, 0.3, 0.5)), "lost", id="on its way, far from the edge"),
        pytest.param(stand(0.5, 0.5, 0.0, 2.0), "lost", id="at rest"),
    ],
)
def test_a_track_that_ends_at_the_edge_has_left(goes: Any, ended: str) -> None:
    assert only([Actor(1, goes)], clock(10, 5)).ended == ended


def test_a_wait_counts_as_standing_still_although_the_box_shakes() -> None:
    goes = shaken(walk((0.0, 0.1, 0.5), (5.0, 0.5, 0.5), (15.0, 0.5, 0.5), (20.0, 0.9, 0.5)), 0.003)
    assert only([Actor(1, goes)], clock(10, 23)).stationary_share == pytest.approx(0.5, abs=0.06)


def test_classes_are_votes_and_the_most_frequent_comes_first() -> None:
    frames = list(items([Actor(1, stand(0.5, 0.5, 0.0, 2.0), score=0.5)], clock(10, 5)))
    one = consolidation()
    told = []
    for place, item in enumerate(frames):
        dog = np.full(len(item.tracks), 2, np.int32)
        seen = replace(item.tracks, class_id=dog) if place < 5 else item.tracks
        told += one.update(replace(item, tracks=seen))
    votes = {class_id: cast.detections for class_id, cast in told[0].votes.items()}
    assert list(votes.items()) == [(0, 16), (2, 5)]
    assert told[0].votes[2].message().score == 0.5


def test_predicted_boxes_are_no_part_of_the_path() -> None:
    actor = Actor(1, walk((0.0, 0.1, 0.5), (5.0, 0.6, 0.5)), predicted=lambda t: t > 3.05)
    told = only([actor], clock(10, 8))
    assert told.ended_us == START_US + 3_000_000
    assert told.path[-1][0] == pytest.approx(3.0)


def test_a_track_that_goes_on_under_a_new_id_names_the_old_one_and_keeps_its_stay() -> None:
    goes = walk((0.0, 0.1, 0.5), (8.0, 0.9, 0.5))
    first, second = Actor(1, between(goes, -1, 4.0)), Actor(2, between(goes, 4.5, 9.0))
    told = {one.track_id: one for one in summaries(items([first, second], clock(10, 12), ZONES))}
    assert (told[1].continues, told[2].continues) == (None, 1)
    assert [one.ended for one in told[1].stays] == ["inside"]
    (stay,) = told[2].stays
    assert (stay.entered_s, stay.ended) == (0.0, "exited")
    assert stay.dwell_s == pytest.approx(5.1, abs=0.2), "with what it stayed before"


def test_speeds_are_told_where_the_ground_is_calibrated() -> None:
    corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    metres = ((0.0, 0.0), (20.0, 0.0), (20.0, 10.0), (0.0, 10.0))
    ground = AnalyticsSettings(ground=GroundCalibration(image=corners, metres=metres))
    told = only([Actor(1, walk((0.0, 0.1, 0.5), (8.0, 0.9, 0.5)))], clock(10, 11), settings=ground)
    assert told.speed_average_m_s == pytest.approx(2.0, rel=0.1)
    assert told.speed_max_m_s == pytest.approx(2.0, rel=0.1)


def test_a_restart_of_the_picture_ends_every_track() -> None:
    frames = list(items([Actor(1, stand(0.5, 0.5))], clock(10, 2)))
    one = consolidation()
    for item in frames[:-1]:
        assert one.update(item) == []
    closed = [Happening(type="track_ended", occurred_s=1.9, track_id=1, class_id=0)]
    again = replace(
        frames[-1],
        frame=replace(frames[-1].frame, restarted=True),
        tracks=replace(frames[-1].tracks, track_id=np.array([2], np.int64)),
        report=replace(frames[-1].report, happenings=closed),
    )
    assert [(told.track_id, told.ended) for told in one.update(again)] == [(1, "camera_stopped")]


def test_who_is_there_when_the_node_stops_is_told_of_too() -> None:
    one = consolidation()
    frames = list(items([Actor(1, stand(0.5, 0.5)), Actor(2, stand(0.3, 0.5))], clock(10, 3), ZONES))
    assert summaries(iter(frames), one) == []
    told = one.end("street", "node_stopped")
    assert [(each.track_id, each.ended) for each in told] == [(1, "node_stopped"), (2, "node_stopped")]
    assert [each.duration_s for each in told] == pytest.approx([3.0, 3.0])
    assert all(each.stays[0].ended == "inside" for each in told)
    assert one.end("street", "node_stopped") == []


def test_it_is_off_by_default_and_can_be_switched_while_a_track_lasts() -> None:
    frames = list(items([Actor(1, stand(0.5, 0.5, 0.0, 4.0))], clock(10, 8)))
    one = Consolidation({"street": CameraSettings(source=0)})
    assert summaries(iter(frames[:20]), one) == []
    one.reconfigure("street", TrackSettings(enabled=True))
    (told,) = summaries(iter(frames[20:]), one)
    assert told.started_us == START_US, "the tracker knows how old it is"
    assert told.path[0][0] == pytest.approx(2.0)
    one.reconfigure("street", TrackSettings(enabled=True, min_s=5.0))
    assert summaries(iter(frames), one) == [], "too short to be worth a message"
    one.reconfigure("street", TrackSettings())
    assert summaries(iter(frames[:20]), one) == []
    assert one.end("street", "node_stopped") == []


def test_of_too_many_tracks_some_are_not_followed_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TRACKS", 3)
    one = consolidation()
    actors = [Actor(number, stand(0.1 * number, 0.5, 0.0, 1.0)) for number in range(1, 6)]
    assert len(summaries(items(actors, clock(10, 4)), one)) == 3
    assert one.not_followed == 2


def test_a_visitor_who_goes_in_and_out_all_day_leaves_a_bounded_list() -> None:
    stops = [(t * 2.0, 0.1 if t % 2 else 0.5, 0.5) for t in range(2 * limits.TRACK_VISITS + 20)]
    told = only([Actor(1, walk(*stops))], clock(2, stops[-1][0] + 3), ZONES, {})
    assert len(told.stays) == limits.TRACK_VISITS
    assert told.left_out == 10
    assert len(told.path) <= 32


def test_a_gap_in_sight_is_no_end() -> None:
    goes = unseen(walk((0.0, 0.1, 0.5), (8.0, 0.9, 0.5)), (3.0, 3.8))
    (told,) = summaries(items([Actor(1, goes)], clock(10, 11)))
    assert told.duration_s == pytest.approx(8.0)
    assert not math.isnan(told.path_error)
