from __future__ import annotations

from typing import Any

import pytest

from edge_node.config.camera_settings import AnalyticsSettings
from shared.wire.messages import ZoneDefinition
from tests.edge_node.scenes import Actor, clock, film, frame_of, play, square, stand, unseen, walk

ZONE = ZoneDefinition(polygon=square())
HERE = stand(0.5, 0.5)
GATES = AnalyticsSettings(link_within_s=2.0, link_distance=1.0, link_size_ratio=2.0)


@pytest.mark.parametrize(
    ("first", "second", "linked", "options"),
    [
        (stand(0.5, 0.5, 0, 2), stand(0.5, 0.5, 2.5, 4), True, {}),  # the same place
        (stand(0.5, 0.5, 0, 2), stand(0.53, 0.5, 2.5, 4), True, {}),  # less than a size away
        (stand(0.5, 0.5, 0, 2), stand(0.65, 0.5, 2.5, 4), False, {}),  # too far for somebody who stood
        (
            walk((0, 0.3, 0.5), (2, 0.5, 0.5)),
            stand(0.65, 0.5, 3.5, 5),
            True,
            {},
        ),  # but not for one who walked there
        (walk((0, 0.3, 0.5), (2, 0.5, 0.5)), stand(0.5, 0.5, 3.5, 5), True, {}),  # or stopped where it was
        (
            walk((0, 0.3, 0.5), (2, 0.5, 0.5)),
            stand(0.42, 0.5, 3.5, 5),
            False,
            {},
        ),  # not for one who walked away
        (
            walk((0, 0.3, 0.5), (2, 0.5, 0.5)),
            stand(0.5, 0.5, 4.5, 6),
            False,
            {},
        ),  # too late for somebody on the way
        (
            stand(0.5, 0.5, 0, 2),
            stand(0.5, 0.5, 4.5, 6),
            True,
            {},
        ),  # not for somebody standing in a held stay
        (stand(0.1, 0.5, 0, 2), stand(0.1, 0.5, 4.5, 6), False, {}),  # outside of zones nothing is held
        (stand(0.1, 0.5, 0, 2), stand(0.1, 0.5, 3.5, 6), True, {}),  # but links are made there, too
        (stand(0.5, 0.5, 0, 2), stand(0.5, 0.5, 1.5, 4), False, {}),  # both were seen at once
        (stand(0.5, 0.5, 0, 2), stand(0.5, 0.5, 2.5, 4), False, {"class_id": 1}),  # another class
        (stand(0.5, 0.5, 0, 2), stand(0.5, 0.5, 2.5, 4), False, {"size": (0.1, 0.3)}),  # another size
        (
            walk((0, 0.75, 0.5), (2, 0.95, 0.5)),
            stand(0.96, 0.5, 3.5, 5),
            False,
            {},
        ),  # the first one has walked out
    ],
)
def test_a_new_track_is_the_lost_one_only_where_and_when_it_can_be(
    first: Any, second: Any, linked: bool, options: dict[str, Any]
) -> None:
    played = play(
        film([Actor(1, first), Actor(2, second, **options)], clock(10, 8)), {"z": ZONE}, settings=GATES
    )
    assert [(h.track_id, h.linked_track_id) for h in played.of("track_linked")] == (
        [(2, 1)] if linked else []
    )
    assert [h.track_id for h in played.of("track_started")] == [1, 2]
    assert sorted(h.track_id or 0 for h in played.of("track_ended")) == [1, 2]
    numbers = played.numbers["z"]
    assert numbers.entered == numbers.exited + numbers.lost + numbers.occupancy


@pytest.mark.parametrize(("born_s", "linked"), [(1.95, False), (2.0, True), (2.2, True)])
def test_two_that_the_tracker_saw_at_once_are_two_though_one_was_confirmed_late(
    born_s: float, linked: bool
) -> None:
    played = play(film([Actor(1, stand(0.5, 0.5, 0, 2))], clock(10, 2.2)), {"z": ZONE})
    played.feed([(frame_of([(Actor(2, HERE), (0.5, 0.5), born_s, (0.0, 0.0))], [], 2.3), 2.3)])
    assert len(played.of("track_linked")) == linked


def test_a_link_is_reported_with_the_stay_that_goes_on() -> None:
    zones = {
        "a": ZONE,
        "b": ZoneDefinition(polygon=square(0.4, 0.6)),
        "far": ZoneDefinition(polygon=square(0.8, 0.9)),
    }
    actors = [Actor(1, stand(0.5, 0.5, 0, 3)), Actor(2, stand(0.5, 0.5, 3.5, 9))]
    played = play(film(actors, clock(10, 9)), zones)
    events = [
        (h.zone, h.track_id, h.linked_track_id, h.occurred_s, h.dwell_s) for h in played.of("track_linked")
    ]
    assert events == [("a", 2, 1, 3.5, 3.5), ("b", 2, 1, 3.5, 3.5)]
    assert [played.numbers[name].linked for name in ("a", "b", "far")] == [1, 1, 0]
    assert [played.numbers[name].entered for name in ("a", "b", "far")] == [1, 1, 0]
    assert played.numbers["a"].dwell.ongoing_max_s == pytest.approx(9)


