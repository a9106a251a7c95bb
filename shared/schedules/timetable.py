"""When the schedules of one calendar are active, and when its days of counters begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from shared.schedules.spans import Interval, Placing, Week, moment
from shared.schedules.sun import Sun
from shared.schedules.wall_clock import DAY_US, WallClock, utc_midnight, zone_called, zone_name
from shared.wire.messages import CalendarDefinition, now_us

HORIZON_DAYS = 366
"""How far a timetable looks for the next change, and for when the current span began."""
MANY_SPANS = 32
"""Of a schedule with more spans, nobody looks how long it is active: it would take a tenth of a second."""
# The parts of a day lie within these bounds around its midnight in UTC: zones are up to 14 h off, offsets of
# the sun up to 17 h, and a part ends on the next day at the latest.
_EARLIEST_US, _LATEST_US = -2 * DAY_US, 4 * DAY_US


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Time during which a schedule does not change: from `since` until before `until`.

    `changes` says whether it changes then; else nobody has looked further.
    """

    since: int
    until: int
    active: bool
    changes: bool


@dataclass(frozen=True, slots=True)
class _Begun:
    """When the span began in which a schedule is active, from `since` until before `until`.

    `start` is None if it began more than a year ago.
    """

    since: int
    until: int
    start: int | None


