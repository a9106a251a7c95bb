"""What OC-SORT adds to ByteTrack: directions, recovery at the last place, and filters run again over gaps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edge_node.track import kalman, ocsort
from edge_node.track.association import Matching
from edge_node.track.ocsort import BEFORE, EXTRA, KEPT, SINCE
from edge_node.track.rows import Rows, Seen
from shared.geometry import F64

Spot = tuple[float, float]


def centres(*spots: Spot) -> F64:
    """Boxes ``(4, N)`` with sides of 20 pixels around these spots."""
    boxes: F64 = np.array([(x, y, 20.0, 20.0) for x, y in spots]).T.reshape(4, -1)
    return boxes


def rows_at(*spots: Spot, ids: tuple[int, ...] | None = None) -> Rows:
    """Confirmed tracks that were seen at these spots just now and rest there."""
    boxes, n = centres(*spots), len(spots)
    rows = Rows.zeros(n, EXTRA)
    rows.state[:] = kalman.start(boxes)
    rows.seen[:], rows.past[:], rows.score[:] = boxes, boxes[:2], 0.9
    rows.id[:], rows.visible[:] = np.arange(1, n + 1) if ids is None else np.array(ids), True
    return rows


def seen_at(*spots: Spot, high: bool = True, class_id: int = 0) -> Seen:
    boxes, n = centres(*spots), len(spots)
    return Seen(
        kalman.to_corners(boxes),
        boxes,
        np.full(n, 0.9),
        np.full(n, class_id, np.int32),
        np.full(n, high),
        np.full(n, high),
        np.zeros(n, np.intp),
        1,
    )


def index(*values: int) -> npt.NDArray[np.intp]:
    return np.array(values, np.intp)


@pytest.mark.parametrize(
    ("ahead", "fit"),
    [
        ((20.0, 10.0), 0.5),  # straight on
        ((0.0, 20.0), 0.0),  # at a right angle
        ((-10.0, 10.0), -0.5),  # straight back
        ((10.0, 20.0), 0.25),  # half a right angle
        ((0.0, 10.0), 0.0),  # where the track was before: no direction
        ((0.5, 10.0), 0.5),  # a short way has a direction, too
    ],
)
def test_a_detection_fits_by_the_angle_between_its_way_and_the_tracks(ahead: Spot, fit: float) -> None:
    rows = rows_at((500.0, 400.0), (10.0, 10.0))
    rows.extra[BEFORE] = np.array([(500.0, 300.0), (0.0, 10.0)]).T
    rows.extra[SINCE] = 0.3
    # The second track's pair stands first, so that tracks are found by their number.
    found = ocsort.direction_fit(rows, index(1, 0), np.array([ahead, (500.0, 500.0)]).T)
    assert found == pytest.approx([fit, 0.5])


def test_a_track_without_an_earlier_observation_has_no_direction() -> None:
    rows = rows_at((10.0, 10.0))
    assert ocsort.direction_fit(rows, index(0), np.array([(20.0,), (10.0,)])).tolist() == [0.0]


def test_of_two_detections_at_the_same_distance_a_track_continues_with_the_one_ahead() -> None:
    rows = rows_at((100.0, 100.0))
    rows.extra[BEFORE] = np.array([(98.0,), (100.0,)])
    rows.extra[SINCE] = 0.3
    for spots in (((106.0, 100.0), (94.0, 100.0)), ((94.0, 100.0), (106.0, 100.0))):
        tracks, detections = ocsort.associate(rows, seen_at(*spots)).pairs()
        assert [spots[d] for d in detections] == [(106.0, 100.0)]
        assert tracks.tolist() == [0]


def test_a_confident_detection_counts_its_direction_for_more() -> None:
    """The direction makes up for less overlap, but only for a detection that is sure."""
    rows = rows_at((100.0, 100.0))
    rows.extra[BEFORE] = np.array([(98.0,), (100.0,)])
    rows.extra[SINCE] = 0.3
    spots = ((106.0, 100.0), (95.0, 100.0))  # ahead, but farther away than the one behind
    for score, chosen in ((1.0, (106.0, 100.0)), (0.01, (95.0, 100.0))):
        seen = seen_at(*spots)
        seen.score[:] = score
        assert [spots[d] for d in ocsort.associate(rows, seen).pairs()[1]] == [chosen]


class TestRecovery:
    """A track whose prediction ran away, and a detection where it was last seen."""

    def recovered(
        self, rows: Rows, seen: Seen, taken: tuple[int, int] | None = None
    ) -> list[tuple[int, int]]:
        matching = Matching(len(rows), len(seen.score))
        if taken:
            matching.stage(index(taken[0]), index(taken[1]), np.ones(1))
        ocsort.recover(matching, rows, seen)
        r, c = matching.pairs()
        return sorted(zip(r.tolist(), c.tolist(), strict=True))

    def runaways(self, *spots: Spot, ids: tuple[int, ...] | None = None) -> Rows:
        rows = rows_at(*spots, ids=ids)
        rows.state[:2] += 300.0
        return rows

    def test_it_is_found_where_it_was_last_seen(self) -> None:
        rows = self.runaways((100.0, 100.0), (200.0, 100.0))
        assert self.recovered(rows, seen_at((203.0, 100.0), (101.0, 100.0))) == [(0, 1), (1, 0)]

    @pytest.mark.parametrize(
        ("x", "found"),
        [
            (109.0, True),  # IoU 0.38
            (112.0, False),  # IoU 0.25
        ],
    )
    def test_it_has_to_overlap_that_place_enough(self, x: float, found: bool) -> None:
        assert bool(self.recovered(self.runaways((100.0, 100.0)), seen_at((x, 100.0)))) is found

    def test_a_detection_of_another_class_has_to_overlap_more(self) -> None:
        rows = self.runaways((100.0, 100.0))
        assert self.recovered(rows, seen_at((100.0, 100.0), class_id=1)) == [(0, 0)]
        assert self.recovered(rows, seen_at((107.0, 100.0), class_id=1)) == []
        assert self.recovered(rows, seen_at((107.0, 100.0))) == [(0, 0)]

    def test_only_confirmed_tracks_and_confident_detections_are_matched(self) -> None:
        here = (100.0, 100.0)
        assert self.recovered(self.runaways(here, ids=(1,)), seen_at(here)) == [(0, 0)]
        assert self.recovered(self.runaways(here, ids=(0,)), seen_at(here)) == []
        assert self.recovered(self.runaways(here), seen_at(here, high=False)) == []

    def test_what_is_matched_already_stays_as_it_is(self) -> None:
        rows = self.runaways((100.0, 100.0), (104.0, 100.0), (500.0, 500.0))
        seen = seen_at((101.0, 100.0), (300.0, 300.0), (103.0, 100.0))
        assert self.recovered(rows, seen, taken=(0, 2)) == [(0, 2), (1, 0)]
        assert self.recovered(rows, seen, taken=(2, 0)) == [(1, 2), (2, 0)]

    def test_no_track_or_no_detection_left_is_fine(self) -> None:
        rows, seen = self.runaways((100.0, 100.0), (500.0, 500.0)), seen_at((100.0, 100.0), (300.0, 300.0))
        unconfirmed = self.runaways((100.0, 100.0), (500.0, 500.0), ids=(0, 0))
        assert self.recovered(unconfirmed, seen, taken=(1, 1)) == [(1, 1)]
        seen.high[:] = False
        assert self.recovered(rows, seen, taken=(1, 1)) == [(1, 1)]


@pytest.mark.parametrize(("frames", "steps"), [(1, 1), (2, 2), (3, 3), (16, 16), (17, 16), (40, 16)])
def test_a_filter_found_again_is_run_over_its_gap_along_a_straight_line(frames: int, steps: int) -> None:
    rows = rows_at((700.0, 700.0), (100.0, 100.0), (400.0, 100.0))
    rows.extra[KEPT] = rows.state
    rows.unseen = np.array([0.0, 1.0, 0.5])
    rows.frames = np.array([0, frames, 2], np.int32)
    untouched = rows.state[:, 0].copy()
    at = centres((400.0, 160.0), (130.0, 110.0))
    ocsort.re_update(rows, index(2, 1), at)
    for track, target, number, gap_s in ((1, at[:, 1:], steps, 1.0), (2, at[:, :1], 2, 0.5)):
        state, start = rows.extra[KEPT][:, [track]].copy(), rows.seen[:, [track]]
        for step in range(1, number + 1):
            kalman.predict(state, gap_s / number)
            kalman.correct(state, start + (target - start) * step / number)
        np.testing.assert_allclose(rows.state[:, [track]], state)
    np.testing.assert_array_equal(rows.state[:, 0], untouched)


def test_the_state_at_the_last_match_is_kept_and_lost_tracks_are_run_again() -> None:
    rows = rows_at((100.0, 100.0), (400.0, 100.0), (800.0, 100.0))
    rows.extra[KEPT] = rows.state
    kalman.predict(rows.state, 0.4)
    rows.unseen[:], rows.frames[:] = 0.4, 4
    rows.lost[:] = False, True, False
    filtered = rows.state.copy()
    at = centres((410.0, 100.0), (105.0, 100.0))
    expected = rows_at((100.0, 100.0), (400.0, 100.0), (800.0, 100.0))
    expected.extra[KEPT] = expected.state
    expected.unseen[:], expected.frames[:] = 0.4, 4
    ocsort.re_update(expected, index(1), at[:, :1])
    ocsort.correct(rows, index(1, 0), at)
    np.testing.assert_allclose(rows.state[:, 1], expected.state[:, 1])
    np.testing.assert_array_equal(rows.extra[KEPT][:, :2], rows.state[:, :2])
    np.testing.assert_array_equal(rows.state[:, 2], filtered[:, 2])
    assert (rows.extra[KEPT][:, 2] != rows.state[:, 2]).any()  # it was not matched


def test_the_earlier_observation_moves_on_once_the_direction_spans_its_time() -> None:
    """Observations every 0.1 s: after the first two, a direction spans 0.2 to 0.3 s."""
    rows = rows_at((0.0, 0.0), (1000.0, 1000.0))
    story = []
    for step in range(1, 8):
        rows.unseen[:] = 0.1
        ocsort.keep_direction(rows, index(0))
        story.append((float(rows.extra[BEFORE][0, 0]), round(float(rows.extra[SINCE, 0]), 3)))
        rows.seen[:2, 0] = 10.0 * step, 0.0
    assert story == [(0.0, 0.1), (0.0, 0.2), (20.0, 0.1), (20.0, 0.2), (40.0, 0.1), (40.0, 0.2), (60.0, 0.1)]
    assert rows.extra[BEFORE][:, 1].tolist() == [0.0, 0.0]  # it was not matched
    assert rows.extra[SINCE, 1] == 0.0


def test_each_track_keeps_its_own_earlier_observation() -> None:
    rows = rows_at((1.0, 2.0), (30.0, 40.0), (500.0, 600.0))
    rows.unseen = np.array([0.1, 0.2, 0.3])
    ocsort.keep_direction(rows, index(2, 0))
    assert rows.extra[BEFORE].T.tolist() == [[1.0, 2.0], [0.0, 0.0], [500.0, 600.0]]
    assert rows.extra[SINCE].tolist() == [0.1, 0.0, 0.3]
