"""Alerts on their way from the history to who sends them on: none is lost between the two.

The history adds an alert in the transaction that stores its event, so a node may forget it only when it
stands here. Who sends alerts on reads it over a connection of its own, keeps it in its own file, and says so;
the history then deletes it with its next commit.
"""

from __future__ import annotations

import logging
import sqlite3
import threading

log = logging.getLogger("darner.history")

SCHEMA = """
CREATE TABLE IF NOT EXISTS handover (
    id INTEGER PRIMARY KEY AUTOINCREMENT, stored_us INTEGER NOT NULL, payload BLOB NOT NULL
)
"""
MOST = 20_000
"""Alerts that wait at most while nobody can take them, as with a full disk; the oldest give way."""
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

    def taken(self, number: int) -> None:
        """Say that everything up to a number is safe elsewhere."""
        self._taken = max(self._taken, number)

    def add(self, db: sqlite3.Connection, payload: bytes, stored_us: int) -> None:
        """Add an alert, within the transaction that stores it."""
        number = db.execute("INSERT INTO handover VALUES (NULL, ?, ?)", (stored_us, payload)).lastrowid or 0
        gone = db.execute("DELETE FROM handover WHERE id <= ?", (number - MOST,)).rowcount
        if gone > 0 and number - MOST > self._taken:
            if not self.dropped:
                log.error("over %d alerts wait and nobody takes them: the oldest are not sent on", MOST)
            self.dropped += gone
        self._added = True

    def forget(self, db: sqlite3.Connection) -> None:
        """Delete what was taken, within any transaction."""
        taken = self._taken
        if taken > self._forgotten:
            db.execute("DELETE FROM handover WHERE id <= ?", (taken,))
            self._forgotten = taken

    def committed(self) -> None:
        """Say that the transaction is committed."""
        if self._added:
            self._added = False
            self.news.set()

    def rolled_back(self) -> None:
        """Say that it is not: what was to be deleted is still there."""
        self._added, self._forgotten = False, 0


def waiting(db: sqlite3.Connection, after: int) -> list[Handed]:
    """The oldest alerts behind a number, at most 200."""
    sql = "SELECT id, stored_us, payload FROM handover WHERE id > ? ORDER BY id LIMIT ?"
    return db.execute(sql, (after, AT_ONCE)).fetchall()