class Timetable:
    """Answers when the schedules of a calendar are active. Any thread may ask.

    All times are microseconds since 1970 UTC, and all answers depend on nothing but calendar, time and mode:
    a clock that is set back gets the answers of the earlier time.

    Args:
        calendar: The definitions, which `shared.definitions.calendar.refuse_nonsense` has not refused.

    Attributes:
        timezone: Name of the time zone in use; None: this machine does not tell its zone's name.

    Raises:
        ConfigError: There is no such time zone.
    """

    def __init__(self, calendar: CalendarDefinition) -> None:
        zone = zone_called(calendar.timezone)
        self.timezone = zone_name(zone)
        self._clock = WallClock(zone)
        place = calendar.location
        self._placing = Placing(self._clock, None if place is None else Sun(place, self._clock))
        self._weeks = {name: Week(one) for name, one in calendar.schedules.items()}
        self._modes = {name: frozenset(one.modes) for name, one in calendar.schedules.items()}
        self._sizes = {
            name: len(one.spans) + sum(1 + len(days.spans) for days in one.exceptions)
            for name, one in calendar.schedules.items()
        }
        self._day_starts = sorted(moment(one).minutes for one in calendar.day_starts)
        self._known: dict[str, _Stretch] = {}
        self._begun: dict[str, _Begun] = {}
        # Neighbouring searches look at the same days.
        self._on = lru_cache(maxsize=256)(self._intervals)

    def __contains__(self, schedule: str) -> bool:
        """Whether the calendar has this schedule."""
        return schedule in self._weeks

    def active(self, schedule: str | None, at_us: int, mode: str | None) -> bool:
        """Whether a schedule is active.

        Args:
            schedule: Its identifier; None, or one that the calendar does not have, is always active.
            at_us: When.
            mode: The mode that holds then; None: none.
        """
        if schedule is None or schedule not in self._weeks or not self._fits(schedule, mode):
            return schedule is None or schedule not in self._weeks
        return self._stretch(schedule, at_us).active

    def next_change(self, schedule: str | None, at_us: int, mode: str | None) -> int | None:
        """When a schedule begins or ends next, if the mode stays; None: not within a year."""
        if schedule is None or schedule not in self._weeks or not self._fits(schedule, mode):
            return None
        found = self._stretch(schedule, at_us)
        if not found.changes and found.until < at_us + (HORIZON_DAYS - 1) * DAY_US:
            self._known.pop(schedule, None)  # it was looked up a day ago: look further
            found = self._stretch(schedule, at_us)
        return found.until if found.changes else None

    def never_active(self, at_us: int) -> list[str]:
        """The schedules that are not active within a year, whatever the mode."""
        stretches = {name: self._stretch(name, at_us) for name in self._weeks}
        return [name for name, one in stretches.items() if not one.active and not one.changes]

    def longest(self, schedule: str, at_us: int, enough_us: int) -> int:
        """For how long a schedule is active at one go, at most, within a year; a year, if it always is.

        Modes are left out: they can only make it shorter.

        Args:
            schedule: Its identifier; one that the calendar does not have is always active.
            at_us: From when on.
            enough_us: What is longer is long enough: the search ends there, and with schedules of very many
                spans, before it begins.
        """
        week, far = self._weeks.get(schedule), at_us + HORIZON_DAYS * DAY_US
        if week is None or week.always or self._sizes[schedule] > MANY_SPANS:
            return far - at_us
        since, longest = at_us, 0
        while since < far and longest <= enough_us:
            found = self._search(week, since)
            if found.active:
                begun = self._start_of(week, since) if since == at_us else since
                longest = far if begun is None else max(longest, found.until - begun)
            since = found.until
        return min(longest, far - at_us)

    def schedule_start(self, schedule: str | None, at_us: int, mode: str | None) -> int | None:
        """When the span began in which a schedule is active.

        Returns:
            None when it is not active, or has been for more than a year. A change of the mode does not count:
            who asks has to know when the mode began.
        """
        if schedule is None or schedule not in self._weeks or not self.active(schedule, at_us, mode):
            return None
        known = self._begun.get(schedule)
        if known is None or not known.since <= at_us < known.until:
            known = self._begun[schedule] = self._begin_of(schedule, at_us)
        start = known.start
        return None if start is None or start < at_us - (HORIZON_DAYS - 1) * DAY_US else start

    def day_start(self, at_us: int) -> int:
        """When the counters of the day began at zero, as `day_starts` says: at `at_us` or before."""
        day = self._clock.day(at_us)
        starts = (self._clock.first(one, at) for one in (day + 1, day, day - 1) for at in self._day_starts)
        return max(start for start in starts if start <= at_us)

    def next_day_start(self, at_us: int) -> int:
        """When they begin at zero next: after `at_us`."""
        day = self._clock.day(at_us)
        starts = (self._clock.first(one, at) for one in (day - 1, day, day + 1) for at in self._day_starts)
        return min(start for start in starts if start > at_us)

    def local_time(self, at_us: int) -> str:
        """What the clock on the wall shows, as HH:MM."""
        return self._clock.shown(at_us)

    def _fits(self, schedule: str, mode: str | None) -> bool:
        modes = self._modes[schedule]
        return not modes or mode in modes

    def _stretch(self, schedule: str, at_us: int) -> _Stretch:
        known = self._known.get(schedule)
        if known is None or not known.since <= at_us < known.until:
            known = self._known[schedule] = self._search(self._weeks[schedule], at_us)
        return known

    def _search(self, week: Week, at_us: int) -> _Stretch:
        far = at_us + HORIZON_DAYS * DAY_US
        if week.always:
            return _Stretch(at_us, far, active=True, changes=False)
        day = self._clock.day(at_us)
        # Of earlier days, parts may still go on; of later ones, they may have begun.
        near = [one for by in range(-3, 3) for one in self._on(week, day + by)]
        active = any(start <= at_us < end for start, end in near)
        until = self._end_of(near, week, day + 3, at_us) if active else self._next(near, week, day + 3, at_us)
        if until is None or until >= far:
            return _Stretch(at_us, far, active, changes=False)
        return _Stretch(at_us, until, active, changes=True)

    def _end_of(self, near: list[Interval], week: Week, day: int, at_us: int) -> int | None:
        """When the parts that follow each other without a gap end; None: not within a year."""
        until, last = at_us, day + HORIZON_DAYS
        waiting = sorted(near)
        while day <= last:
            for start, end in waiting:
                if start <= until < end:
                    until = end
            if until < utc_midnight(day) + _EARLIEST_US:
                return until
            waiting = sorted([*(one for one in waiting if one[1] > until), *self._on(week, day)])
            day += 1
        return None

    def _begin_of(self, schedule: str, at_us: int) -> _Begun:
        week, until = self._weeks[schedule], self._stretch(schedule, at_us).until
        start = None if week.always else self._start_of(week, at_us)
        return _Begun(at_us if start is None else start, until, start)

    def _start_of(self, week: Week, at_us: int) -> int | None:
        """When the parts began that lead to now without a gap; None: not within a year."""
        today = self._clock.day(at_us)
        found = at_us
        waiting = [one for by in range(-3, 3) for one in self._on(week, today + by)]
        for day in range(today - 4, today - 4 - HORIZON_DAYS, -1):
            for start, end in sorted(waiting, key=_end, reverse=True):
                if start < found <= end:
                    found = start
            if found > utc_midnight(day) + _LATEST_US:
                return found
            waiting = [*(one for one in waiting if one[0] < found), *self._on(week, day)]
        return None

    def _next(self, near: list[Interval], week: Week, day: int, at_us: int) -> int | None:
        """When the next part begins; None: not within a year."""
        found = min((start for start, _ in near if start > at_us), default=None)
        for later in range(day, day + HORIZON_DAYS):
            if found is not None and found < utc_midnight(later) + _EARLIEST_US:
                break
            starts = [start for start, _ in self._on(week, later) if start > at_us]
            found = min([*starts, *([] if found is None else [found])], default=None)
        return found

    def _intervals(self, week: Week, day: int) -> list[Interval]:
        return self._placing.intervals(week.on(day), day)


def lasting(timetable: Timetable) -> Callable[[str, float], bool]:
    """Whether a schedule is ever active for longer than so many seconds, within a year from now."""
    known: dict[tuple[str, int], int] = {}

    def lasts(schedule: str, for_s: float) -> bool:
        at_us, for_us = now_us(), round(for_s * 1e6)
        today = schedule, at_us // DAY_US
        if today not in known:
            longest = timetable.longest(schedule, at_us, for_us)
            if longest > for_us:
                return True
            known[today] = longest  # now the whole year was searched
        return known[today] > for_us

    return lasts


def _end(interval: Interval) -> int:
    return interval[1]
