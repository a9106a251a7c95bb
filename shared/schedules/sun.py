"""Sunrise and sunset at one place, also where the sun stays up or down for weeks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from enum import Enum
from functools import lru_cache

from astral import Observer
from astral.sun import elevation, noon

from shared.schedules.wall_clock import WallClock, instant
from shared.wire.messages import Location

_HORIZON = -0.833
"""Elevation of the sun's centre when its upper edge is on the horizon, degrees: refraction takes 34', half of
its disc 16'. This is what almanacs use."""
_NOON = 720


class Stays(Enum):
    """Where the sun is all the time around a sunrise or sunset that does not come."""

    UP = "up"
    DOWN = "down"


class Sun:
    """The sun over one place, by the days of its wall clock.

    Astral computes its elevation (NOAA's formulas, good to a minute below the polar circles). The moment is
    searched between midnight and noon of the sun, so that half a day without one is no error, and a sunset
    after midnight belongs to the day before.

    Args:
        location: The place.
        clock: The place's clock, whose days these are.
    """

    def __init__(self, location: Location, clock: WallClock) -> None:
        self._place = Observer(location.latitude, location.longitude)
        self._clock = clock
        self.rises: Callable[[int], int | Stays] = lru_cache(maxsize=1024)(self._rises)
        self.sets: Callable[[int], int | Stays] = lru_cache(maxsize=1024)(self._sets)
        self._noon = lru_cache(maxsize=64)(self._find_noon)

    def _rises(self, day: int) -> int | Stays:
        """When the sun rises on a day, microseconds since 1970 UTC."""
        high, before = self._noon(day), self._noon(day - 1)
        return self._crossing(before + (high - before) / 2, high)

    def _sets(self, day: int) -> int | Stays:
        """When the sun sets on a day, or in the night after it, microseconds since 1970 UTC."""
        high, after = self._noon(day), self._noon(day + 1)
        return self._crossing(high + (after - high) / 2, high)

    def _find_noon(self, day: int) -> datetime:
        """When the sun is highest on a day of the wall clock, which near the date line is not the sun's."""
        shown = self._clock.first(day, _NOON)
        around = [noon(self._place, date.fromordinal(day + by)) for by in (-1, 0, 1)]
        return min(around, key=lambda one: abs(instant(one) - shown))

    def _crossing(self, low: datetime, high: datetime) -> int | Stays:
        """When the sun crosses the horizon between its midnight and its noon, in either order of the two."""
        if self._is_up(low):
            return Stays.UP
        if not self._is_up(high):
            return Stays.DOWN
        while abs(high - low) > timedelta(seconds=1):
            middle = low + (high - low) / 2
            if self._is_up(middle):
                high = middle
            else:
                low = middle
        return instant(high.replace(microsecond=0))

    def _is_up(self, at: datetime) -> bool:
        return elevation(self._place, at, with_refraction=False) > _HORIZON
