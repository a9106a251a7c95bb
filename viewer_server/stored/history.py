"""The archive of events: it stores each event once, and tells the event's node how far the node may forget.

One thread writes it, and opens it after gunicorn's fork: an SQLite connection must not live through a fork.
Others read beside it over connections of their own (`reading.py`); write-ahead logging keeps readers and
writer apart.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import IO

from shared.storage.database import open_database
from shared.wire.messages import Event, NodeMessage, ZoneState, encode, now_us
from viewer_server.config import HistorySettings
from viewer_server.quotas import Quotas
from viewer_server.stored import feed, files
from viewer_server.stored.handover import Handover
from viewer_server.stored.nodes import times
from viewer_server.stored.nodes.boots import Boots, Mark
from viewer_server.stored.nodes.ledger import Ledger
from viewer_server.stored.nodes.places import Places
from viewer_server.stored.nodes.seen import Seen
from viewer_server.stored.prune import Pruner
from viewer_server.stored.rollup import Rollup
from viewer_server.stored.schema import SCHEMA, VERSION, identify, migrate

log = logging.getLogger("darner.history")

Clock = Callable[[], float]

COMMIT_S = 0.05
FLUSH_S = 2.0
CACHE_KB = 512
"""KB of the file's pages kept in memory. An event needs the newest pages of each index. SQLite's default of
2 MB fills with the first 2,400 events, which looks like a leak. It saves no time: an event takes 35 us of
processor with both."""


class _Parts:
    """What works on an open file: the accounts of nodes, their boots, places and sums, and the pruning."""

    def __init__(
        self, db: sqlite3.Connection, settings: HistorySettings, quotas: Quotas, boots: Boots, clock: Clock
    ) -> None:
        self.db, self.boots = db, boots
        self.ledger = Ledger(db, quotas, clock)
        places = Places(db, quotas, self.ledger)
        self.rollup = Rollup(db, places, self.ledger, quotas.settings.nodes)
        self.pruner = Pruner(db, settings, quotas, self.ledger, (boots, places, self.rollup), clock)
        boots.load(db)

    def load(self) -> None:
        """Read the tables again: what was rolled back never was."""
        self.ledger.load()
        self.rollup.reset()
        self.boots.load(self.db)

    def admit(self, node: str) -> bool:
        """Whether there is room for a node; one that is silent and has little may give way to it."""
        if self.ledger.admit(node):
            return True
        silent = self.ledger.to_give_way()
        if silent is None:
            return False
        self.pruner.drop_node(silent)
        return self.ledger.admit(node)


class History:
    """Stored events, bounded by bytes and age; `with` opens and closes the file.

    Args:
        settings: Place and bounds.
        clock: Seconds, monotonic.
        quotas: How much one node may have.
        wall_us: The wall clock, microseconds UTC.

    Attributes:
        archive: The name by which nodes know this archive; another file is another archive.
        handover: Alerts that were stored, for who sends them on.
    """

    def __init__(
        self,
        settings: HistorySettings,
        clock: Clock = time.monotonic,
        quotas: Quotas | None = None,
        wall_us: Callable[[], int] = now_us,
    ) -> None:
        self._settings = settings
        self._clock, self._wall_us = clock, wall_us
        self._quotas = quotas or Quotas()
        self._boots = Boots(self._quotas, clock)
        self._seen = Seen(self._quotas, clock)
        self._open: _Parts | None = None
        self._lock: IO[bytes] | None = None
        self.handover = Handover()
        self._began_s = 0.0
        self._since_us = 0
        self._flushed_s = 0.0
        self._failing = False
        self.archive = ""

    def __enter__(self) -> History:
        path = self._settings.file
        if path is None:
            return self
        try:
            self._lock = files.lock(path)
            db = open_database(path, SCHEMA, VERSION, migrate=migrate, exclusive=False)
            db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
            self.archive = identify(db)
            self._open = _Parts(db, self._settings, self._quotas, self._boots, self._clock)
        except (OSError, sqlite3.Error) as error:
            self._open = None
            log.warning(
                "history %s cannot be used (%s): events are shown and not stored, and nodes are not told to "
                "forget them; set history.path to a writable place of this viewer's own, or to null",
                path,
                error,
            )
        return self

    def __exit__(self, *error: object) -> None:
        if self._open is not None:
            self._flushed_s = 0.0
            self.commit()
        if self._open is not None:
            self._open.db.close()
            self._open = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def wanted(self) -> bool:
        """Whether anything is to be stored, be it possible or not."""
        return self._settings.file is not None

    @property
    def is_open(self) -> bool:
        """Whether events are stored."""
        return self._open is not None

    @property
    def holes(self) -> int:
        """Numbers that were given up. Each is a fault, because nodes report what they have dropped."""
        return self._boots.holes

    @property
    def due_s(self) -> float | None:
        """Seconds until `commit` should be called; None when there is nothing to commit."""
        if self._boots.changed:
            return max(0.0, self._began_s + COMMIT_S - self._clock())
        if self._open is not None and self._open.rollup.dirty:
            return max(0.0, self._flushed_s + FLUSH_S - self._clock())
        return None

    def knows(self, node: str) -> bool:
        """Whether something of the node is stored."""
        return self._open is not None and self._open.ledger.knows(node)

    def heed(self, event: Event, wall_us: int | None = None) -> Event:
        """The event with times that can be right; whose clock is wrong is counted.

        Args:
            event: As the node sent it.
            wall_us: When it arrived; now by default.
        """
        believed = times.corrected(event, self._wall_us() if wall_us is None else wall_us)
        if believed is not event:
            self._quotas.hit(event.node, "clock", times.AHEAD_US // 1_000_000)
        return believed

    def hear(self, message: NodeMessage) -> None:
        """Note from other messages that a node's session continues, and how many objects are inside zones."""
        if self._open is None or self._failing:
            return
        said_us = message.captured_us if isinstance(message, ZoneState) else message.published_us
        wall_us = self._wall_us()
        at_us = times.believed(said_us, wall_us)
        try:
            self._begin(self._open, wall_us)
            if not self._open.admit(message.node):
                return
            if isinstance(message, ZoneState):
                self._open.rollup.told(message, at_us)
            else:
                self._open.rollup.heard(message.node, message.session, at_us)
        except sqlite3.Error as error:
            self._failed(error)

    def add(self, event: Event, sent: bytes | None = None) -> bool:
        """Store an event with the next commit.

        Args:
            event: The event.
            sent: The event as JSON, if not all of it is known here; a later version may know more.

        Returns:
            Whether it is new. An event without boot and number counts as new.
        """
        if self._open is None:
            return self._seen.add(event)
        if event.boot is None or event.number is None:
            return True
        wall_us = self._wall_us()
        event = self.heed(event, wall_us)
        try:
            self._begin(self._open, wall_us)
            if not self._open.admit(event.node):
                return True
            added = self._insert(self._open, event, wall_us, sent)
            self._open.boots.note(self._open.db, event)
        except sqlite3.Error as error:
            self._failed(error)
            return True
        except Exception:
            # A fault of ours: sums and events of the transaction may disagree. None of it is acknowledged,
            # so nodes send it again.
            self._failed(None)
            raise
        return added

    def commit(self) -> list[Mark]:
        """Commit what was added, and delete a part of what is too old.

        Returns:
            What may be acknowledged now: a mark for every boot whose events came.
        """
        if self._open is None or not (self._boots.changed or self._open.rollup.dirty):
            return []
        db = self._open.db
        marks = self._boots.marks()
        try:
            wall_us = self._wall_us()
            self._begin(self._open, wall_us)
            db.executemany(
                "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?)", ((*mark, wall_us) for mark in marks)
            )
            if self._clock() >= self._flushed_s + FLUSH_S:
                self._flushed_s = self._clock()
                self._open.rollup.flush()
            self._boots.trim(db)
            self._open.pruner.step(wall_us)
            self._open.ledger.write(wall_us)
            self.handover.forget(db)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            self._failed(error)
            return []
        self._boots.changed.clear()
        self.handover.committed()
        if self._failing:
            self._failing = False
            log.warning("history: events are stored again")
        return marks

    def newest_marks(self) -> list[Mark]:
        """The mark of each node's newest boot."""
        return self._boots.newest()

    def recent(self, limit: int) -> Iterator[Event]:
        """The newest track events and the newest other events of each node, oldest first.

        Args:
            limit: How many of each; where there are many nodes, fewer of each node.
        """
        if self._open is None:
            return
        yield from feed.newest_of_each(self._open.db, self._open.ledger.nodes, limit)

    def _begin(self, opened: _Parts, wall_us: int) -> None:
        if not opened.db.in_transaction:
            opened.db.execute("BEGIN IMMEDIATE")
            self._since_us = opened.pruner.born_us(wall_us)
        if not self._boots.changed:
            self._began_s = self._clock()

    def _insert(self, opened: _Parts, event: Event, wall_us: int, sent: bytes | None) -> bool:
        assert event.boot is not None  # noqa: S101 - the caller has looked
        assert event.number is not None  # noqa: S101
        key = event.node, event.boot, event.number
        sql = "SELECT 1 FROM events WHERE node = ? AND boot = ? AND number = ?"
        if not opened.boots.surely_new(*key) and opened.db.execute(sql, key).fetchone():
            return False
        payload = encode(event) if sent is None else sent
        columns = opened.rollup.add(event, self._since_us)
        row = (None, *key, wall_us, event.type, payload, *columns)
        opened.db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        opened.ledger.event(event.node, len(payload))
        if event.type == "alert":
            self.handover.add(opened.db, payload, wall_us, event.node)
        return True

    def _failed(self, error: sqlite3.Error | None) -> None:
        """Roll back what was not committed: none of it may be acknowledged."""
        if error is not None:
            if not self._failing:
                log.error("history: %s; events are shown, but neither stored nor acknowledged", error)
            self._failing = True
        assert self._open is not None  # noqa: S101 - the database is what has failed
        self.handover.rolled_back()
        try:
            if self._open.db.in_transaction:
                self._open.db.execute("ROLLBACK")
            self._open.load()
        except sqlite3.Error:
            log.exception("history: cannot be read either; no event is stored until the viewer restarts")
            self._open.db.close()
            self._open = None
