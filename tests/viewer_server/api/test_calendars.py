"""What a calendar means in the days to come, as the API says; the page's tests save and set over it."""

from __future__ import annotations

import pytest

from shared.errors import ConfigError
from shared.wire.messages import CalendarDefinition, Location, ModeDefinition, ScheduleDefinition, Span
from viewer_server.api.calendar import ahead as module
from viewer_server.api.calendar.ahead import ahead

HOUR_US = 3_600_000_000
SUMMER_ENDS = 1_792_886_400_000_000  # 2026-10-25 00:00 UTC, 02:00 in Berlin; at 01:00 UTC, clocks go back
DARK = Span(start="sunset", end="sunrise")


def test_a_week_has_the_hours_that_its_clocks_show_and_the_modes_that_its_schedules_set() -> None:
    calendar = CalendarDefinition(
        timezone="Europe/Berlin",
        location=Location(latitude=52.52, longitude=13.41),
        day_starts=("06:00", "22:00"),
        modes={"home": ModeDefinition(), "night": ModeDefinition(during="dark")},
        schedules={
            "dark": ScheduleDefinition(spans=(DARK,)),
            "late": ScheduleDefinition(spans=(Span(days=("sat",), start="22:00", end="06:00"),)),
            "at-night": ScheduleDefinition(modes=("night",)),
            "nowhere": ScheduleDefinition(spans=(DARK,), modes=("gone",)),
        },
    )
    found = ahead(calendar, SUMMER_ENDS - 10 * HOUR_US, 3)
    assert found.timezone == "Europe/Berlin"
    hours = [(day.to_us - day.from_us) // HOUR_US for day in found.days]
    assert hours == [24, 25, 24]
    [late] = found.schedules["late"]
    assert (late.to_us - late.from_us) // HOUR_US == 9  # the hour from two to three comes twice
    assert found.schedules["at-night"] == found.schedules["dark"]
    assert found.schedules["nowhere"] == []
    assert [one.mode for one in found.modes] == ["night", "home"] * 3 + ["night"]
    assert len(found.day_starts_us) == 6


def test_many_spans_by_the_sun_end_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    calendar = CalendarDefinition(
        location=Location(latitude=52, longitude=13),
        schedules={name: ScheduleDefinition(spans=(DARK,)) for name in "abc"},
    )
    monkeypatch.setattr(module, "MOST_S", 0.0)
    with pytest.raises(ConfigError, match="fewer schedules"):
        ahead(calendar, SUMMER_ENDS, 7)
