from __future__ import annotations

from typing import Any

import pytest

from shared.definitions.calendar import calendar_problems, refuse_nonsense, unknown_schedules
from shared.errors import ConfigError
from shared.wire.messages import LineDefinition, MaskDefinition, ZoneDefinition
from tests.shared.schedules.calendars import calendar, us

NIGHT = {"spans": [{"start": "22:00", "end": "06:00"}]}


def days(**values: Any) -> dict[str, Any]:
    return {"schedules": {"s": {"exceptions": [values]}}}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"timezone": "Europe/Berln"}, "timezone: there is no time zone 'Europe/Berln'"),
        ({"timezone": "../../etc/passwd"}, "timezone: there is no time zone"),
        ({"timezone": "Europe"}, "timezone: there is no time zone"),
        ({"timezone": ""}, "timezone: there is no time zone"),
        (days(first="2027-02-29"), "exceptions[0].first: there is no 2027-02-29"),
        (days(first="2027-13-01"), "exceptions[0].first: there is no 2027-13-01"),
        (days(first="0000-01-01"), "exceptions[0].first: there is no 0000-01-01"),
        (days(first="2027-03-01", last="2027-02-28"), "the last day, 2027-02-28, is before the first"),
        ({"schedules": {"s": {"spans": [{"start": "sunset-30"}]}}}, "s: sunrise and sunset need"),
        (days(first="2027-03-01", spans=[{"end": "sunrise"}]), "s: sunrise and sunset need"),
        ({"schedules": {"s": {"modes": ["away"]}}}, "s.modes: there is no mode 'away'; it has none"),
        (
            {"modes": {"closed": {"during": "night"}}},
            "closed.during: there is no schedule 'night'; it has none",
        ),
        (
            {
                "modes": {"open": {}, "closed": {"during": "night"}},
                "schedules": {"night": NIGHT | {"modes": ["open"]}},
            },
            "closed.during: schedule 'night' depends on modes itself",
        ),
        (
            {
                "schedules": {
                    f"s{one}": {"exceptions": [{"first": "2027-01-01", "spans": [{}] * 60}] * 366}
                    for one in range(2)
                }
            },
            "calendar: it takes",
        ),
    ],
)
def test_a_calendar_that_cannot_be_followed_is_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        refuse_nonsense(calendar(**values))
    assert str(refused.value).startswith("calendar")
    assert text in str(refused.value)


def test_a_calendar_that_can_be_followed_is_not_refused() -> None:
    refuse_nonsense(calendar())
    refuse_nonsense(
        calendar(
            timezone="Europe/Berlin",
            location={"latitude": 52.5, "longitude": 13.4},
            modes={"open": {}, "closed": {"during": "night"}},
            schedules={
                "night": NIGHT,
                "dark": {"spans": [{"start": "sunset", "end": "sunrise"}], "modes": ["closed"]},
                "leap": {"exceptions": [{"first": "2028-02-29"}]},
            },
        )
    )


def test_schedules_that_are_never_active_are_named() -> None:
    found = calendar_problems(
        calendar(
            timezone="Europe/Berlin",
            location={"latitude": 52.5, "longitude": 13.4},
            modes={"open": {}, "closed": {}},
            schedules={
                "fine": NIGHT,
                "of-a-mode": NIGHT | {"modes": ["closed"]},
                "closed-for-good": {"exceptions": [{"first": "2027-01-01", "last": "2030-01-01"}]},
                "no-such-night": {"spans": [{"start": "sunset", "end": "12:30"}]},
                "winter": {"spans": [{"start": "sunset", "end": "16:30"}]},
            },
        ),
        us("2027-06-01T12:00"),
    )
    assert [one.split("'")[1] for one in found] == ["closed-for-good", "no-such-night"]


def test_a_schedule_of_the_first_mode_is_named_because_it_changes_nothing() -> None:
    values = calendar(modes={"night": {"during": "n"}, "day": {}}, schedules={"n": NIGHT})
    (found,) = calendar_problems(values, us("2027-06-01T12:00"))
    assert found.startswith("mode 'night' is the first and holds whenever no other does")


def test_what_names_an_unknown_schedule_is_named() -> None:
    square = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
    found = unknown_schedules(
        {"till": ZoneDefinition(polygon=square, schedule="nite"), "hall": ZoneDefinition(polygon=square)},
        {"door": LineDefinition(points=((0.0, 0.5), (1.0, 0.5)), schedule="night")},
        {"tree": MaskDefinition(polygon=square, schedule="day")},
        {"night": NIGHT},
    )
    assert found == [
        "zone 'till' counts always: the calendar has no schedule 'nite'; it has night",
        "mask 'tree' holds always: the calendar has no schedule 'day'; it has night",
    ]
