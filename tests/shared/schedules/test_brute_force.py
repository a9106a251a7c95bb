"""Random calendars around changes of the clock, against a walk over every minute.

The walk knows only what the clock on the wall shows in each minute (from UTC to local time, which has no
special cases), and none of the code that it tests.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shared.schedules.calendars import timetable

ZONES = [
    ("Europe/Berlin", date(2027, 3, 28)),
    ("Europe/Berlin", date(2027, 10, 31)),
    ("America/New_York", date(2027, 11, 7)),
    ("Australia/Lord_Howe", date(2027, 4, 4)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Havana", date(2027, 3, 14)),
    ("America/Havana", date(2027, 11, 7)),
    ("America/Nuuk", date(2027, 3, 28)),
    ("America/Nuuk", date(2027, 10, 31)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Asia/Kathmandu", date(2028, 2, 29)),
    ("Africa/Cairo", date(2027, 4, 30)),
    ("Antarctica/Troll", date(2027, 10, 31)),
    ("Asia/Pyongyang", date(2018, 5, 5)),
    ("Pacific/Kwajalein", date(1993, 8, 21)),
]
_BEFORE, _AFTER = 4, 4
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Shown = tuple[date, int]


@lru_cache
def minutes(zone: str, day: date) -> tuple[int, list[Shown]]:
    """The first minute since 1970 in UTC, and what the clock shows in each from then on."""
    start = datetime(day.year, day.month, day.day, tzinfo=timezone.utc) - timedelta(days=_BEFORE)
    local = [
        (start + timedelta(minutes=minute)).astimezone(ZoneInfo(zone))
        for minute in range((_BEFORE + _AFTER) * 1440)
    ]
    return int(start.timestamp()) // 60, [(one.date(), one.hour * 60 + one.minute) for one in local]


def walked(shown: list[Shown], spans: list[dict[str, Any]]) -> list[bool]:
    """Whether some span is active in each minute."""
    found = [False] * len(shown)
    first: dict[Shown, int] = {}
    last: dict[Shown, int] = {}
    for index, one in enumerate(shown):
        first.setdefault(one, index)
        last[one] = index
    reached = sorted(first)

    def at(wanted: Shown, places: dict[Shown, int]) -> int:
        if wanted in places:
            return places[wanted]
        later = [one for one in reached if one > wanted]
        return first[later[0]] if later else len(shown)

    for day in sorted({one[0] for one in shown}):
        for span in spans:
            if span["days"] and _DAYS[day.weekday()] not in span["days"]:
                continue
            start, end = (int(span[key][:2]) * 60 + int(span[key][3:]) for key in ("start", "end"))
            ends = day + timedelta(days=(end <= start) + end // 1440), end % 1440
            stop = at(ends, last if end % 1440 else first)
            for index in range(at((day, start), first), stop):
                found[index] = True
    return found


TIMES = st.integers(0, 1439).map(lambda one: f"{one // 60:02}:{one % 60:02}")
SPANS = st.lists(
    st.fixed_dictionaries(
        {
            "start": TIMES,
            "end": TIMES | st.just("24:00"),
            "days": st.lists(st.sampled_from(_DAYS), max_size=3),
        }
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(place=st.sampled_from(ZONES), spans=SPANS)
def test_a_walk_over_every_minute_finds_the_same(
    place: tuple[str, date], spans: list[dict[str, Any]]
) -> None:
    zone, day = place
    begin, shown = minutes(zone, day)
    expected = walked(shown, spans)
    times = timetable(zone, *spans)
    # Without the ends of the walk, which do not know what was before and comes after.
    inner = range(2 * 1440, len(shown) - 2 * 1440)
    changes = [at for at in range(inner.start + 1, inner.stop) if expected[at] != expected[at - 1]]
    for at in inner[::17]:
        now = (begin + at) * 60_000_000
        assert times.active("s", now, None) is expected[at], shown[at]
        change = next((one for one in changes if one > at), None)
        found = times.next_change("s", now, None)
        if change is not None:
            assert found == (begin + change) * 60_000_000, shown[at]
        else:
            assert found is None or found >= (begin + inner.stop) * 60_000_000, shown[at]
        earlier = [one for one in changes if one <= at]
        if expected[at] and earlier:
            assert times.schedule_start("s", now, None) == (begin + earlier[-1]) * 60_000_000, shown[at]


def test_the_walk_itself_sees_an_hour_that_is_skipped() -> None:
    _, shown = minutes("Europe/Berlin", date(2027, 3, 28))
    span = [{"start": "01:00", "end": "03:00", "days": ["sun"]}]
    assert sum(walked(shown, span)) == pytest.approx(60)
