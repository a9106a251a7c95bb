"""Counters of the day are the events since the day began, whatever clocks, restarts and definitions do."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.config.saved.definitions import Definitions
from edge_node.days.book import BACK_US, DayBook
from edge_node.outbox.day_rows import DayRow
from shared.schedules.timetable import Timetable
from shared.wire.messages import (
    CalendarDefinition,
    Event,
    EventType,
    Flow,
    LineDefinition,
    Presence,
    ZoneDefinition,
)
from tests.edge_node.outbox.outboxes import event

SECOND = 1_000_000
HOUR, DAY = 3600 * SECOND, 86_400 * SECOND
NOON = 20_000 * DAY + 12 * HOUR
ZONE = ZoneDefinition(polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))
QUEUE = dataclasses.replace(ZONE, queue=True, name="Till")
LINE = LineDefinition(points=((0.5, 1.0), (0.5, 0.0)))


def utc_day(at_us: int) -> int:
    return at_us - at_us % DAY


def defined(**zones: ZoneDefinition) -> Definitions:
    return Definitions(version=1, zones=zones or {"z": ZONE}, lines={"l": LINE})


def book(kept: Iterable[DayRow] = (), at_us: int = NOON, definitions: Definitions | None = None) -> DayBook:
    return DayBook({"c": definitions or defined()}, utc_day, kept, at_us)


def said(
    kind: EventType,
    at_us: int,
    place: str = "z",
    label: str = "person",
    way: Literal["in", "out"] | None = None,
) -> Event:
    return dataclasses.replace(event(label), type=kind, occurred_us=at_us, zone=place, direction=way)


def entered(at_us: int, place: str = "z") -> Event:
    return said("zone_entered", at_us, place)


def facts(one: DayBook, place: str = "z") -> tuple[int, int, int] | None:
    day = one.cameras["c"].of(place)
    return None if day is None else (day.since_us, day.entered, day.exited)


def test_what_came_in_and_went_out_is_counted_by_class() -> None:
    one = book(at_us=utc_day(NOON))
    since = utc_day(NOON)
    happened = [
        said("zone_entered", NOON),
        said("zone_entered", NOON, label="dog"),
        said("zone_exited", NOON),
        said("zone_lost", NOON),
        said("loitering", NOON),
        said("zone_entered", NOON, place="elsewhere"),
        said("line_crossed", NOON, place="l", way="in"),
        said("line_crossed", NOON, place="l", way="out"),
        said("line_crossed", NOON, place="l", way="out"),
        said("alert", NOON, place="l", way="out"),
        event(),
    ]
    rows = one.cameras["c"].count(happened, NOON)
    assert [row.place for row in rows] == ["z", "l"]
    assert facts(one) == (since, 2, 1)
    assert facts(one, "l") == (since, 1, 2)
    assert facts(one, "elsewhere") is None
    day = one.cameras["c"].of("z")
    assert day is not None
    assert day.by_class == {"person": Flow(entered=1, exited=1), "dog": Flow(entered=1)}


@pytest.mark.parametrize(
    ("times", "now", "expected"),
    [
        ([NOON, NOON + HOUR], NOON + HOUR, (0, 2)),
        ([NOON, NOON + 13 * HOUR], NOON + 13 * HOUR, (DAY, 1)),  # a new day began at midnight
        ([NOON], NOON + 40 * HOUR, (2 * DAY, 0)),  # the camera saw nothing for more than a day
        ([NOON + 12 * HOUR - 1], NOON + 12 * HOUR, (DAY, 0)),  # certain only after midnight
        ([NOON + 12 * HOUR], NOON + 12 * HOUR, (DAY, 1)),
        (
            [NOON, NOON + 12 * HOUR, NOON + 12 * HOUR - SECOND],
            NOON + 12 * HOUR - SECOND,
            (DAY, 1),
        ),  # set back
        ([NOON + 13 * HOUR], NOON + 12 * HOUR - BACK_US, (DAY, 1)),
        ([NOON + 13 * HOUR], NOON + 12 * HOUR - BACK_US - 1, (12 * HOUR - BACK_US - 1 + NOON % DAY, 0)),
    ],
)
def test_a_day_begins_where_the_calendar_says_by_the_time_of_the_events(
    times: list[int], now: int, expected: tuple[int, int]
) -> None:
    one = book(at_us=utc_day(NOON))
    for at in times:
        one.cameras["c"].count([entered(at)], at if at <= now else now + (at - now))
    one.cameras["c"].turn(now)
    day = facts(one)
    assert day is not None
    assert (day[0] - utc_day(NOON), day[1]) == expected


def test_other_starts_of_the_day_begin_now_where_events_of_the_new_day_were_counted() -> None:
    one = book(at_us=utc_day(NOON))
    one.cameras["c"].count([entered(NOON)], NOON)
    one.cameras["c"].turn(NOON + HOUR)
    one.use(lambda at_us: at_us - (at_us - 6 * HOUR) % DAY)  # six o'clock, before the event
    one.cameras["c"].turn(NOON + HOUR)
    assert facts(one) == (NOON + HOUR, 0, 0)
    assert facts(one, "l") == (utc_day(NOON) + 6 * HOUR, 0, 0)  # nothing was counted there
    one.use(utc_day)
    one.cameras["c"].turn(NOON + 2 * HOUR)
    assert facts(one) == (NOON + HOUR, 0, 0)  # this day has begun already
    one.cameras["c"].turn(NOON + 12 * HOUR)
    assert facts(one) == (utc_day(NOON) + DAY, 0, 0)


def test_a_clock_that_was_years_ahead_for_a_while_moves_no_later_day() -> None:
    ahead = NOON + 1000 * DAY
    one = book()
    one.cameras["c"].count([entered(ahead)], ahead)
    one.cameras["c"].count([entered(NOON + HOUR)], NOON + HOUR)
    midnight = utc_day(NOON) + DAY
    one.cameras["c"].count([entered(midnight + SECOND)], midnight + SECOND)
    assert facts(one) == (midnight, 1, 0)


@pytest.mark.parametrize(
    ("day", "length_h"),
    [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)],
)
def test_the_day_of_a_change_of_the_clock_has_its_own_length(day: str, length_h: int) -> None:
    timetable = Timetable(CalendarDefinition(timezone="Europe/Berlin", day_starts=("00:00",)))
    begins = datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=ZoneInfo("Europe/Berlin"))
    at_us = int(begins.astimezone(timezone.utc).timestamp()) * SECOND
    one = DayBook({"c": defined()}, timetable.day_start, (), at_us - 1)
    starts = []
    for minute in range(26 * 60):
        one.cameras["c"].turn(at_us + minute * 60 * SECOND)
        found = facts(one)
        assert found is not None
        starts.append(found[0])
    assert sorted(set(starts)) == [at_us, at_us + length_h * HOUR]


def test_another_definition_begins_at_zero_and_another_name_or_schedule_goes_on() -> None:
    one = book(at_us=utc_day(NOON))
    camera = one.cameras["c"]
    camera.count([entered(NOON), said("line_crossed", NOON, "l", way="in")], NOON)
    camera.define(defined(z=dataclasses.replace(ZONE, name="Tür", schedule="open")), NOON + SECOND)
    assert facts(one) == (utc_day(NOON), 1, 0)
    rows = camera.define(
        defined(z=dataclasses.replace(ZONE, presence=Presence()), new=ZONE), NOON + 2 * SECOND
    )
    assert {row.place for row in rows} == {"z", "new", "l"}
    late = entered(NOON + SECOND)  # under the old definition
    camera.count([late, entered(NOON + 3 * SECOND)], NOON + 3 * SECOND)
    assert facts(one) == (NOON + 2 * SECOND, 1, 0)
    assert facts(one, "new") == (NOON + 2 * SECOND, 0, 0)
    assert facts(one, "l") == (utc_day(NOON), 1, 0)
    rows = camera.define(defined(new=ZONE), NOON + 4 * SECOND)
    assert DayRow.forgotten("c", "z") in rows
    assert facts(one) is None


@pytest.mark.parametrize(
    ("zone", "again_us", "expected"),
    [
        (ZONE, NOON + HOUR, (utc_day(NOON), 1, 0)),
        (dataclasses.replace(ZONE, name="Till"), NOON + HOUR, (utc_day(NOON), 1, 0)),
        (ZONE, NOON + 12 * HOUR, (utc_day(NOON) + DAY, 0, 0)),  # it was off when the day began
        (ZONE, NOON + 99 * HOUR, (utc_day(NOON) + 4 * DAY, 0, 0)),
        (ZONE, utc_day(NOON) - BACK_US, (utc_day(NOON), 1, 0)),  # the clock was set back meanwhile
        (ZONE, utc_day(NOON) - 9 * HOUR, (utc_day(NOON) - 9 * HOUR, 0, 0)),
        (ZONE, 9 * HOUR, (utc_day(NOON), 1, 0)),  # the machine's clock is not set yet
        (dataclasses.replace(ZONE, enter_after_s=1.0), NOON + HOUR, (NOON + HOUR, 0, 0)),
    ],
)
def test_a_restart_goes_on_with_what_was_kept(
    zone: ZoneDefinition, again_us: int, expected: tuple[int, int, int]
) -> None:
    first = book(at_us=utc_day(NOON))
    kept = {row.place: row for row in first.rows}
    kept |= {row.place: row for row in first.cameras["c"].count([entered(NOON)], NOON)}
    second = book(kept.values(), again_us, defined(z=zone))
    assert facts(second) == expected
    second.cameras["c"].turn(again_us + HOUR // 4)
    assert facts(second) == expected
    day = second.cameras["c"].of("z")
    assert day is not None
    assert sum(flow.entered for flow in day.by_class.values()) == day.entered


def test_a_day_that_begins_is_kept_with_the_next_frame() -> None:
    camera = book(at_us=utc_day(NOON)).cameras["c"]
    assert [row.place for row in camera.count([], NOON)] == []
    rows = camera.count([], NOON + 12 * HOUR)
    assert [(row.place, row.since_us) for row in rows] == [
        ("z", utc_day(NOON) + DAY),
        ("l", utc_day(NOON) + DAY),
    ]
    assert camera.count([], NOON + 12 * HOUR) == []


def test_a_definition_is_known_again_by_later_versions_with_more_settings() -> None:
    kinds = {row.place: row.kind for row in book(definitions=defined(z=ZONE, q=QUEUE)).rows}
    assert kinds == {"z": "a789fa8accbda6ed", "q": "7fe4f26656b2c27f", "l": "85b09342d31f6875"}


def test_what_is_kept_of_cameras_and_zones_that_are_gone_is_forgotten() -> None:
    rows = [DayRow("gone", "z", "k", NOON, 0, b"{}"), DayRow("c", "old", "k", NOON, 0, b"{}")]
    assert {row for row in book(rows).rows if not row.flows} == {
        DayRow.forgotten("gone", "z"),
        DayRow.forgotten("c", "old"),
    }


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.integers(-30, 5), st.sampled_from(["", "restart", "calendar"])),
        max_size=30,
    )
)
def test_the_counters_are_always_the_events_since_they_began(steps: list[tuple[int, int, str]]) -> None:
    starts = [utc_day, lambda at_us: at_us - (at_us - 6 * HOUR) % (DAY // 2)]
    one, kept, at, happened = book(at_us=NOON), dict[str, DayRow](), NOON, list[int]()
    kept |= {row.place: row for row in one.rows}
    for ahead_min, ago_min, what in steps:
        at += (ahead_min - 10) * 60 * SECOND  # sometimes the clock is set back a little
        if what == "restart":
            one = DayBook({"c": defined()}, starts[0], kept.values(), at)
        elif what == "calendar":
            starts.reverse()
            one.use(starts[0])
        occurred = at + min(0, ago_min) * 60 * SECOND
        happened.append(occurred)
        kept |= {row.place: row for row in one.cameras["c"].count([entered(occurred)], at)}
        day = one.cameras["c"].of("z")
        assert day is not None
        assert day.entered == sum(one >= day.since_us for one in happened)
