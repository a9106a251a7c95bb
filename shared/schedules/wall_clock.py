"""From local times to instants, also on days on which clocks are put forward or back."""

from __future__ import annotations

import logging
import re
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

import tzlocal

from shared.errors import ConfigError

log = logging.getLogger("darner.calendar")

DAY_US = 86_400_000_000
MINUTE_US = 60_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_SECOND = timedelta(seconds=1)
_NO_ZONES = re.compile(r"(posix|right)/.*|localtime|posixrules|Factory")
"""Files beside those of the zones, on some machines only: no browser knows them, and those below right/ count
leap seconds."""


def zone_called(name: str | None) -> tzinfo:
    """A time zone of the IANA database; that of this machine without a name.

    Raises:
        ConfigError: The database has no zone of that name.
    """
    if name is None:
        return _machine_zone()
    try:
        if _NO_ZONES.fullmatch(name):
            raise KeyError(name)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError(
            f"calendar.timezone: there is no time zone {name!r}; write a name of the IANA database, such as "
            "Europe/Berlin or America/New_York"
        ) from None


def zone_name(zone: tzinfo) -> str | None:
    """The IANA name of a time zone; None: the machine does not tell its zone's name."""
    if zone is timezone.utc:
        return "UTC"
    key = getattr(zone, "key", None)
    return key if isinstance(key, str) and key != "local" else None


def _machine_zone() -> tzinfo:
    try:
        return tzlocal.get_localzone()
    except (KeyError, ValueError, OSError) as error:
        log.warning(
            "this machine does not tell its time zone (%s): UTC is used; set calendar.timezone", error
        )
        return timezone.utc


def instant(moment: datetime) -> int:
    """Microseconds since 1970 UTC of an aware time."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def utc(at_us: int) -> datetime:
    """The time of an instant, in UTC."""
    return _EPOCH + timedelta(microseconds=at_us)


def utc_midnight(day: int) -> int:
    """When a day begins in UTC, microseconds since 1970.

    Args:
        day: Ordinal of a date.
    """
    return (day - _EPOCH_DAY) * DAY_US


class WallClock:
    """The clock on the wall of one time zone.

    Days are ordinals of dates, as `date.toordinal` gives them.
    """

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        self._instants = lru_cache(maxsize=1024)(self._find)
        self._plain = lru_cache(maxsize=1024)(self._find_plain)

    def day(self, at_us: int) -> int:
        """The local date of an instant."""
        return utc(at_us).astimezone(self.zone).toordinal()

    def shown(self, at_us: int) -> str:
        """What the clock shows at an instant, as HH:MM."""
        return f"{utc(at_us).astimezone(self.zone):%H:%M}"

    def first(self, day: int, minutes: int) -> int:
        """The first instant at which the clock shows a time; where it skips the time, when it skips.

        Args:
            day: The date.
            minutes: Minutes since its midnight; 1440 and more are on later days.
        """
        begin = self._plain(day + minutes // 1440)
        return self._instants(day, minutes)[0] if begin is None else begin + minutes % 1440 * MINUTE_US

    def last(self, day: int, minutes: int) -> int:
        """The last instant at which the clock begins to show a time; as `first` where it skips the time."""
        begin = self._plain(day + minutes // 1440)
        return self._instants(day, minutes)[1] if begin is None else begin + minutes % 1440 * MINUTE_US

    def _find_plain(self, day: int) -> int | None:
        """When a day begins on which the clock is never set; None of one on which it is."""
        quarters = [self._find(day, minutes) for minutes in range(0, 1441, 360)]
        begin = quarters[0][0]
        plain = all(one == (begin + by * DAY_US // 4,) * 2 for by, one in enumerate(quarters))
        return begin if plain else None

    def _find(self, day: int, minutes: int) -> tuple[int, int]:
        shown = datetime.fromordinal(day + minutes // 1440) + timedelta(minutes=minutes % 1440)
        before = instant(shown.replace(tzinfo=self.zone, fold=0))
        after = instant(shown.replace(tzinfo=self.zone, fold=1))
        if before > after:  # a time that never is: by the offset of before it would be later
            return (self._skip(after, before),) * 2
        return before, after

    def _skip(self, low: int, high: int) -> int:
        """When the clock is put forward, between two instants, microseconds; to the second."""
        start, stop = utc(low), utc(high)
        offset = stop.astimezone(self.zone).utcoffset()
        while stop - start > _SECOND:
            middle = start + (stop - start) // 2
            if middle.astimezone(self.zone).utcoffset() == offset:
                stop = middle
            else:
                start = middle
        # Zones change at whole seconds.
        return -(-instant(start + timedelta(microseconds=1)) // 1_000_000) * 1_000_000
