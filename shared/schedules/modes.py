"""Which mode holds: by the schedules of the calendar, or by hand until that is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from shared.schedules.timetable import HORIZON_DAYS, Timetable
from shared.schedules.wall_clock import DAY_US
from shared.wire.messages import ModeDefinition

_STEPS = 200
"""Begins and ends of schedules that are looked at for the next mode, within a year: those of schedules that
overlap may bring none."""


@dataclass(frozen=True, kw_only=True)
class ByHand:
    """A mode that somebody has set.

    Attributes:
        mode: Its identifier.
        since_us: When, microseconds since 1970 UTC.
        until_us: When it is over; None: when the schedules bring another mode, if ever.
    """

    mode: str
    since_us: int
    until_us: int | None = None


class Modes:
    """Which mode holds when. Everything is a function of time, as in `Timetable`.

    By the schedules, the mode holds whose schedule is active; of several, the one that began last, and of
    several that began together, the first; without any, the first mode of all.

    Args:
        modes: The calendar's, by identifier, in their order.
        timetable: Answers for the same calendar.
    """

    def __init__(self, modes: Mapping[str, ModeDefinition], timetable: Timetable) -> None:
        self._timetable = timetable
        self._change = lru_cache(maxsize=8)(self._search)  # a search may take seconds; its answer stays
        self._first = next(iter(modes), None)
        self._during = {
            name: one.during
            for name, one in modes.items()
            if one.during is not None and one.during in timetable
        }

    def scheduled(self, at_us: int) -> str | None:
        """The mode that the schedules give; None: there are no modes."""
        found, began = self._first, -1
        for name, schedule in self._during.items():
            if not self._timetable.active(schedule, at_us, None):
                continue
            since = self._timetable.schedule_start(schedule, at_us, None) or 0
            if since > began:
                found, began = name, since
        return found

    def scheduled_since(self, at_us: int) -> int | None:
        """When the mode began that the schedules give; None: nobody knows, or it always holds."""
        mode = self.scheduled(at_us)
        schedule = self._during.get(mode) if mode is not None else None
        return self._timetable.schedule_start(schedule, at_us, None)

    def next_scheduled(self, at_us: int) -> tuple[int, str] | None:
        """When the schedules bring another mode, and which; None: not within a year, as far as is looked."""
        return self._change(at_us)

    def _search(self, at_us: int) -> tuple[int, str] | None:
        now, moment, last = self.scheduled(at_us), at_us, at_us + HORIZON_DAYS * DAY_US
        for _ in range(_STEPS):
            changes = [self._timetable.next_change(one, moment, None) for one in self._during.values()]
            moment = min((one for one in changes if one is not None), default=-1)
            if not 0 <= moment <= last:
                return None
            after = self.scheduled(moment)
            if after is not None and after != now:
                return moment, after
        return None

    def end_of(self, hand: ByHand) -> int | None:
        """When a mode that was set by hand is over; None: not within a year."""
        change = self.next_scheduled(hand.since_us)
        ends = [one for one in (hand.until_us, change and change[0]) if one is not None]
        return min(ends, default=None)
