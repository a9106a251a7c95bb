"""Spans on days on which the clock is changed. The truth is zdump's, such as `zdump -v Europe/Berlin`."""

from __future__ import annotations

import random
from typing import Any

import pytest

from shared.errors import ConfigError
from shared.schedules.timetable import HORIZON_DAYS, Timetable
from shared.schedules.wall_clock import DAY_US
from tests.shared.schedules.calendars import calendar, shown, timetable, us


def span(start: str, end: str, *days: str) -> dict[str, Any]:
    return {"start": start, "end": end, "days": days}


def whole(day: str) -> dict[str, Any]:
    return span("00:00", "24:00", day)


# A zone, a span, a moment before it begins, and its begin and end in UTC.
CASES = [
    # Europe/Berlin is put forward at 2027-03-28T01:00Z, from 02:00 to 03:00, and back at 2027-10-31T01:00Z.
    ("Europe/Berlin", span("22:00", "06:00"), "2027-03-27T12:00", "2027-03-27T21:00", "2027-03-28T04:00"),
    ("Europe/Berlin", span("22:00", "06:00"), "2027-10-30T12:00", "2027-10-30T20:00", "2027-10-31T05:00"),
    # 02:30 is skipped: the span begins when the clock skips it, and one that ends at 02:30 ends then.
    ("Europe/Berlin", span("02:30", "05:00"), "2027-03-27T12:00", "2027-03-28T01:00", "2027-03-28T03:00"),
    ("Europe/Berlin", span("01:00", "02:30"), "2027-03-27T12:00", "2027-03-28T00:00", "2027-03-28T01:00"),
    # Both are skipped: nothing on that day, and the next one is on the day after.
    ("Europe/Berlin", span("02:10", "02:50"), "2027-03-27T12:00", "2027-03-29T00:10", "2027-03-29T00:50"),
    # 02:30 is shown twice: the span begins at the first, and one that ends then ends at the second.
    ("Europe/Berlin", span("02:30", "05:00"), "2027-10-30T12:00", "2027-10-31T00:30", "2027-10-31T04:00"),
    ("Europe/Berlin", span("01:00", "02:30"), "2027-10-30T12:00", "2027-10-30T23:00", "2027-10-31T01:30"),
    # 2027-03-14T07:00Z and 2027-11-07T06:00Z.
    ("America/New_York", span("01:30", "03:00"), "2027-03-13T12:00", "2027-03-14T06:30", "2027-03-14T07:00"),
    ("America/New_York", span("01:30", "03:00"), "2027-11-06T12:00", "2027-11-07T05:30", "2027-11-07T08:00"),
    # Half an hour: 2026-10-03T15:30Z from 02:00 to 02:30, and 2027-04-03T15:00Z from 02:00 to 01:30.
    (
        "Australia/Lord_Howe",
        span("02:15", "04:00"),
        "2026-10-03T10:00",
        "2026-10-03T15:30",
        "2026-10-03T17:00",
    ),
    (
        "Australia/Lord_Howe",
        span("01:45", "04:00"),
        "2027-04-03T10:00",
        "2027-04-03T14:45",
        "2027-04-03T17:30",
    ),
    # Winter time during Ramadan, an hour behind the rest of the year: back at 2027-02-07T02:00Z, on at 03-14.
    (
        "Africa/Casablanca",
        span("02:30", "06:00"),
        "2027-02-06T12:00",
        "2027-02-07T01:30",
        "2027-02-07T06:00",
    ),
    (
        "Africa/Casablanca",
        span("02:30", "06:00"),
        "2027-03-13T12:00",
        "2027-03-14T02:00",
        "2027-03-14T05:00",
    ),
    # Three quarters of an hour off the hour, and no changes.
    ("Asia/Kathmandu", span("09:00", "17:00"), "2027-06-01T00:00", "2027-06-01T03:15", "2027-06-01T11:15"),
    # Midnight itself is skipped (2027-03-14T05:00Z), and is shown twice (2027-11-07T05:00Z).
    ("America/Havana", whole("sun"), "2027-03-10T00:00", "2027-03-14T05:00", "2027-03-15T04:00"),
    ("America/Havana", whole("sat"), "2027-11-03T00:00", "2027-11-06T04:00", "2027-11-07T04:00"),
    # The last hour of Saturday is skipped (2027-03-28T01:00Z), and is shown twice (2027-10-31T01:00Z).
    (
        "America/Nuuk",
        span("23:15", "24:00", "sat"),
        "2027-03-25T00:00",
        "2027-04-04T00:15",
        "2027-04-04T01:00",
    ),
    (
        "America/Nuuk",
        span("23:15", "24:00", "sat"),
        "2027-10-28T00:00",
        "2027-10-31T00:15",
        "2027-10-31T02:00",
    ),
    # Samoa had no 30 December 2011: 2011-12-30T10:00Z is where the 29th ends and the 31st begins.
    (
        "Pacific/Apia",
        span("12:00", "13:00", "fri"),
        "2011-12-29T00:00",
        "2012-01-05T22:00",
        "2012-01-05T23:00",
    ),
    (
        "Pacific/Apia",
        span("20:00", "12:00", "thu"),
        "2011-12-29T00:00",
        "2011-12-30T06:00",
        "2011-12-30T10:00",
    ),
    # A leap day, and midnight in spans of one day.
    (
        "Europe/Berlin",
        span("20:00", "00:00", "tue"),
        "2028-02-28T12:00",
        "2028-02-29T19:00",
        "2028-02-29T23:00",
    ),
    (
        "Europe/Berlin",
        span("00:00", "00:00", "tue"),
        "2028-02-28T12:00",
        "2028-02-28T23:00",
        "2028-02-29T23:00",
    ),
]