def test_a_stay_whose_object_was_stepping_out_goes_on_under_the_new_id_too() -> None:
    zone = ZoneDefinition(polygon=square(), exit_after_s=2.0)
    actors = [Actor(1, walk((0, 0.5, 0.5), (2, 0.76, 0.5))), Actor(2, walk((2.5, 0.74, 0.5), (6, 0.5, 0.5)))]
    played = play(film(actors, clock(10, 6)), {"z": zone})
    assert [(h.zone, h.track_id) for h in played.of("track_linked")] == [("z", 2)]
    assert (played.numbers["z"].entered, played.numbers["z"].exited, played.numbers["z"].linked) == (1, 0, 1)
    assert played.numbers["z"].dwell.ongoing_max_s == pytest.approx(6.0)


def test_links_can_be_switched_off() -> None:
    actors = [Actor(1, stand(0.5, 0.5, 0, 2)), Actor(2, stand(0.5, 0.5, 2.5, 9))]
    played = play(film(actors, clock(10, 9)), {"z": ZONE}, settings=AnalyticsSettings(link_within_s=0.0))
    assert (played.numbers["z"].entered, played.numbers["z"].lost, played.numbers["z"].linked) == (2, 1, 0)


def test_of_two_lost_and_two_new_each_finds_the_nearest() -> None:
    lost = [Actor(1, stand(0.50, 0.5, 0, 2)), Actor(2, stand(0.54, 0.5, 0, 2))]
    new = [Actor(3, stand(0.545, 0.5, 2.5, 5)), Actor(4, stand(0.505, 0.5, 2.5, 5))]
    played = play(film(lost + new, clock(10, 5)), {"z": ZONE})
    assert sorted((h.linked_track_id, h.track_id) for h in played.of("track_linked")) == [(1, 4), (2, 3)]


def test_one_lost_track_goes_on_under_one_new_id_only() -> None:
    new = [Actor(2, stand(0.51, 0.5, 2.5, 5)), Actor(3, stand(0.49, 0.5, 2.5, 5))]
    played = play(film([Actor(1, stand(0.5, 0.5, 0, 2)), *new], clock(10, 5)), {"z": ZONE})
    assert len(played.of("track_linked")) == 1
    assert played.numbers["z"].entered == 2


def test_a_lost_track_that_comes_back_after_all_is_somebody_else() -> None:
    actors = [Actor(1, unseen(stand(0.5, 0.5, 0, 9), (2, 4))), Actor(2, stand(0.53, 0.5, 2.5, 9))]
    played = play(film(actors, clock(10, 12)), {"z": ZONE})
    assert [h.track_id for h in played.of("zone_entered")] == [1, 1]
    assert [h.track_id for h in played.of("track_started")] == [1, 2]
    ages = {h.track_id: h.dwell_s for h in played.of("track_ended")}
    assert ages == {1: pytest.approx(9.0), 2: pytest.approx(6.5, abs=1e-3)}


@pytest.mark.parametrize("recovers", [False, True])
def test_a_lost_track_may_still_be_predicted_when_another_id_takes_its_place(recovers: bool) -> None:
    end = 9 if recovers else 4
    old = Actor(1, stand(0.5, 0.5, 0, end), predicted=lambda t: 2 < t < 5)
    played = play(film([old, Actor(2, stand(0.52, 0.5, 2.5, 9))], clock(10, 11)), {"z": ZONE})
    assert [(h.track_id, h.linked_track_id) for h in played.of("track_linked")] == [(2, 1)]
    assert [h.track_id for h in played.of("zone_entered")] == ([1, 1] if recovers else [1])
    assert [h.track_id for h in played.of("track_started")] == [1, 2]
    ages = {h.track_id: h.dwell_s for h in played.of("track_ended")}
    assert ages == {1: pytest.approx(9.0 if recovers else 2.0), 2: pytest.approx(6.5)}
    assert played.reports[30].zones_of == [[], ["z"]]


def test_a_stay_survives_a_chain_of_ids() -> None:
    actors = [Actor(i, stand(0.5, 0.5, 2 * i, 2 * i + 1.6)) for i in range(20)]
    played = play(
        film([*actors, Actor(99, walk((40, 0.5, 0.5), (42, 0.5, 0.1)))], clock(10, 44)), {"z": ZONE}
    )
    numbers = played.numbers["z"]
    assert (numbers.entered, numbers.exited, numbers.linked) == (1, 1, 20)
    assert numbers.dwell.average_s == pytest.approx(41.25, abs=0.1)
    assert len(played.of("track_started")) == len(played.of("track_ended")) == 21


@pytest.mark.parametrize(
    ("dx", "dy", "linked"), [(0.0, 0.09, True), (0.0, 0.105, False), (0.05, 0.0, True), (0.06, 0.0, False)]
)
def test_the_way_to_a_lost_one_is_measured_in_box_sizes_in_every_direction(
    dx: float, dy: float, linked: bool
) -> None:
    """Boxes of 51.2 by 86.4 pixels, whose size is 66.5: 0.052 of the width and 0.092 of the height."""
    actors = [Actor(1, stand(0.5, 0.5, 0, 2)), Actor(2, stand(0.5 + dx, 0.5 + dy, 2.5, 4))]
    assert bool(play(film(actors, clock(10, 4)), settings=GATES).of("track_linked")) is linked
