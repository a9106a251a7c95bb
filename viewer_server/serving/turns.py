"""Whose request is next: askers take turns, and none has all threads, however many requests it sends."""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger("darner.viewer")
T = TypeVar("T")


class Turns(Generic[T]):
    """Threads that work on what was added.

    Args:
        work: Called with each item, in one of the threads.
        threads: How many there are.
        each: Maximum threads that work for one asker at the same time.
        name: Of the threads.
    """

    def __init__(self, work: Callable[[T], None], threads: int, each: int, name: str) -> None:
        self._work = work
        self._each = each
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()
        self._working: Counter[str] = Counter()
        self._open = True
        for number in range(threads):
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True).start()

    def add(self, asker: str, item: T) -> None:
        """Add an item; it is worked on when a thread is free and it is its asker's turn."""
        with self._changed:
            self._waiting.setdefault(asker, deque()).append(item)
            self._changed.notify()

    def withdraw(self, asker: str, item: T) -> bool:
        """Take an item back; False when a thread has it already."""
        with self._changed:
            mine = self._waiting.get(asker)
            if mine is None or item not in mine:
                return False
            mine.remove(item)
            if not mine:
                del self._waiting[asker]
            return True

    def close(self) -> None:
        """Let the threads end when they have nothing in hand."""
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def _run(self) -> None:
        while (turn := self._next()) is not None:
            asker, item = turn
            try:
                self._work(item)
            except Exception:  # a thread that ends would be missing for ever
                log.exception("a request's thread failed")
            with self._changed:
                self._working[asker] -= 1
                if not self._working[asker]:
                    del self._working[asker]
                self._changed.notify()

    def _next(self) -> tuple[str, T] | None:
        with self._changed:
            while self._open:
                for asker, mine in self._waiting.items():
                    if self._working[asker] < self._each:
                        item = mine.popleft()
                        self._waiting.move_to_end(asker)
                        if not mine:
                            del self._waiting[asker]
                        self._working[asker] += 1
                        return asker, item
                self._changed.wait()
            return None
