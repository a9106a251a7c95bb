"""Somebody is present in a zone once it was occupied for long enough, until it was empty for long enough."""

from __future__ import annotations

import dataclasses

import pytest

from edge_node.analytics.paused import NOTHING, Paused
from shared.wire.messages import EventType, Presence, ZoneDefinition
from tests.edge_node.scenes import Actor, Path, Played, clock, film, play, square, stand, unseen

ON: EventType = "presence_started"
OFF: EventType = "presence_ended"
Said = list[tuple[str, float]]


def zone(on_s: float, off_s: float, **more: float) -> ZoneDefinition:
    """Without delays of its own, unless they are given."""
    delays = {"enter_after_s": 0.0, "exit_after_s": 0.0, "lost_after_s": 0.0} | more
    presence = Presence(on_after_s=on_s, off_after_s=off_s)
    return ZoneDefinition(polygon=square(), presence=presence, **delays)  # type: ignore[arg-type]


def visits(*times: tuple[float, float]) -> Path:
    """Inside the zone at these times, with their starts and without their ends; else beside it."""
    return lambda t: (0.5 if any(a - 1e-9 <= t < b - 1e-9 for a, b in times) else 0.9, 0.5)


def said(played: Played) -> Said:
    return [(kind, at_s) for kind, _, at_s in played.story(ON, OFF)]


@pytest.mark.parametrize(
    ("on_s", "off_s", "inside", "expected"),
    [
        (0, 0, [(1, 2), (3, 4)], [(ON, 1), (OFF, 2), (ON, 3), (OFF, 4)]),  # as occupancy
        (0, 2, [(1, 2), (3, 4)], [(ON, 1), (OFF, 6)]),  # the gap is too short to end it
        (0, 2, [(1, 2), (4, 5)], [(ON, 1), (OFF, 4), (ON, 4), (OFF, 7)]),  # a gap of just the delay ends it
        (1, 0, [(1, 1.5), (3, 5)], [(ON, 4), (OFF, 5)]),  # the first visit is too short to begin it
        (
            1,
            0,
            [(1, 2), (3, 5)],
            [(ON, 2), (OFF, 2), (ON, 4), (OFF, 5)],
        ),  # a visit just as long begins it
        (1, 2, [(1, 1.9), (2, 2.5), (2.6, 3.7), (4, 4.1)], [(ON, 3.6), (OFF, 6.1)]),
        (1, 3, [(1, 9)], [(ON, 2)]),
        (5, 3, [(1, 5.5)], []),
        (0, 30, [], []),
    ],
)
def test_presence_begins_and_ends_when_its_delay_has_run_out(
    on_s: float, off_s: float, inside: list[tuple[float, float]], expected: Said
) -> None:
    played = play(film([Actor(1, visits(*inside))], clock(10, 9)), {"z": zone(on_s, off_s)})
    assert said(played) == expected
    assert played.numbers["z"].present == (bool(expected) and expected[-1][0] == ON)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (clock(10, 9), [(ON, 2.0), (OFF, 6.0)]),
        (clock(2, 9), [(ON, 2.0), (OFF, 6.0)]),
        ([*clock(10, 3.5), *clock(10, 1, 8.0)], [(ON, 2.0), (OFF, 10.0)]),  # nobody saw when it became empty
        ([*clock(10, 4.5), *clock(10, 1, 8.0)], [(ON, 2.0), (OFF, 6.0)]),  # the delay ran out in the gap
    ],
)
def test_the_frames_clock_times_it_at_every_rate(times: list[float], expected: Said) -> None:
    played = play(film([Actor(1, visits((1, 4)))], times), {"z": zone(1, 2)})
    assert said(played) == [one for one in expected if one[1] <= times[-1]]


def test_a_visit_after_a_gap_in_which_the_delay_ran_out_is_a_new_presence() -> None:
    times = [*clock(10, 4.5), *clock(10, 1, 8.0)]
    played = play(film([Actor(1, visits((1, 4), (7, 9)))], times), {"z": zone(0, 2)})
    assert said(played) == [(ON, 1), (OFF, 6), (ON, 8)]