@pytest.mark.parametrize(("zone", "one", "before", "begin", "end"), CASES)
def test_a_span_begins_and_ends_where_the_clock_on_the_wall_says(
    zone: str, one: dict[str, Any], before: str, begin: str, end: str
) -> None:
    times = timetable(zone, one)
    start = times.next_change("s", us(before), None)
    assert shown(start) == begin and start is not None
    assert not times.active("s", start - 1, None) and times.active("s", start, None)
    stop = times.next_change("s", start, None)
    assert shown(stop) == end and stop is not None
    assert times.active("s", stop - 1, None)
    assert times.schedule_start("s", stop - 1, None) == start
    assert times.active("s", us(before), None) is False, "a clock that is set back is at the earlier time"


@pytest.mark.parametrize("name", ["localtime", "right/Europe/Berlin", "posix/UTC", "Factory", "../UTC"])
def test_what_only_some_machines_have_beside_the_zones_is_no_zone(name: str) -> None:
    with pytest.raises(ConfigError, match="there is no time zone"):
        timetable(name)


EXCEPTIONS = [
    {"first": "2026-12-24", "last": "2027-01-01"},
    {"first": "2026-12-31", "spans": [{"start": "10:00", "end": "02:00"}]},
    {"first": "2028-02-29", "spans": [{"start": "12:00", "end": "13:00"}]},
]


@pytest.mark.parametrize(
    ("at", "active", "why"),
    [
        ("2026-12-23T23:30", True, "a span that goes over midnight belongs to the day on which it begins"),
        ("2026-12-24T23:30", False, "a day that differs, without spans"),
        ("2026-12-31T12:00", True, "of several, the last one in the list counts"),
        ("2027-01-01T00:30", True, "also over midnight, into a day without spans"),
        ("2027-01-01T22:30", False, "the last of the days is one of them"),
        ("2027-01-02T22:30", True, "the week goes on"),
        ("2028-02-29T12:30", True, "a leap day"),
        ("2028-02-29T22:30", False, "instead of the spans of the week"),
    ],
)
def test_on_days_that_differ_their_spans_count_instead(at: str, active: bool, why: str) -> None:
    times = timetable("UTC", {"start": "22:00", "end": "01:00"}, exceptions=EXCEPTIONS)
    assert times.active("s", us(at), None) is active, why


def test_a_schedule_holds_in_its_modes_only_and_one_that_is_unknown_always() -> None:
    times = timetable("UTC", {"start": "08:00", "end": "18:00"}, modes=["away"])
    noon = us("2027-05-05T12:00")
    assert (
        times.active("s", noon, "away") and shown(times.next_change("s", noon, "away")) == "2027-05-05T18:00"
    )
    assert not times.active("s", noon, "home") and times.next_change("s", noon, "home") is None
    assert not times.active("s", noon, None)
    assert times.active("other", noon, None) and times.active(None, noon, None)
    assert times.next_change("other", noon, None) is None


