"""A bounded queue between threads; the name of a call says whether it waits or drops."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


_AT_ONCE = 3
"""How many places of a full lane become free, at most, before a thread that waits for room is woken."""


class Closed(Exception):  # noqa: N818 - a state, not a failure: it ends loops
    """The channel is closed: nothing can be put, or nothing is left to get."""


class Channel(Generic[T]):
    """A queue with one small lane for each key, so that no camera can starve another or fill its lane.

    Lanes are served in turn. When the taker is too slow for all of them, each gets turns in proportion to its
    weight: a lane's virtual time advances by cost / weight with every item taken, and the lane that is
    furthest behind is next. An empty lane does not save up turns. Source: Goyal, Vin and Cheng, "Start-time
    Fair Queuing", 1996.

    Args:
        depth: Most items in a lane.
        weights: Weight of a lane by its key; 1 for every other lane.
        room: Most bytes that `put_newest` and `put_if_room` leave in a lane; a lone item may be larger.
        size: Gives an item's bytes.
        cost: Gives an item's share of the taker's work: how much of its lane's turn it uses up, and how much
            of the limit of `take`.
    """

    def __init__(
        self,
        depth: int = 1,
        weights: Mapping[str, float] | None = None,
        room: float = math.inf,
        size: Callable[[T], int] = lambda _: 0,
        cost: Callable[[T], float] = lambda _: 1,
    ) -> None:
        self._depth = depth
        # A full lane gets room for a few items before a waiting thread is woken: not for each.
        self._refill = depth - max(1, min(depth // 2, _AT_ONCE))
        self._room, self._size, self._cost = room, size, cost
        self._held: Counter[str] = Counter()
        self._weights = weights or {}
        self._lanes: dict[str, deque[T]] = {}
        self._turns: dict[str, tuple[float, int]] = {}
        self._now = 0.0
        self._arrivals = 0
        self._closed = False
        self._lock = threading.Lock()
        # Each thread is woken only by what it waits for: a thread that wakes interrupts one that works.
        self._arrived = threading.Condition(self._lock)
        self._awaited = 0
        self._emptied: dict[str, threading.Condition] = {}
        self.dropped: Counter[str] = Counter()
        """Items that newer ones replaced before they were taken, by key."""
        self.taken = 0
        """Items that were taken so far."""
        self.takers = 0
        """Threads that wait for an item now."""
        self.putters: Counter[str] = Counter()
        """Threads that wait for room now, by key."""
        self.ended = False
        """Whether a taker has learned that nothing more comes."""

    def put_newest(self, item: T, key: str = "") -> None:
        """Put without waiting: in a full lane the oldest items are dropped and counted.

        Raises:
            Closed: The channel is closed.
        """
        self.put_all_newest(((item, key),))

    def put_all_newest(self, items: Iterable[tuple[T, str]]) -> None:
        """Put several items, each with its key, as `put_newest` does, and wake the taker once.

        Raises:
            Closed: The channel is closed.
        """
        with self._lock:
            self._check_open()
            for item, key in items:
                lane = self._lanes.get(key)
                while lane and self._is_full(lane, item, key):
                    self._held[key] -= self._size(lane.popleft())
                    self.dropped[key] += 1
                self._append(item, key)
            self._wake()

    def put_if_room(self, item: T, key: str = "") -> bool:
        """Put without ever waiting: a full lane stays as it is.

        Returns:
            Whether the item was put.

        Raises:
            Closed: The channel is closed.
        """
        with self._lock:
            self._check_open()
            lane = self._lanes.get(key)
            if lane and self._is_full(lane, item, key):
                return False
            self._append(item, key)
            self._wake()
            return True

    def put(self, item: T, key: str = "") -> None:
        """Put, and wait as long as the lane is full: back-pressure.

        Raises:
            Closed: The channel is closed, or was closed while waiting.
        """
        self.put_all((item,), key)

    def put_all(self, items: Collection[T], key: str = "") -> None:
        """Put several items at once, and wait until the lane has room for all of them, or is empty.

        Raises:
            Closed: The channel is closed, or was closed while waiting.
        """
        with self._lock:
            if not self._has_room(len(items), key):
                self._wait_for_room(len(items), key)
            self._check_open()
            for item in items:
                self._append(item, key)
            self._wake()

    def get(self, timeout: float | None = None) -> T:
        """Take the oldest item of the lane whose turn it is.

        Args:
            timeout: Seconds; None waits until an item comes or the channel is closed.

        Raises:
            Closed: The channel is closed and empty.
            TimeoutError: Nothing came in time.
        """
        return self.take(1, timeout)[0]

    def take(self, limit: float, timeout: float | None = None, fill_s: float = 0.0) -> list[T]:
        """Take several items; those of one lane keep their order.

        Args:
            limit: Cost from which on no further item is taken.
            timeout: Seconds to wait for the first item; None waits until it comes or the channel is closed.
            fill_s: Seconds to wait for more items after the first has come.

        Raises:
            Closed: The channel is closed and empty.
            TimeoutError: Nothing came in time.
        """
        with self._lock:
            if not self._lanes and not self._closed:
                self.takers += 1
                try:
                    if not self._wait(lambda: self._closed or bool(self._lanes), timeout):
                        raise TimeoutError
                finally:
                    self.takers -= 1
            if not self._lanes:
                self.ended = True
                raise Closed
            if fill_s > 0:
                self._wait(lambda: self._closed or self._count() >= limit, fill_s)
            items: list[T] = []
            while self._lanes and limit > 0:
                item, cost = self._pop()
                items.append(item)
                limit -= cost
            self.taken += len(items)
            return items

    def close(self) -> None:
        """Refuse new items and wake every waiting thread; items that are in can still be taken."""
        with self._lock:
            self._closed = True
            self._arrived.notify_all()
            for emptied in self._emptied.values():
                emptied.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Items as they come, until the channel is closed and empty."""
        try:
            while True:
                yield self.get()
        except Closed:
            return

    def __len__(self) -> int:
        with self._lock:
            return self._count()

    @property
    def waiting(self) -> int:
        """Items that wait; unlike `len`, it answers even while a thread holds the channel's lock for ever."""
        return sum(map(len, list(self._lanes.values())))

    def _count(self) -> int:
        return sum(map(len, self._lanes.values()))

    def _is_full(self, lane: deque[T], item: T, key: str) -> bool:
        return len(lane) >= self._depth or self._held[key] + self._size(item) > self._room

    def _has_room(self, count: int, key: str) -> bool:
        lane = self._lanes.get(key)
        return self._closed or not lane or len(lane) + count <= self._depth

    def _wait_for_room(self, count: int, key: str) -> None:
        emptied = self._emptied.setdefault(key, threading.Condition(self._lock))
        self.putters[key] += 1
        try:
            emptied.wait_for(lambda: self._has_room(count, key))
        finally:
            self.putters[key] -= 1

    def _wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        """Wait for an item to arrive, or for the end."""
        self._awaited += 1
        try:
            return self._arrived.wait_for(ready, timeout)
        finally:
            self._awaited -= 1

    def _wake(self) -> None:
        if self._awaited:
            self._arrived.notify_all()

    def _append(self, item: T, key: str) -> None:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = deque()
            self._arrivals += 1
            self._turns[key] = (max(self._turns.get(key, (0.0, 0))[0], self._now), self._arrivals)
        lane.append(item)
        self._held[key] += self._size(item)

    def _pop(self) -> tuple[T, float]:
        """The next item and its cost."""
        key = min(self._lanes, key=self._turns.__getitem__)
        self._now = self._turns[key][0]
        lane = self._lanes[key]
        item = lane.popleft()
        self._held[key] -= self._size(item)
        self._arrivals += 1
        cost = self._cost(item)
        self._turns[key] = (self._now + cost / self._weights.get(key, 1.0), self._arrivals)
        if not lane:
            del self._lanes[key]
        if self.putters[key] and len(lane) <= self._refill:
            self._emptied[key].notify_all()
        return item, cost

    def _check_open(self) -> None:
        if self._closed:
            raise Closed
