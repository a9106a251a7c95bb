"""Spans of a schedule, read once: what each day of the week has, and the days that differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from shared.schedules.sun import Stays, Sun
from shared.schedules.wall_clock import MINUTE_US, WallClock
from shared.wire.messages import DaySpan, ScheduleDefinition

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NOON, _MIDNIGHT = 720, 1440
Interval = tuple[int, int]
"""Begin and end, microseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of day.

    Attributes:
        minutes: Minutes since midnight; of sunrise and sunset, the minutes after it.
        sun: Which of the two it is; None: neither.
    """

    minutes: int
    sun: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A span of a day.

    Attributes:
        start: Its begin.
        end: Its end.
        overnight: Whether `end` is on the next day.
    """

    start: Moment
    end: Moment
    overnight: bool


@dataclass(frozen=True, slots=True)
class Exceptional:
    """Days that differ, as ordinals from the first to the last, and their parts."""

    first: int
    last: int
    parts: tuple[Part, ...]


class Week:
    """The parts of a schedule by day.

    Args:
        definition: The schedule, whose dates exist.
    """

    def __init__(self, definition: ScheduleDefinition) -> None:
        spans = definition.spans
        self._week = tuple(
            _parts(span for span in spans if not span.days or name in span.days) for name in _DAYS
        )
        if not spans:
            self._week = ((Part(Moment(0), Moment(_MIDNIGHT), overnight=False),),) * 7
        # The last one that has a day counts.
        self._exceptions = tuple(
            Exceptional(ordinal(one.first), ordinal(one.last or one.first), _parts(one.spans))
            for one in reversed(definition.exceptions)
        )
        self.always = not definition.spans and not definition.exceptions

    def on(self, day: int) -> tuple[Part, ...]:
        """The parts that begin on a day."""
        for one in self._exceptions:
            if one.first <= day <= one.last:
                return one.parts
        return self._week[(day - 1) % 7]  # the first of January of year 1 was a Monday


def ordinal(text: str) -> int:
    """The ordinal of a date that is written as YYYY-MM-DD.

    Raises:
        ValueError: There is no such date.
    """
    return date.fromisoformat(text).toordinal()


def moment(text: str) -> Moment:
    """Read a moment such as 07:30, 24:00, sunrise or sunset-30."""
    for name in ("sunrise", "sunset"):
        if text.startswith(name):
            return Moment(int(text[len(name) :] or "0"), name)
    hours, minutes = text.split(":")
    return Moment(int(hours) * 60 + int(minutes))


def by_sun(span: DaySpan) -> bool:
    """Whether a span begins or ends with the sun."""
    return moment(span.start).sun is not None or moment(span.end).sun is not None


def part(span: DaySpan) -> Part:
    """Read a span.

    Whether it goes over midnight is a matter of what is written, and not of where the sun is on some day: a
    sunrise is any time before noon, and a sunset any time after it.
    """
    start, end = moment(span.start), moment(span.end)
    if start.sun is not None and start.sun == end.sun:
        return Part(start, end, end.minutes <= start.minutes)
    earliest = {None: start.minutes, "sunrise": 0, "sunset": _NOON}[start.sun]
    latest = {None: end.minutes, "sunrise": _NOON, "sunset": _MIDNIGHT}[end.sun]
    return Part(start, end, latest <= earliest)


def _parts(spans: Iterable[DaySpan]) -> tuple[Part, ...]:
    """The parts of a day; those that only the clock bounds are joined where they meet."""
    read = [part(span) for span in spans]
    timed = [one for one in read if one.start.sun is None and one.end.sun is None]
    joined = _merged([(one.start.minutes, one.end.minutes + _MIDNIGHT * one.overnight) for one in timed])
    plain = [
        Part(Moment(start), Moment(end - _MIDNIGHT if end > _MIDNIGHT else end), end > _MIDNIGHT)
        for start, end in joined
    ]
    return (*plain, *(one for one in read if one not in timed))


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Intervals in order, those that overlap or meet made one; empty ones left out."""
    found: list[Interval] = []
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


class Placing:
    """Where on the time line the parts of a day lie.

    Args:
        clock: The wall clock.
        sun: The sun over the place; None: nobody knows the place, and parts that need it never begin.
    """

    def __init__(self, clock: WallClock, sun: Sun | None) -> None:
        self._clock, self._sun = clock, sun

    def intervals(self, parts: Sequence[Part], day: int) -> list[Interval]:
        """The intervals of a day's parts, in order and merged; none of a day that the place has skipped."""
        if self._clock.first(day, 0) >= self._clock.first(day, _MIDNIGHT):
            return []
        return _merged(
            (start, end)
            for one in parts
            if (start := self._start(one.start, day)) is not None
            and (end := self._end(one.end, day + one.overnight)) is not None
        )

    def _start(self, at: Moment, day: int) -> int | None:
        """When a part begins; None: on this day, never."""
        if at.sun is None:
            return self._clock.first(day, at.minutes)
        found = self._event(at.sun, day)
        if isinstance(found, int):
            return found + at.minutes * MINUTE_US
        if at.sun == "sunrise":  # up: it rose before this day
            return self._clock.first(day, 0) if found is Stays.UP else None
        return self._clock.first(day, _NOON) if found is Stays.DOWN else None

    def _end(self, at: Moment, day: int) -> int | None:
        """When a part ends; None: it was over before it could begin."""
        if at.sun is None:
            # Midnight is where days meet, also where the clock shows it twice.
            whole = at.minutes in (0, _MIDNIGHT)
            return (self._clock.first if whole else self._clock.last)(day, at.minutes)
        found = self._event(at.sun, day)
        if isinstance(found, int):
            return found + at.minutes * MINUTE_US
        if at.sun == "sunrise":  # down: it does not rise on this day either
            return self._clock.first(day, _NOON) if found is Stays.DOWN else None
        return self._clock.first(day, _MIDNIGHT) if found is Stays.UP else None

    def _event(self, which: str, day: int) -> int | Stays | None:
        if self._sun is None:
            return None
        return self._sun.rises(day) if which == "sunrise" else self._sun.sets(day)