def test_it_answers_the_same_after_other_questions_and_when_the_clock_is_set_back() -> None:
    dice = random.Random(4)
    spans = span("22:00", "06:00"), span("08:00", "20:00", "mon"), whole("sat"), whole("sun")
    asked = timetable("Europe/Berlin", *spans)
    begin = us("2027-10-20T00:00")
    for _ in range(200):
        at_us = begin + dice.randrange(14 * 24 * 60) * 60_000_000
        found, fresh = (
            (
                one.active("s", at_us, None),
                one.next_change("s", at_us, None),
                one.schedule_start("s", at_us, None),
            )
            for one in (asked, timetable("Europe/Berlin", *spans))
        )
        assert found == fresh, shown(at_us)


def test_what_never_changes_has_no_next_change_and_no_begin() -> None:
    noon = us("2027-05-05T12:00")
    always: list[tuple[dict[str, Any], ...]] = [
        (),
        ({},),
        ({"start": "06:00", "end": "18:00"}, {"start": "17:00", "end": "07:00"}),
    ]
    for spans in always:
        times = timetable("Europe/Berlin", *spans)
        assert times.active("s", noon, None)
        assert times.next_change("s", noon, None) is None and times.schedule_start("s", noon, None) is None
    never = timetable("UTC", exceptions=[{"first": "2027-01-01", "last": "2028-12-31"}])
    assert not never.active("s", noon, None) and never.next_change("s", noon, None) is None


@pytest.mark.parametrize(
    ("more", "longest_h"),
    [
        ({}, 4),  # when the clock is set back
        ({"exceptions": [{"first": "2027-12-24", "spans": [{"start": "00:00", "end": "12:00"}]}]}, 12),
        ({"exceptions": [{"first": "2027-10-31"}]}, 3),
        ({"modes": ["away"]}, 4),
    ],
)
def test_for_how_long_a_schedule_is_active_at_most_is_known(more: dict[str, Any], longest_h: int) -> None:
    times = timetable("Europe/Berlin", {"start": "01:00", "end": "04:00"}, **more)
    for at in "2027-05-05T00:30", "2027-05-05T12:00":  # while it is active, and while it is not
        assert times.longest("s", us(at), 10**15) == longest_h * 3_600_000_000
        assert 0 < times.longest("s", us(at), 10**6) <= longest_h * 3_600_000_000
    assert times.longest("other", us("2027-05-05T00:30"), 10**15) == HORIZON_DAYS * DAY_US
    assert timetable("UTC").longest("s", us("2027-05-05T00:30"), 10**15) == HORIZON_DAYS * DAY_US


@pytest.mark.parametrize(
    ("zone", "starts", "at", "expected", "then"),
    [
        ("Europe/Berlin", ["00:00"], "2027-03-28T12:00", "2027-03-27T23:00", "2027-03-28T22:00"),
        ("Europe/Berlin", ["02:30"], "2027-03-28T01:00", "2027-03-28T01:00", "2027-03-29T00:30"),
        ("Europe/Berlin", ["02:30"], "2027-10-31T01:45", "2027-10-31T00:30", "2027-11-01T01:30"),
        ("America/Havana", ["00:00"], "2027-03-14T05:00", "2027-03-14T05:00", "2027-03-15T04:00"),
        ("America/New_York", ["22:00", "06:00"], "2027-05-05T12:00", "2027-05-05T10:00", "2027-05-06T02:00"),
        ("Pacific/Apia", ["05:00"], "2011-12-30T12:00", "2011-12-30T10:00", "2011-12-30T15:00"),
    ],
)
def test_counters_of_the_day_begin_at_the_local_times_that_are_set(
    zone: str, starts: list[str], at: str, expected: str, then: str
) -> None:
    times = Timetable(calendar(timezone=zone, day_starts=starts))
    assert shown(times.day_start(us(at))) == expected
    assert shown(times.next_day_start(us(at))) == then
