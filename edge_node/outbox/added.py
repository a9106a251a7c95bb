"""Events that were added and are not written yet: where they get their numbers, and wait for the disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from edge_node.outbox.backlog import Missing
from edge_node.outbox.day_rows import DayRow
from edge_node.outbox.pictures import Jpeg
from shared.wire.messages import Event

MAX_ADDED = 20_000
"""The most events that may wait while the disk hangs."""


def numbered(event: Event, boot: str, number: int) -> Event:
    """The event with its boot, its number in the boot, and the id made of both."""
    own = {"event_id": f"{event.node}-{boot}-{number}", "boot": boot, "number": number}
    return Event(**vars(event) | own)  # `dataclasses.replace` takes twice as long


class Taken(NamedTuple):
    """What is to be written together.

    Attributes:
        events: When each was added, microseconds UTC; the event; and the picture that goes with it.
        days: The newest counters of the day.
        lost: How many events had to make room while the disk hung.
        gaps: The numbers of those, as one loss; empty where none was lost.
    """

    events: list[tuple[int, Event, Jpeg]]
    days: list[DayRow]
    lost: int
    gaps: list[Missing]


class Added:
    """Events in the order of their numbers. Any thread may call all of it.

    Args:
        clock_us: The time of adding, microseconds UTC.

    Attributes:
        number: The number that was given last.
    """

    def __init__(self, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self._lock = threading.Lock()  # guards all of the following
        self._events: deque[tuple[int, Event, Jpeg]] = deque()
        self._days: dict[tuple[str, str], DayRow] = {}  # by camera and place: the newest ones
        self._lost: list[Missing] = []
        self.number = 0

    def __len__(self) -> int:
        return len(self._events)

    def take(
        self, boot: str, events: Sequence[tuple[Event, Jpeg]], days: Iterable[DayRow] = ()
    ) -> list[Event]:
        """Give events their numbers, and keep them together with the counters that count them.

        Returns:
            The events with their boot, numbers and ids.
        """
        with self._lock:
            taken = [self._take(boot, event, jpeg) for event, jpeg in events]
            self._days.update(((one.camera, one.place), one) for one in days)
        return taken

    def all(self) -> Taken:
        """Everything that waits, which then waits here no longer."""
        with self._lock:
            events, days = list(self._events), list(self._days.values())
            self._events.clear()
            self._days.clear()
            lost, self._lost = self._lost, []
        gaps = [lost[-1]._replace(first=lost[0].first, events=len(lost))] if lost else []
        return Taken(events, days, len(lost), gaps)

    def _take(self, boot: str, event: Event, jpeg: Jpeg) -> Event:
        self.number += 1
        event = numbered(event, boot, self.number)
        if len(self._events) >= MAX_ADDED:
            at_us, lost, _ = self._events.popleft()
            assert lost.number is not None  # noqa: S101 - given above
            self._lost.append(Missing(boot, lost.number, lost.number, 1, lost.camera, at_us))
        self._events.append((self._clock_us(), event, jpeg))
        return event
