"""Resend: which events are sent late or again, in which order and how fast."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from edge_node.outbox.backlog import Backlog
from edge_node.outbox.event_file import Row

PAGE = 100
"""Events read from the backlog at a time."""


class Resend:
    """Goes through the events held from one id to another, at a bounded rate. For one thread at a time.

    Args:
        backlog: Holds the events; it must be open before events are read.
        per_s: The most events a second.
        now: Monotonic seconds.
    """

    def __init__(self, backlog: Backlog, per_s: float, now: float) -> None:
        self._backlog = backlog
        self._rate = per_s
        self._page: deque[Row] = deque()
        self._cursor = self._through = 0
        self._tokens, self._tokens_at = 0.0, now

    @property
    def done(self) -> bool:
        """Whether the last event of the range was reached."""
        return self._cursor >= self._through

    def begin(self, first: int, through: int) -> None:
        """Set the range from `first`, or from the current position if that is earlier, to `through`."""
        self._cursor = first - 1 if self.done else min(self._cursor, first - 1)
        self._through = through
        self._page.clear()

    def extend(self, first: int, through: int) -> None:
        """Move the end of the range to `through`. If the old end was reached, go on from `first`."""
        if self.done:
            self._cursor = first - 1
        self._through = through

    def only(self, count: int) -> None:
        """Stop after the next `count` events."""
        page = self._backlog.read(self._cursor, self._through, count)
        self._through = page[-1].id if page else self._cursor

    def earn(self, now: float) -> None:
        """Allow more events for the time passed, at the set rate; at most 0.1 s worth is saved up."""
        self._tokens = min(self._tokens + (now - self._tokens_at) * self._rate, max(1.0, self._rate * 0.1))
        self._tokens_at = now

    def next(self, besides: Collection[int], also: Collection[int] = ()) -> Row | None:
        """The next event to send; None at the end, and when the rate allows none yet.

        Args:
            besides: Ids of events that are in flight already; these are skipped.
            also: Ids of events that need not be sent again; these are, too.
        """
        while self._tokens >= 1:
            if not self._page:
                self._page.extend(self._backlog.read(self._cursor, self._through, PAGE))
                if not self._page:
                    self._cursor = max(self._cursor, self._through)
                    return None
            row = self._page.popleft()
            self._cursor = row.id
            if row.id not in besides and row.id not in also:
                self._tokens -= 1
                return row
        return None
