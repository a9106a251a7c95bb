"""Bounded hand-off between threads, with the drop policy written at the call that may drop."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):  # noqa: N818 - a state, not a failure: it ends loops
    """The channel was closed: nothing more can be put, or nothing is left to get."""


class Channel(Generic[T]):
    """A queue with one small lane per key, so that one camera can neither starve nor bury another.

    Lanes are served in turn: a lane that was just served goes to the end of the line.

    Args:
        depth: How many items a lane holds.
    """

    def __init__(self, depth: int = 1) -> None:
        self._depth = depth
        self._lanes: OrderedDict[str, deque[T]] = OrderedDict()
        self._closed = False
        self._changed = threading.Condition()
        self.dropped: Counter[str] = Counter()
        """Items replaced by a newer one before they were taken, by key."""

    def put_newest(self, item: T, key: str = "") -> None:
        """Put without ever waiting: in a full lane the oldest item is dropped and counted.

        Raises:
            Closed: The channel is closed.
        """
        with self._changed:
            self._check_open()
            lane = self._lanes.setdefault(key, deque())
            if len(lane) >= self._depth:
                lane.popleft()
                self.dropped[key] += 1
            lane.append(item)
            self._changed.notify_all()

    def put(self, item: T, key: str = "") -> None:
        """Put, waiting for as long as the lane is full: back-pressure.

        Raises:
            Closed: The channel is closed, or was closed while waiting.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._lanes.get(key, ())) < self._depth)
            self._check_open()
            self._lanes.setdefault(key, deque()).append(item)
            self._changed.notify_all()

    def get(self, timeout: float | None = None) -> T:
        """Take the oldest item of the lane that has waited longest.

        Args:
            timeout: Seconds; None waits until something comes or the channel is closed.

        Raises:
            Closed: The channel is closed and empty.
            TimeoutError: Nothing came in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or bool(self._lanes), timeout):
                raise TimeoutError
            if not self._lanes:
                raise Closed
            key, lane = self._lanes.popitem(last=False)
            item = lane.popleft()
            if lane:
                self._lanes[key] = lane
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Refuse new items; those already in can still be taken. Wakes every waiting thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Items as they come, until the channel is closed and empty."""
        try:
            while True:
                yield self.get()
        except Closed:
            return

    def __len__(self) -> int:
        with self._changed:
            return sum(map(len, self._lanes.values()))

    def _check_open(self) -> None:
        if self._closed:
            raise Closed
