"""What a calendar must not say, and what people should be told about it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import orjson

from shared import limits
from shared.errors import ConfigError
from shared.schedules.spans import by_sun, ordinal
from shared.schedules.timetable import Timetable
from shared.schedules.wall_clock import zone_called
from shared.wire.messages import (
    CalendarDefinition,
    LineDefinition,
    MaskDefinition,
    ScheduleDefinition,
    ZoneDefinition,
)
from shared.wire.messages.codec import write_out_defaults


def refuse_nonsense(calendar: CalendarDefinition) -> None:
    """Make sure that a calendar can be followed.

    Raises:
        ConfigError: It names a time zone, a date, a mode or a schedule that does not exist, needs a place
            that it does not have, or does not fit a message; the text begins with the key.
    """
    zone_called(calendar.timezone)
    for name, schedule in calendar.schedules.items():
        _refuse_schedule(f"calendar.schedules.{name}", schedule, calendar)
    for name, mode in calendar.modes.items():
        key = f"calendar.modes.{name}.during"
        if mode.during is None:
            continue
        if mode.during not in calendar.schedules:
            raise ConfigError(f"{key}: there is no schedule {mode.during!r}; {_known(calendar.schedules)}")
        if calendar.schedules[mode.during].modes:
            raise ConfigError(
                f"{key}: schedule {mode.during!r} depends on modes itself, so that the two would wait for "
                "each other; name a schedule without modes"
            )
    write_out_defaults(calendar)
    size = len(orjson.dumps(calendar))
    if size > limits.DEFINITIONS_BYTES:
        raise ConfigError(
            f"calendar: it takes {size} bytes, and a message has room for {limits.DEFINITIONS_BYTES}: use "
            "fewer schedules, or fewer days that differ"
        )


def _refuse_schedule(key: str, schedule: ScheduleDefinition, calendar: CalendarDefinition) -> None:
    spans = [*schedule.spans, *(span for days in schedule.exceptions for span in days.spans)]
    if calendar.location is None and any(by_sun(span) for span in spans):
        raise ConfigError(
            f"{key}: sunrise and sunset need the node's place; set latitude and longitude in "
            "calendar.location"
        )
    for index, days in enumerate(schedule.exceptions):
        first, last = _date(f"{key}.exceptions[{index}].first", days.first), days.last
        if last is not None and _date(f"{key}.exceptions[{index}].last", last) < first:
            raise ConfigError(
                f"{key}.exceptions[{index}]: the last day, {last}, is before the first, {days.first}; "
                "exchange them"
            )
    for mode in schedule.modes:
        if mode not in calendar.modes:
            raise ConfigError(f"{key}.modes: there is no mode {mode!r}; {_known(calendar.modes)}")


def _date(key: str, text: str) -> int:
    try:
        return ordinal(text)
    except ValueError:
        raise ConfigError(f"{key}: there is no {text}; write a day that exists as YYYY-MM-DD") from None


def calendar_problems(
    calendar: CalendarDefinition, now_us: int, timetable: Timetable | None = None
) -> list[str]:
    """Find schedules that are never active.

    Args:
        calendar: One that `refuse_nonsense` has let pass.
        now_us: The time, microseconds since 1970 UTC.
        timetable: The calendar's, if there is one already: it knows much of what is asked here.

    Returns:
        One sentence for each, and for a mode whose schedule brings nothing.
    """
    first = next(iter(calendar.modes), None)
    during = None if first is None else calendar.modes[first].during
    idle = [] if during is None else [_idle(str(first), during)]
    return idle + [
        f"schedule {name!r} is not active within a year: look at its spans and exceptions"
        for name in (timetable or Timetable(calendar)).never_active(now_us)
    ]


def _idle(mode: str, during: str) -> str:
    return (
        f"mode {mode!r} is the first and holds whenever no other does, so that its schedule {during!r} "
        "changes nothing: put another mode first"
    )


def unknown_schedules(
    zones: Mapping[str, ZoneDefinition],
    lines: Mapping[str, LineDefinition],
    masks: Mapping[str, MaskDefinition],
    schedules: Collection[str],
) -> list[str]:
    """A sentence for each zone, line and mask of a camera that names a schedule which the calendar lacks."""
    return [
        *_unknown("zone", "counts always", zones, schedules),
        *_unknown("line", "counts always", lines, schedules),
        *_unknown("mask", "holds always", masks, schedules),
    ]


def _unknown(
    kind: str,
    instead: str,
    definitions: Mapping[str, ZoneDefinition] | Mapping[str, LineDefinition] | Mapping[str, MaskDefinition],
    schedules: Collection[str],
) -> Iterator[str]:
    for name, one in definitions.items():
        if one.schedule is not None and one.schedule not in schedules:
            missing = f"the calendar has no schedule {one.schedule!r}; {_known(schedules)}"
            yield f"{kind} {name!r} {instead}: {missing}"


def _known(names: Collection[str], most: int = 8) -> str:
    if not names:
        return "it has none"
    more = ", ..." if len(names) > most else ""
    return f"it has {', '.join(sorted(names)[:most])}{more}"
