"""Alerts on their way from the history to who sends them on: none is lost between the two.

The history adds an alert in the transaction that stores its event, so a node may forget it only when it
stands here. Who sends alerts on reads it over a connection of its own, keeps it in its own file, and says so;
the history then deletes it with its next commit.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque

log = logging.getLogger("darner.history")

SCHEMA = """
CREATE TABLE IF NOT EXISTS handover (
    id INTEGER PRIMARY KEY AUTOINCREMENT, stored_us INTEGER NOT NULL, payload BLOB NOT NULL
)
"""
MOST = 20_000
"""Alerts that wait at most while nobody can take them, as with a full disk; the oldest give way. One node may
have half of them, so that its flood costs its own."""
AT_ONCE = 200

Handed = tuple[int, int, bytes]
"""Number, time of storing in microseconds UTC, and the event as JSON."""


class Handover:
    """The writer's side, in the history's thread; `taken` and `news` may be used in any.

    Attributes:
        news: Set when there may be something to take.
        dropped: Alerts that gave way.
    """

    def __init__(self) -> None:
        self.news = threading.Event()
        self.dropped = 0
        self._taken = self._forgotten = 0
        self._added = False
        self._count: int | None = None  # rows; None: to be counted
        self._of_nodes: dict[str, deque[int]] = {}

    def taken(self, number: int) -> None:
        """Say that everything up to a number is safe elsewhere."""
        self._taken = max(self._taken, number)

    def add(self, db: sqlite3.Connection, payload: bytes, stored_us: int, node: str) -> None:
        """Add a node's alert, within the transaction that stores it."""
        number = db.execute("INSERT INTO handover VALUES (NULL, ?, ?)", (stored_us, payload)).lastrowid or 0
        if self._count is None:
            [(self._count,)] = db.execute("SELECT count(*) FROM handover").fetchall()
        else:
            self._count += 1
        own = self._of_nodes.setdefault(node, deque())
        while own and own[0] <= self._taken:
            own.popleft()
        if len(own) >= MOST // 2:
            self._drop(db, own.popleft(), f"node {node}", MOST // 2)
        elif self._count > MOST:
            [(oldest,)] = db.execute("SELECT min(id) FROM handover").fetchall()
            self._drop(db, oldest, "all nodes", MOST)
        own.append(number)
        self._added = True

    def _drop(self, db: sqlite3.Connection, number: int, whose: str, most: int) -> None:
        gone = db.execute("DELETE FROM handover WHERE id = ?", (number,)).rowcount
        self._count = (self._count or 0) - gone
        if not gone or number <= self._taken:
            return
        if not self.dropped:
            log.error("%s: over %d alerts wait and are not taken: the oldest are not sent on", whose, most)
        self.dropped += 1

    def forget(self, db: sqlite3.Connection) -> None:
        """Delete what was taken, within any transaction."""
        taken = self._taken
        if taken > self._forgotten:
            gone = db.execute("DELETE FROM handover WHERE id <= ?", (taken,)).rowcount
            self._count = None if self._count is None else self._count - gone
            self._forgotten = taken
            self._of_nodes = {node: own for node, own in self._of_nodes.items() if own and own[-1] > taken}

    def committed(self) -> None:
        """Say that the transaction is committed."""
        if self._added:
            self._added = False
            self.news.set()

    def rolled_back(self) -> None:
        """Say that it is not: what was to be deleted is still there."""
        self._added, self._forgotten, self._count = False, 0, None
        self._of_nodes.clear()


def waiting(db: sqlite3.Connection, after: int) -> list[Handed]:
    """The oldest alerts behind a number, at most 200."""
    sql = "SELECT id, stored_us, payload FROM handover WHERE id > ? ORDER BY id LIMIT ?"
    return db.execute(sql, (after, AT_ONCE)).fetchall()
