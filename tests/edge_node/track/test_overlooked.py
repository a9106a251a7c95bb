"""What both trackers do with tracks that the detector did not look for, on scenes made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.config.settings import TrackerSettings
from edge_node.frames import Looked, Tracks
from edge_node.track.overlooked import looked_for
from edge_node.track.tracker import Tracker, create
from tests.edge_node.track.test_tracker import KINDS, NOTHING, Box, ids, person, seen

DT = 0.1
PICTURE: Box = (0, 0, 2000, 1000)
FAR_AWAY: Box = (1500, 0, 2000, 500)
LANDMARKS = (person(1900, 900), person(100, 100))
"""Objects that the trackers know the extent of the picture from."""


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Callable[..., Tracker]:
    def build(**changes: float) -> Tracker:
        return create(TrackerSettings(kind=request.param, **changes))

    return build


def at(*tiles: Box, least: float = 10.0) -> Looked:
    return Looked(np.array(tiles, np.float32).reshape(-1, 4), np.full(len(tiles), least, np.float32))


def followed(tracker: Tracker, frames: int = 10, speed: float = 100.0) -> float:
    """Have the tracker follow a walking person, and return where the person is."""
    x = 500.0
    for index in range(frames):
        x = 500.0 + speed * DT * index
        tracker.update(seen(person(x, 500), *LANDMARKS), DT * (index > 0))
    return x


def walker(tracks: Tracks) -> list[tuple[float, bool]]:
    """Centre and whether it is predicted, of the person who walks in the middle of the picture."""
    middle = (tracks.xyxy[:, 0] + tracks.xyxy[:, 2]) / 2
    there = (tracks.xyxy[:, 1] > 300) & (tracks.xyxy[:, 3] < 700)
    return list(zip(middle[there].tolist(), tracks.predicted[there].tolist(), strict=True))


def test_a_track_that_the_detector_did_not_look_for_goes_on_as_predicted(
    make: Callable[..., Tracker],
) -> None:
    for looked, still_there in ((at(FAR_AWAY), True), (at(), True), (None, False), (at(PICTURE), False)):
        tracker = make()
        x = followed(tracker)
        for _ in range(8):
            tracks = tracker.update(NOTHING, DT, looked)
        assert len(walker(tracks)) == still_there
        if still_there:
            (where, predicted) = walker(tracks)[0]
            assert where == pytest.approx(x + 80, abs=20)
            assert predicted


def test_it_keeps_its_id_for_longer_than_a_missed_one(make: Callable[..., Tracker]) -> None:
    for looked, same in ((at(FAR_AWAY), True), (None, False)):
        tracker = make(lost_s=1.0, stationary_lost_s=1.0)
        x = followed(tracker)
        for _ in range(13):
            tracker.update(NOTHING, DT, looked)
        back = [tracker.update(seen(person(x + 140 + 10 * n, 500)), DT, looked) for n in range(2)][-1]
        assert (ids([back]) == {1}) is same


def test_nothing_is_predicted_for_ever(make: Callable[..., Tracker]) -> None:
    tracker = make(lost_s=1.0, stationary_lost_s=1.0)
    followed(tracker, 30)
    shown, ended = 0.0, 0.0
    for frame in range(1, 60):
        tracks = tracker.update(NOTHING, DT, at(FAR_AWAY))
        shown = frame * DT if len(walker(tracks)) else shown
        ended = frame * DT if len(tracks.ended) else ended
    assert 0.5 < shown <= 1.2, "not longer than lost_s, and predicted_s after it"
    assert 1.5 < ended <= 2.2, "lost_s that are spared, and lost_s as for any track"


def test_what_was_seen_for_a_moment_is_not_shown_for_longer_than_that(make: Callable[..., Tracker]) -> None:
    tracker = make()
    followed(tracker, 3)
    assert [len(walker(tracker.update(NOTHING, DT, at(FAR_AWAY)))) for _ in range(4)] == [1, 1, 0, 0]
    assert walker(tracker.update(seen(person(560, 500)), DT, at(PICTURE))), "but it is not forgotten"


def test_a_match_settles_what_was_spared_before(make: Callable[..., Tracker]) -> None:
    tracker = make(lost_s=1.0, predicted_s=0.15)
    x = followed(tracker)
    for _ in range(4):
        for _ in range(6):
            assert walker(tracker.update(NOTHING, DT, at(FAR_AWAY)))
        x += 70
        tracker.update(seen(person(x, 500)), DT, at(PICTURE))
    assert [len(walker(tracker.update(NOTHING, DT, at(PICTURE)))) for _ in range(2)] == [1, 0]


def test_time_without_a_look_does_not_count_against_a_track_that_is_missed_later(
    make: Callable[..., Tracker],
) -> None:
    tracker = make(predicted_s=0.25)
    followed(tracker)
    for _ in range(5):
        tracker.update(NOTHING, DT, at(FAR_AWAY))
    assert [len(walker(tracker.update(NOTHING, DT, at(PICTURE)))) for _ in range(3)] == [1, 1, 0]


def test_a_lost_track_waits_longer_while_nobody_looks(make: Callable[..., Tracker]) -> None:
    for looked, same in ((at(FAR_AWAY), True), (at(PICTURE), False)):
        tracker = make(lost_s=0.5, stationary_lost_s=0.5)
        x = followed(tracker, speed=0.0)
        tracker.update(NOTHING, DT, at(PICTURE))
        for _ in range(6):
            tracker.update(NOTHING, DT, looked)
        back = [tracker.update(seen(person(x, 500)), DT, looked) for _ in range(2)][-1]
        assert (ids([back]) == {1}) is same


def test_what_one_look_found_waits_for_the_next_to_be_confirmed(make: Callable[..., Tracker]) -> None:
    for looked, confirmed in ((at(FAR_AWAY), True), (at(PICTURE), False)):
        tracker = make()
        tracker.update(seen(person(500, 500), *LANDMARKS), 0.0, at(PICTURE))
        for _ in range(8):
            tracker.update(NOTHING, DT, looked)
        tracks = tracker.update(seen(person(510, 500), *LANDMARKS), DT, at(PICTURE))
        assert bool(walker(tracks)) is confirmed


def test_the_time_between_runs_of_the_network_is_spared_as_well(make: Callable[..., Tracker]) -> None:
    tracker = make(predicted_s=0.25)
    followed(tracker)
    for _ in range(3):
        for detections in (None, None, NOTHING):
            tracker.update(detections, DT, at(FAR_AWAY))
    assert walker(tracker.update(NOTHING, DT, at(PICTURE)))


def test_who_walks_out_of_the_picture_is_not_shown_outside(make: Callable[..., Tracker]) -> None:
    tracker = make()
    tracker.update(seen(*LANDMARKS), 0.0)
    x = 0.0
    for index in range(15):
        x = 1600 + 15.0 * index
        tracker.update(seen(person(x, 500), *LANDMARKS), DT)
    shown = [walker(tracker.update(NOTHING, DT, at(PICTURE, least=500))) for _ in range(14)]
    assert shown[0]
    assert not shown[-1]
    assert max(middle for [(middle, _)] in filter(None, shown)) < 1920


@given(st.data())
def test_looking_everywhere_for_everything_is_what_none_says(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([TrackerSettings(kind="bytetrack"), TrackerSettings(kind="ocsort")]))
    plain, tiled = create(kind), create(kind)
    everything = at((-1e4, -1e4, 1e4, 1e4), least=0.0)
    place = st.tuples(st.integers(0, 6), st.integers(0, 3), st.floats(0, 30))
    for _ in range(data.draw(st.integers(1, 12))):
        boxes = [
            person(200 + 60 * x + dx, 100 + 80 * y) for x, y, dx in data.draw(st.lists(place, max_size=6))
        ]
        frame = data.draw(st.sampled_from([seen(*boxes), None]))
        dt = data.draw(st.sampled_from([0.0, 0.04, 0.5]))
        one, other = plain.update(frame, dt), tiled.update(frame, dt, everything)
        for column in ("xyxy", "score", "track_id", "age_s", "velocity", "predicted", "ended"):
            assert np.array_equal(getattr(one, column), getattr(other, column)), column


BOX: Box = (100, 100, 140, 200)
PLACES = [
    pytest.param(at((0, 0, 500, 500)), True, id="all of it"),
    pytest.param(at(BOX), True, id="just it"),
    pytest.param(at((120, 0, 500, 500)), False, id="half of it"),
    pytest.param(at((0, 0, 120, 500), (120, 0, 500, 500)), True, id="two tiles that touch in it"),
    pytest.param(at((0, 0, 115, 500), (125, 0, 500, 500)), False, id="two tiles with a gap in it"),
    pytest.param(at((0, 0, 500, 500), least=64), False, id="too small for this look"),
    pytest.param(at((0, 0, 500, 500), least=63), True, id="its side is the square root of its area"),
    pytest.param(at(), False, id="nowhere"),
]


@pytest.mark.parametrize(("looked", "expected"), PLACES)
def test_a_box_was_looked_for_where_all_of_it_was_shown_large_enough(looked: Looked, expected: bool) -> None:
    centre = np.array([[120.0], [150.0], [40.0], [100.0]])
    assert looked_for(centre, looked, np.zeros(2), np.full(2, 1000.0)).tolist() == [expected]


def test_what_lies_outside_the_picture_cannot_be_looked_at() -> None:
    centre = np.array([[0.0], [150.0], [40.0], [100.0]])
    looked = at((0, 0, 500, 500))
    assert looked_for(centre, looked, np.zeros(2), np.full(2, 1000.0)).all()
    assert not looked_for(centre, looked, np.full(2, -100.0), np.full(2, 1000.0)).any()
