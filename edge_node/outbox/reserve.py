"""The reserve: events that the broker has, and that stay here for a while in case it loses them.

A broker writes what it has to disk now and then. Without an archive, nobody else says that an event is safe.
So a node keeps each event for longer than that takes, and sends it again on a new connection: the broker may
have crashed, and nothing in MQTT says whether it has.
"""

from __future__ import annotations

from collections import OrderedDict

from edge_node.outbox.backlog import Backlog
from edge_node.outbox.event_file import Row

MOST_BYTES = 8_000_000
"""Of the events that are kept; with more, the oldest are let go before their time."""
LONGEST = 4
"""How many times as long an event may be kept at most, where a new connection begins the time anew."""
EVERY_S = 2.0
"""How often events are let go: each time is a write to the disk."""


class Reserve:
    """The events that are kept in reserve. For one thread at a time.

    Its seconds are those of a clock that stands still while there is no connection.

    Args:
        backlog: Holds them.
        keep_s: How long each stays, seconds; 0: none does.

    Attributes:
        ids: Those that need not be sent again until there is a new connection.
        bytes: Size of all that are kept.
    """

    def __init__(self, backlog: Backlog, keep_s: float) -> None:
        self._backlog, self._keep_s = backlog, keep_s
        self._rows: OrderedDict[int, tuple[Row, float, float]] = OrderedDict()  # until when, and when at most
        self._let_go_s = 0.0
        self.ids: set[int] = set()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Row, now: float, now_us: int) -> None:
        """Keep an event that the broker has just acknowledged, or let it go if it is not to be kept.

        Args:
            row: The event.
            now: Seconds of the reserve's clock.
            now_us: The clock by which events grow too old, microseconds.
        """
        longest_s = LONGEST * self._keep_s
        too_old = row.created_us < now_us - self._backlog.max_age_us + longest_s * 1e6
        if not self._keep_s or too_old:
            self._forget(row.id)
            self._backlog.remove([row])
            return
        held = self._rows.pop(row.id, None)
        most = now + longest_s if held is None else held[2]
        self._rows[row.id] = row, min(now + self._keep_s, most), most
        self.bytes += row.bytes if held is None else 0
        self.ids.add(row.id)
        while self.bytes > MOST_BYTES:
            self._release(1)

    def renew(self) -> bool:
        """Have all sent again, on a new connection; whether there is anything."""
        self.ids.clear()
        return bool(self._rows)

    def expire(self, now: float) -> None:
        """Let go what was kept for long enough; with archives, these alone say what is safe."""
        if self._backlog.archives:
            self.clear()
        elif now - self._let_go_s >= EVERY_S:
            self._let_go_s = now
            while self._rows:
                id_, (_, until, most) = next(iter(self._rows.items()))
                if now < (until if id_ in self.ids else most):  # not before it was sent again
                    break
                self._release(1)

    def make_room(self, now_us: int) -> None:
        """Let the oldest go where the backlog has no room: they are safer than what waits to be sent.

        Those that grew too old without a connection go as well, so that they do not count as lost.

        Args:
            now_us: The clock by which events grow too old, microseconds.
        """
        born_us = now_us - self._backlog.max_age_us
        while self._rows and self._backlog.is_full:
            self._release(100)
        while self._rows and next(iter(self._rows.values()))[0].created_us < born_us:
            self._release(1)

    def clear(self) -> None:
        """Keep none any longer, and leave them to the backlog."""
        self._rows.clear()
        self.ids.clear()
        self.bytes = 0

    def release_sent(self) -> None:
        """Let go what the broker has acknowledged on this connection, at a clean end."""
        for id_ in list(self.ids):
            self._backlog.remove([self._rows[id_][0]])
            self._forget(id_)

    def _release(self, count: int) -> None:
        for _ in range(min(count, len(self._rows))):
            id_, (row, _, _) = next(iter(self._rows.items()))
            self._forget(id_)
            self._backlog.remove([row])

    def _forget(self, id_: int) -> None:
        held = self._rows.pop(id_, None)
        if held is not None:
            self.bytes -= held[0].bytes
        self.ids.discard(id_)
