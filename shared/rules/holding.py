"""When a rule holds: its schedule, asked once for each of its changes and not once for each event."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import NamedTuple

from shared.rules.scene import Times

DAY_US = 86_400_000_000


class Span(NamedTuple):
    """A time in which a schedule is active, or is not.

    Attributes:
        active: Which of both.
        since_us: When it began, if it is active; 0: it has always been.
        until_us: When it ends; None: not within a year.
    """

    active: bool
    since_us: int
    until_us: int | None


ALWAYS = Span(True, 0, None)


class Holding:
    """When the schedules of rules are active.

    Args:
        times: The calendar and the mode.
    """

    def __init__(self, times: Times) -> None:
        self._times = times
        self._known: dict[str, tuple[int, int, Span]] = {}
        self._set_active: dict[str, int] = {}
        self._day = (0, 0)  # the last one that was asked for

    def change(self, times: Times, schedules: Iterable[str], at_us: int) -> None:
        """Use another calendar or mode from a moment on.

        Args:
            times: What holds now.
            schedules: The schedules that rules name. One that becomes active by this change begins now.
            at_us: The moment.
        """
        for schedule in set(schedules):
            before = _active(self._times, schedule, at_us)
            if not _active(times, schedule, at_us):
                self._set_active.pop(schedule, None)
            elif not before:
                self._set_active[schedule] = at_us
            elif self._times.timetable is not None:  # from one of its modes to another: it goes on
                self._set_active[schedule] = self.at(schedule, at_us).since_us
        self._times = times
        self._known.clear()
        self._day = (0, 0)

    def shift(self, by_us: int) -> None:
        """Move what it remembers, because the clock was set."""
        self._set_active = {one: at + by_us for one, at in self._set_active.items()}
        self._known.clear()

    def at(self, schedule: str | None, at_us: int) -> Span:
        """The span of a schedule at a moment. None as a schedule is always active."""
        if schedule is None or self._times.timetable is None:
            return ALWAYS
        known = self._known.get(schedule)
        if known is not None and known[0] <= at_us < known[1]:
            return known[2]
        span = self._ask(schedule, at_us)
        if known is None or at_us >= known[0]:  # else it is an event of before, whose span is over
            until = at_us + DAY_US if span.until_us is None else span.until_us
            self._known[schedule] = (at_us, until, span)
        return span

    def day_start(self, at_us: int) -> int:
        """When the counters of the day began."""
        if self._times.timetable is None:
            return at_us - at_us % DAY_US
        if not self._day[0] <= at_us < self._day[1]:
            timetable = self._times.timetable
            self._day = timetable.day_start(at_us), timetable.next_day_start(at_us)
        return self._day[0]

    def local_time(self, at_us: int) -> str:
        """The time of day on the node's wall clock, as HH:MM."""
        if self._times.timetable is None:
            return datetime.fromtimestamp(at_us / 1e6, timezone.utc).strftime("%H:%M")
        return self._times.timetable.local_time(at_us)

    def _ask(self, schedule: str, at_us: int) -> Span:
        times, timetable = self._times, self._times.timetable
        assert timetable is not None  # noqa: S101 - `at` has looked
        until = timetable.next_change(schedule, at_us, times.mode)
        if not timetable.active(schedule, at_us, times.mode):
            return Span(False, 0, until)
        start = timetable.schedule_start(schedule, at_us, times.mode) or 0
        needs_mode = not timetable.active(schedule, at_us, None)
        set_us = self._set_active.get(schedule, times.mode_since_us if needs_mode else 0)
        return Span(True, max(start, set_us), until)


def _active(times: Times, schedule: str, at_us: int) -> bool:
    return times.timetable is None or times.timetable.active(schedule, at_us, times.mode)
