"""Spans of a schedule, read once: what each day of the week has, and the days that differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache

from shared.schedules.sun import Stays, Sun
from shared.schedules.wall_clock import MINUTE_US, WallClock
from shared.wire.messages import DaySpan, ScheduleDefinition

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NOON, _MIDNIGHT = 720, 1440
_FEW = 8
"""Intervals of a day in which the rest may lie; it need not be looked at then, in a search over a year."""
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


@dataclass(frozen=True)
class Parts:
    """Parts of a day that are bounded alike: by the clock, by sunrise or by sunset.

    Attributes:
        start: What they begin with, "sunrise" or "sunset"; None: a time of the clock.
        end: The same of their ends.
        overnight: Whether they end on the next day.
        bounds: Minutes of begin and end of each. None lies within another, so both grow from one to the next.
    """

    start: str | None
    end: str | None
    overnight: bool
    bounds: tuple[tuple[int, int], ...]

    @cached_property
    def longest_empty(self) -> int:
        """How long it may be from one event to the other, minutes, so that each part is empty."""
        return min(start - end for start, end in self.bounds)

    @cached_property
    def shortest_whole(self) -> int:
        """How long it has to be, minutes, so that each part is there, and each goes on in the next."""
        own = (start - end for start, end in self.bounds)
        gaps = (start - end for (_, end), (start, _) in zip(self.bounds, self.bounds[1:], strict=False))
        return max((*own, *gaps))


@dataclass(frozen=True, slots=True)
class Exceptional:
    """Days that differ, as ordinals from the first to the last, and their parts."""

    first: int
    last: int
    parts: tuple[Parts, ...]


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
            self._week = ((Parts(None, None, overnight=False, bounds=((0, _MIDNIGHT),)),),) * 7
        # The last one that has a day counts.
        self._exceptions = tuple(
            Exceptional(ordinal(one.first), ordinal(one.last or one.first), _parts(one.spans))
            for one in reversed(definition.exceptions)
        )
        self.always = not definition.spans and not definition.exceptions

    def on(self, day: int) -> tuple[Parts, ...]:
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


@lru_cache(maxsize=1024)
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


def _parts(spans: Iterable[DaySpan]) -> tuple[Parts, ...]:
    """The parts of a day; those that only the clock bounds are joined where they meet."""
    alike: dict[tuple[str | None, str | None, bool], list[tuple[int, int]]] = {}
    timed: list[tuple[int, int]] = []
    for one in map(part, spans):
        bounds = one.start.minutes, one.end.minutes
        if one.start.sun is one.end.sun is None:
            timed.append((bounds[0], bounds[1] + _MIDNIGHT * one.overnight))
        else:
            alike.setdefault((one.start.sun, one.end.sun, one.overnight), []).append(bounds)
    for start, end in _merged(timed):
        late = end > _MIDNIGHT
        alike.setdefault((None, None, late), []).append((start, end - _MIDNIGHT * late))
    found = [Parts(*kind, _outermost(bounds)) for kind, bounds in alike.items()]
    return tuple(sorted(found, key=lambda one: len(one.bounds)))


def _outermost(bounds: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Bounds in order, without those that lie within others."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(bounds, key=lambda one: (one[0], -one[1])):
        if not found or end > found[-1][1]:
            found.append((start, end))
    return tuple(found)


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

    def intervals(self, parts: Sequence[Parts], day: int) -> list[Interval]:
        """The intervals of a day's parts, in order and merged; none of a day that the place has skipped."""
        if self._clock.first(day, 0) >= self._clock.first(day, _MIDNIGHT):
            return []
        found: list[Interval] = []
        for one in parts:  # those of one part are first, which may have all others in it
            found += self._places(one, day, found[:_FEW])
        return _merged(found)

    def _places(self, parts: Parts, day: int, besides: Sequence[Interval]) -> Iterable[Interval]:
        """The intervals of parts that are bounded alike; some may be empty, or within one of `besides`."""
        first, last = parts.bounds[0][0], parts.bounds[-1][1]
        begin, over = self._start(parts.start, first, day), self._end(parts.end, last, day + parts.overnight)
        if begin is None or over is None or any(start <= begin and over <= end for start, end in besides):
            return []
        if parts.start is None or parts.end is None:
            starts = [self._start(parts.start, minutes, day) for minutes, _ in parts.bounds]
            ends = [self._end(parts.end, minutes, day + parts.overnight) for _, minutes in parts.bounds]
            return [(a, b) for a, b in zip(starts, ends, strict=True) if a is not None and b is not None]
        rises, sets = self._event(parts.start, day), self._event(parts.end, day + parts.overnight)
        if isinstance(rises, int) and isinstance(sets, int):
            start, end = begin - first * MINUTE_US, over - last * MINUTE_US
            # Mostly, the offsets need not be looked at one by one; a search goes over a year of days.
            if end - start <= parts.longest_empty * MINUTE_US:
                return []
            if end - start <= parts.shortest_whole * MINUTE_US:
                return [(start + a * MINUTE_US, end + b * MINUTE_US) for a, b in parts.bounds]
        # Else one does not come, and all parts begin or end where it would: the longest has all others.
        return [(begin, over)]

    def _start(self, sun: str | None, minutes: int, day: int) -> int | None:
        """When a part begins; None: on this day, never."""
        if sun is None:
            return self._clock.first(day, minutes)
        found = self._event(sun, day)
        if isinstance(found, int):
            return found + minutes * MINUTE_US
        if sun == "sunrise":  # up: it rose before this day
            return self._clock.first(day, 0) if found is Stays.UP else None
        return self._clock.first(day, _NOON) if found is Stays.DOWN else None

    def _end(self, sun: str | None, minutes: int, day: int) -> int | None:
        """When a part ends; None: it was over before it could begin."""
        if sun is None:
            # Midnight is where days meet, also where the clock shows it twice.
            whole = minutes in (0, _MIDNIGHT)
            return (self._clock.first if whole else self._clock.last)(day, minutes)
        found = self._event(sun, day)
        if isinstance(found, int):
            return found + minutes * MINUTE_US
        if sun == "sunrise":  # down: it does not rise on this day either
            return self._clock.first(day, _NOON) if found is Stays.DOWN else None
        return self._clock.first(day, _MIDNIGHT) if found is Stays.UP else None

    def _event(self, which: str, day: int) -> int | Stays | None:
        if self._sun is None:
            return None
        return self._sun.rises(day) if which == "sunrise" else self._sun.sets(day)
