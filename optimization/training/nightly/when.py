"""When the next night's work is due: a local time of day, whatever clocks and summer time do."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo

LATE = timedelta(hours=1)
"""A night that begins so much later, because the machine slept, is left out: the day is for the node."""


def next_time(at: time, now: datetime, done: date | None, zone: tzinfo | None = None) -> datetime:
    """When the next night begins.

    A time that is skipped in spring comes as much later as clocks were moved. One that comes twice in autumn
    counts once, the first time.

    Args:
        at: The local time of day.
        now: With its time zone.
        done: The local day of the last night, which gets no second one; one that lies ahead of the next days
            is of a clock that was wrong, and does not count.
        zone: The local time zone; None: the system's.
    """
    today = now.astimezone(zone).date()
    if done is not None and done > today + timedelta(days=1):
        done = None
    for day in (today + timedelta(days=ahead) for ahead in range(-1, 4)):
        naive = datetime.combine(day, at)
        due = (naive.astimezone() if zone is None else naive.replace(tzinfo=zone)).timestamp()
        if due > now.timestamp() and (done is None or day > done):
            return datetime.fromtimestamp(due).astimezone(zone)
    raise AssertionError("one of the next days has this time")
