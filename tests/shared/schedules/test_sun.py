"""Sunrise and sunset against tables that another program has made: XEphem's libastro (PyEphem 4.2.1).

Upper edge of the sun on the horizon, refraction 34', as almanacs have it. Below the polar circles, Astral is
good to a minute; where the sun is near the horizon for hours, refraction itself changes by more than that.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.shared.schedules.calendars import shown, timetable, us

PLACES = {
    "Berlin": (52.52, 13.405, "Europe/Berlin"),
    "Quito": (-0.18, -78.47, "America/Guayaquil"),
    "Sydney": (-33.87, 151.21, "Australia/Sydney"),
    "Tromso": (69.65, 18.96, "Europe/Oslo"),
    "Longyearbyen": (78.22, 15.64, "Arctic/Longyearbyen"),
    "Kiritimati": (1.87, -157.43, "Pacific/Kiritimati"),  # a day ahead of its longitude
    "Apia": (-13.83, -171.77, "Pacific/Apia"),
    "Adak": (51.88, -176.65, "America/Adak"),
    "McMurdo": (-77.85, 166.67, "Antarctica/McMurdo"),
    "Reykjavik": (64.15, -21.94, "Atlantic/Reykjavik"),  # the sun sets after midnight
    "Urumqi": (43.8, 87.6, "Asia/Shanghai"),  # two hours off the sun
}
# A place, a local noon in UTC, sunrise before and sunset after it, and how many minutes may be between.
ALMANAC = [
    ("Berlin", "2026-06-21T10:00", "2026-06-21T02:43:08", "2026-06-21T19:33:14", 1),
    ("Berlin", "2026-12-21T11:00", "2026-12-21T07:14:52", "2026-12-21T14:53:58", 1),
    ("Berlin", "2027-03-28T10:00", "2027-03-28T04:50:59", "2027-03-28T17:33:06", 1),
    ("Quito", "2026-03-20T17:00", "2026-03-20T11:17:59", "2026-03-20T23:24:30", 1),
    ("Sydney", "2028-02-29T01:00", "2028-02-28T19:42:11", "2028-02-29T08:32:30", 1),
    ("Kiritimati", "2026-11-28T22:00", "2026-11-28T16:17:03", "2026-11-29T04:18:32", 1),
    ("Apia", "2026-12-31T23:00", "2026-12-31T17:02:19", "2027-01-01T05:58:10", 1),
    ("Adak", "2026-07-04T21:00", "2026-07-04T15:34:18", "2026-07-05T08:07:29", 1),
    ("Reykjavik", "2026-06-21T12:00", "2026-06-21T02:55:13", "2026-06-22T00:03:55", 2),
    ("Urumqi", "2026-06-21T04:00", "2026-06-20T22:27:30", "2026-06-21T13:55:13", 1),
    ("Tromso", "2026-05-15T10:00", "2026-05-14T23:43:23", "2026-05-15T21:48:07", 5),
    ("Tromso", "2026-11-20T11:00", "2026-11-20T08:58:43", "2026-11-20T11:59:54", 3),
    ("Tromso", "2027-01-20T11:00", "2027-01-20T09:37:43", "2027-01-20T12:13:18", 3),
    ("Longyearbyen", "2026-03-20T11:00", "2026-03-20T04:51:47", "2026-03-20T17:21:56", 2),
    ("McMurdo", "2026-09-23T00:00", "2026-09-22T18:31:50", "2026-09-23T07:03:39", 2),
]


def sun_schedule(place: str, start: str, end: str) -> Any:
    latitude, longitude, zone = PLACES[place]
    return timetable(
        zone, {"start": start, "end": end}, location={"latitude": latitude, "longitude": longitude}
    )


@pytest.mark.parametrize(("place", "noon", "rises", "sets", "minutes"), ALMANAC)
def test_the_sun_rises_and_sets_when_an_almanac_says(
    place: str, noon: str, rises: str, sets: str, minutes: int
) -> None:
    day = sun_schedule(place, "sunrise", "sunset")
    assert day.active("s", us(noon), None)
    assert day.schedule_start("s", us(noon), None) == pytest.approx(us(rises), abs=minutes * 60e6)
    assert day.next_change("s", us(noon), None) == pytest.approx(us(sets), abs=minutes * 60e6)
    around = sun_schedule(place, "sunset-30", "sunset+15")
    found = around.next_change("s", us(noon), None)
    assert found == pytest.approx(us(sets) - 30 * 60e6, abs=minutes * 60e6)
    assert around.next_change("s", found, None) - found == 45 * 60_000_000


@pytest.mark.parametrize(
    ("place", "day", "before", "rises"),
    [
        ("Kiritimati", "sun", "2026-11-27T00:00", "2026-11-28T16:17:03"),
        ("Apia", "fri", "2026-12-29T00:00", "2026-12-31T17:02:19"),
        ("Adak", "sat", "2026-07-01T00:00", "2026-07-04T15:34:18"),
    ],
)
def test_a_sunrise_belongs_to_the_day_that_the_wall_clock_shows(
    place: str, day: str, before: str, rises: str
) -> None:
    """Near the date line, the sun's own day is another one."""
    latitude, longitude, zone = PLACES[place]
    location = {"latitude": latitude, "longitude": longitude}
    times = timetable(zone, {"start": "sunrise", "end": "sunset", "days": [day]}, location=location)
    assert times.next_change("s", us(before), None) == pytest.approx(us(rises), abs=60e6)