def test_who_is_lost_or_goes_on_under_another_id_is_present() -> None:
    lost = Actor(1, unseen(stand(0.5, 0.5, end=4.0), (1, 2)))
    linked = Actor(2, stand(0.5, 0.5, start=4.5, end=6.0))
    played = play(film([lost, linked], clock(10, 12)), {"z": zone(0, 1, lost_after_s=2.0)})
    assert [h.type for h in played.happenings if h.type == "track_linked"] == ["track_linked"]
    assert said(played) == [(ON, 0), (OFF, 7)]  # from when it was last seen, once it counts as lost
    [frame] = [i for i, report in enumerate(played.reports) if any(h.type == OFF for h in report.happenings)]
    assert frame == 80


def test_a_stay_that_counts_late_began_before() -> None:
    played = play(film([Actor(1, visits((1, 6)))], clock(10, 9)), {"z": zone(1, 1, enter_after_s=2.0)})
    assert said(played) == [(ON, 2), (OFF, 7)]


def test_a_presence_does_not_begin_before_the_last_one_has_ended() -> None:
    first, second = Actor(1, visits((0, 3))), Actor(2, visits((2, 9)))
    played = play(film([first, second], clock(10, 6)), {"z": zone(0, 0, enter_after_s=2.0)})
    assert said(played) == [
        (ON, 0),
        (OFF, 3),
        (ON, 3),
    ]  # the second stay began at 2 s, and counts from 4 s on


def test_at_the_next_pass_of_a_film_presence_begins_on_its_new_clock() -> None:
    played = play(film([Actor(1, stand(0.5, 0.5))], clock(10, 2)), {"z": zone(0, 0)})
    played.happenings += played.analytics.restart()
    played.feed(film([Actor(2, stand(0.5, 0.5))], clock(10, 1)))
    assert said(played) == [(ON, 0), (OFF, 2), (ON, 0)]


@pytest.mark.parametrize(
    ("again_s", "inside_again", "expected"),
    [
        (3.0, True, [(ON, 0)]),  # a short loss of the camera changes nothing
        (3.0, False, [(ON, 0), (OFF, 4)]),
        (9.0, True, [(ON, 0), (OFF, 4), (ON, 9)]),
        (9.0, False, [(ON, 0), (OFF, 4)]),
        (0.0, True, [(ON, 0)]),  # a film's next pass: its clock begins again
        (0.0, False, [(ON, 0), (OFF, 2)]),
    ],
)
def test_a_restart_ends_presence_only_if_nobody_is_there_for_long_enough(
    again_s: float, inside_again: bool, expected: Said
) -> None:
    played = play(film([Actor(1, stand(0.5, 0.5))], clock(10, 2)), {"z": zone(0, 2)})
    played.happenings += played.analytics.restart()
    x = 0.5 if inside_again else 0.9
    played.feed(film([Actor(2, stand(x, 0.5))], clock(10, 2.5, again_s)))
    assert said(played) == expected


def test_a_pause_or_another_definition_ends_presence_at_once() -> None:
    zones = {"paused": zone(0, 5), "changed": zone(0, 5), "kept": zone(0, 5), "quick": zone(9, 5)}
    played = play(film([Actor(1, stand(0.5, 0.5))], clock(10, 2)), zones)
    events = played.analytics.pause(Paused(None, {"paused": "schedule"}))
    changed = zones | {"changed": dataclasses.replace(zone(0, 5), presence=None)}
    events += played.analytics.redefine(changed, {})
    assert [(h.zone, h.occurred_s) for h in events if h.type == OFF] == [("paused", 2.0), ("changed", 2.0)]
    played.feed(film([Actor(1, stand(0.5, 0.5))], [2.1, 2.2]))
    assert {name: one.present for name, one in played.numbers.items()} == {
        "paused": False,
        "changed": None,
        "kept": True,
        "quick": False,
    }
    assert played.analytics.pause(NOTHING) == []
    played.feed(film([Actor(1, stand(0.5, 0.5))], [2.3]))
    assert [(h.zone, h.occurred_s) for h in played.of(ON)][-1] == ("paused", 2.3)
