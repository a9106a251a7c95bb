"""What a calendar means in the days to come: when each schedule is active, and which mode holds.

It asks the very timetable by which nodes go, so a page need not compute it again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from msgspec import Meta

from shared.definitions.calendar import calendar_problems
from shared.errors import ConfigError
from shared.schedules.modes import Modes
from shared.schedules.timetable import Timetable
from shared.wire.messages import CalendarDefinition, Id, Label
from viewer_server.api.schemas.common import Moment

MOST_S = 2.0
"""How long the answer may take: 64 schedules with 64 spans by the sun each take half a minute."""
MOST_STEPS = 400
"""Spans of one schedule that are looked for: some 50 a day."""


@dataclass(frozen=True, kw_only=True)
class AheadQuery:
    """A calendar that need not be saved, and the days to look at.

    Attributes:
        from_us: A moment of the first day; null: now.
        timezone: What to take where the calendar names none: the node's, as it says in `mode`.
    """

    calendar: CalendarDefinition
    days: Annotated[int, Meta(ge=1, le=14)] = 7
    from_us: Moment | None = None
    timezone: Label | None = None


@dataclass(frozen=True, kw_only=True)
class DayAhead:
    """A local day; it has 23 or 25 hours where clocks change."""

    from_us: Moment
    to_us: Moment


@dataclass(frozen=True, kw_only=True)
class SpanAhead:
    """A time in which a schedule is active."""

    from_us: Moment
    to_us: Moment


@dataclass(frozen=True, kw_only=True)
class ModeAhead:
    """A time in which a mode holds, unless somebody sets another one."""

    from_us: Moment
    to_us: Moment
    mode: Id | None


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """What a calendar means in some days.

    Attributes:
        timezone: The time zone in use; null: this machine does not tell its name.
        schedules: When each is active, by identifier, within these days.
        modes: Which mode holds when.
        day_starts_us: When the counters of the day begin at zero.
        problems: A sentence for each schedule that is never active.
    """

    timezone: str | None
    days: list[DayAhead]
    schedules: dict[Id, list[SpanAhead]]
    modes: list[ModeAhead]
    day_starts_us: list[Moment]
    problems: list[str]


def ahead(calendar: CalendarDefinition, from_us: int, days: int) -> Ahead:
    """What a calendar means from the beginning of a local day on.

    Args:
        calendar: One that `refuse_nonsense` lets pass.
        from_us: A moment of the first day.
        days: How many.

    Raises:
        ConfigError: There is no such time zone, or it takes too long.
    """
    ends_s = time.monotonic() + MOST_S
    timetable = Timetable(calendar)
    modes = Modes(calendar.modes, timetable)
    # The beginnings of local days are those of a calendar whose counters begin at midnight.
    midnights = Timetable(CalendarDefinition(timezone=calendar.timezone))
    starts = [midnights.day_start(from_us)]
    for _ in range(days):
        starts.append(midnights.next_day_start(starts[-1]))
    begin, end = starts[0], starts[-1]
    held = list(_held(modes, begin, end))
    return Ahead(
        timezone=timetable.timezone,
        days=[DayAhead(from_us=one, to_us=after) for one, after in pairwise(starts)],
        schedules={name: _spans(timetable, name, held, ends_s) for name in calendar.schedules},
        modes=held,
        day_starts_us=list(_day_starts(timetable, begin, end)),
        problems=calendar_problems(calendar, from_us),
    )


def _held(modes: Modes, begin: int, end: int) -> Iterator[ModeAhead]:
    """Which mode the schedules give, and when."""
    at = begin
    for _ in range(MOST_STEPS):
        change = modes.next_scheduled(at)
        until = end if change is None else min(change[0], end)
        yield ModeAhead(from_us=at, to_us=until, mode=modes.scheduled(at))
        if until >= end:
            return
        at = until


def _spans(timetable: Timetable, schedule: str, held: list[ModeAhead], ends_s: float) -> list[SpanAhead]:
    """When a schedule is active; spans that touch are one."""
    found: list[SpanAhead] = []
    for mode in held:
        at = mode.from_us
        while at < mode.to_us and len(found) < MOST_STEPS:
            if time.monotonic() > ends_s:
                raise ConfigError(f"it takes over {MOST_S:g} s to look so far ahead: ask for fewer schedules")
            change = timetable.next_change(schedule, at, mode.mode)
            until = mode.to_us if change is None else min(change, mode.to_us)
            if timetable.active(schedule, at, mode.mode):
                if found and found[-1].to_us == at:
                    found[-1] = SpanAhead(from_us=found[-1].from_us, to_us=until)
                else:
                    found.append(SpanAhead(from_us=at, to_us=until))
            at = until
    return found


def _day_starts(timetable: Timetable, begin: int, end: int) -> Iterator[int]:
    at = begin - 1
    while (at := timetable.next_day_start(at)) < end:
        yield at
