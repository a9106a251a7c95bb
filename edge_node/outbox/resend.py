"""What is sent late or again: from where to where, in order, and how fast."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from edge_node.outbox.backlog import Backlog
from edge_node.outbox.event_file import Row

PAGE = 100


class Resend:
    """Goes through the events held, from one id to another, at a bounded rate. For one thread at a time.

    Args:
        backlog: Open when the first is asked for.
        per_s: Events a second, at most.
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
        """Whether nothing is left to be sent."""
        return self._cursor >= self._through

    def begin(self, first: int, through: int) -> None:
        """Send from one id to another; what is being sent already goes on."""
        self._cursor = first - 1 if self.done else min(self._cursor, first - 1)
        self._through = through
        self._page.clear()

    def extend(self, first: int, through: int) -> None:
        """Send up to an id as well; from where it is, or from `first` where it has nothing to do."""
        if self.done:
            self._cursor = first - 1
        self._through = through

    def only(self, count: int) -> None:
        """Stop after the next few."""
        page = self._backlog.read(self._cursor, self._through, count)
        self._through = page[-1].id if page else self._cursor

    def earn(self, now: float) -> None:
        """Let time pass: it allows so many more, and a tenth of a second's at once."""
        self._tokens = min(self._tokens + (now - self._tokens_at) * self._rate, max(1.0, self._rate * 0.1))
        self._tokens_at = now

    def next(self, besides: Collection[int]) -> Row | None:
        """The next event to send; None when there is none, or it is too early for one.

        Args:
            besides: Ids to leave out: they are on their way.
        """
        while self._tokens >= 1:
            if not self._page:
                self._page.extend(self._backlog.read(self._cursor, self._through, PAGE))
                if not self._page:
                    self._cursor = max(self._cursor, self._through)
                    return None
            row = self._page.popleft()
            self._cursor = row.id
            if row.id not in besides:
                self._tokens -= 1
                return row
        return None
