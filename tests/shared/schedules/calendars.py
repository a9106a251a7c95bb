"""Calendars for tests, in the words of a configuration, and times as ISO 8601 writes them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from shared import typed
from shared.schedules.timetable import Timetable
from shared.wire.messages import CalendarDefinition


def calendar(**values: Any) -> CalendarDefinition:
    return typed.convert(values, CalendarDefinition)


def timetable(zone: str, *spans: dict[str, Any], **schedule: Any) -> Timetable:
    """The timetable of one schedule "s"."""
    place = schedule.pop("location", None)
    schedules = {"s": {"spans": spans, **schedule}}
    return Timetable(calendar(timezone=zone, location=place, schedules=schedules))


def us(text: str) -> int:
    """Microseconds since 1970 of a time in UTC, such as 2027-03-28T01:00."""
    return int(datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()) * 1_000_000


def shown(at_us: int | None) -> str | None:
    """The opposite of `us`."""
    return None if at_us is None else f"{datetime.fromtimestamp(at_us / 1e6, timezone.utc):%Y-%m-%dT%H:%M}"