UP, DOWN = "2026-06-21", "2026-12-21"  # in the north; in McMurdo the other way round


@pytest.mark.parametrize("offset", ["", "+45", "-45"])
@pytest.mark.parametrize(
    ("place", "up", "down"), [("Tromso", UP, DOWN), ("Longyearbyen", UP, DOWN), ("McMurdo", DOWN, UP)]
)
def test_where_the_sun_stays_up_it_is_day_and_where_it_stays_down_it_is_night(
    place: str, up: str, down: str, offset: str
) -> None:
    day = sun_schedule(place, f"sunrise{offset}", f"sunset{offset}")
    night = sun_schedule(place, f"sunset{offset}", f"sunrise{offset}")
    for hour in range(0, 48, 3):
        at = 3600_000_000 * hour
        assert day.active("s", us(f"{up}T00:00") + at, None)
        assert not night.active("s", us(f"{up}T00:00") + at, None)
        assert not day.active("s", us(f"{down}T00:00") + at, None)
        assert night.active("s", us(f"{down}T00:00") + at, None)


# Tromso's local time is UTC+2 on 21 June, and UTC+1 on 21 December.
@pytest.mark.parametrize(
    ("start", "end", "day", "expected", "why"),
    [
        ("sunset", "23:00", UP, [], "a sunset that does not come begins nothing"),
        ("sunset", "02:00", UP, [], "also over midnight"),
        ("22:00", "sunrise", UP, [], "it rose long before"),
        ("sunrise", "09:00", UP, [("00:00", "09:00")], "up all morning"),
        ("16:00", "sunset", UP, [("16:00", "24:00")], "up all evening"),
        ("sunset", "23:00", DOWN, [("12:00", "23:00")], "dark all afternoon"),
        ("05:00", "sunrise", DOWN, [("05:00", "12:00")], "dark all morning"),
        ("sunrise", "09:00", DOWN, [], "a sunrise that does not come begins nothing"),
        ("sunrise-30", "sunrise+30", DOWN, [], "nothing to be around"),
    ],
)
def test_spans_with_one_end_at_the_sun_keep_their_sense_without_it(
    start: str, end: str, day: str, expected: list[tuple[str, str]], why: str
) -> None:
    times = sun_schedule("Tromso", start, end)
    local = (2 if day == UP else 1) * 3600_000_000
    begins = us(f"{day}T00:00") - local
    active = [times.active("s", begins + minute * 60_000_000, None) for minute in range(1440)]
    wanted = [any(_minutes(a) <= minute < _minutes(b) for a, b in expected) for minute in range(1440)]
    assert active == wanted, why


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def test_until_an_early_hour_after_a_late_sunset_is_nothing_and_not_a_whole_day() -> None:
    """In Reykjavik the sun sets after midnight in June: "from sunset to 23:00" is empty then."""
    times = sun_schedule("Reykjavik", "sunset", "23:00")
    assert not any(
        times.active("s", us("2026-06-20T00:00") + hour * 3600_000_000, None) for hour in range(72)
    )
    assert times.active("s", us("2026-12-20T20:00"), None)


def test_the_last_sunset_before_the_polar_night_meets_the_night() -> None:
    """No gap and no second begin where real sunsets end: the whole of December is one night."""
    night = sun_schedule("Longyearbyen", "sunset", "sunrise")
    start = night.schedule_start("s", us("2026-12-21T12:00"), None)
    end = night.next_change("s", us("2026-12-21T12:00"), None)
    assert (shown(start) or "")[:7] == "2026-10" and (shown(end) or "")[:7] == "2027-02"
