"""What is due when: of many moments, the next one."""

from __future__ import annotations

import heapq
import math
from typing import Generic, TypeVar

K = TypeVar("K")

_IDLE = 64
"""Moments that were called off may wait among the others, as many again and these."""


class Due(Generic[K]):
    """Moments, each with a key. For one thread.

    Attributes:
        next: The earliest moment; infinity where there is none.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._at: dict[K, tuple[float, int, K]] = {}
        self._serial = 0
        self.next = math.inf

    def __len__(self) -> int:
        return len(self._at)

    def set(self, key: K, at: float) -> None:
        """Have a key come at a moment, instead of its moment until now."""
        self._serial += 1
        before, entry = self._at.get(key), (at, self._serial, key)
        self._at[key] = entry
        heapq.heappush(self._heap, entry)
        if len(self._heap) > 2 * len(self._at) + _IDLE:
            self._build()
        if before is not None:
            self._settle()
        elif at < self.next:
            self.next = at

    def get(self, key: K) -> float:
        """The moment of a key; infinity if it has none."""
        return self._at[key][0] if key in self._at else math.inf

    def drop(self, key: K) -> None:
        """Call a key off."""
        if self._at.pop(key, None) is not None:
            self._settle()

    def pop(self, now: float) -> tuple[K, float] | None:
        """Take the earliest moment that has come, with its key; None if there is none."""
        if self.next > now:
            return None
        at, _, key = heapq.heappop(self._heap)
        del self._at[key]
        self._settle()
        return key, at

    def shift(self, by: float) -> None:
        """Move every moment."""
        self._at = {key: (at + by, serial, key) for key, (at, serial, _) in self._at.items()}
        self._build()
        self._settle()

    def _build(self) -> None:
        """Leave out the moments that were called off."""
        self._heap = list(self._at.values())
        heapq.heapify(self._heap)

    def _settle(self) -> None:
        heap = self._heap
        while heap and self._at.get(heap[0][2]) is not heap[0]:
            heapq.heappop(heap)
        self.next = heap[0][0] if heap else math.inf
