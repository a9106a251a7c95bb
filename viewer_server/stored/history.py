"""The archive of events: it stores each event once, and tells the event's node how far the node may forget.

One thread writes it, and opens it after gunicorn's fork: an SQLite connection must not live through a fork.
Others read beside it over connections of their own (`reading.py`); write-ahead logging keeps readers and
writer apart.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from shared.errors import MessageError
from shared.storage import open_database
from shared.wire.messages import Event, NodeMessage, ZoneState, decode, encode, now_us
from viewer_server.config import HistorySettings
from viewer_server.stored import files
from viewer_server.stored.progress import Progress
from viewer_server.stored.rollup import Rollup
from viewer_server.stored.schema import SCHEMA, VERSION, migrate

log = logging.getLogger("darner.history")

COMMIT_S = 0.05
FLUSH_S = 2.0
PRUNE_S = 60.0
PRUNED_AT_ONCE = 500
"""Maximum events deleted with one commit, so that no commit takes long."""
MAX_MARKS = 10_000
CACHE_KB = 512
"""KB of the file's pages kept in memory. An event needs the newest pages of each index. SQLite's default of
2 MB fills with the first 2,400 events, which looks like a leak. It saves no time: an event takes 35 us of
processor with both."""


class Mark(NamedTuple):
    """All events of a boot up to this number are stored, or will never come."""

    node: str
    boot: str
    number: int


class History:
    """Stored events, bounded by bytes and age; `with` opens and closes the file.

    Args:
        settings: Place and bounds.
        clock: Seconds, monotonic.

    Attributes:
        archive: The name by which nodes know this archive; another file is another archive.
        holes: Numbers that were given up. Each is a fault, because nodes report what they have dropped.
    """

    def __init__(self, settings: HistorySettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._db: sqlite3.Connection | None = None
        self._progress: dict[tuple[str, str], Progress] = {}
        self._changed: set[tuple[str, str]] = set()
        self._lock: IO[bytes] | None = None
        self._rollup: Rollup | None = None
        self._began_s = 0.0
        self._flushed_s = 0.0
        self._pruned_s = clock()
        self._failing = False
        self.archive = ""
        self.holes = 0

    def __enter__(self) -> History:
        path = self._settings.file
        if path is None:
            return self
        try:
            self._lock = files.lock(path)
            self._db = open_database(path, SCHEMA, VERSION, migrate=migrate, exclusive=False)
            self._db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
            self._rollup = Rollup(self._db)
            self.archive = _identify(self._db)
            self._load(self._db)
        except (OSError, sqlite3.Error) as error:
            self._db = None
            log.warning(
                "history %s cannot be used (%s): events are shown and not stored, and nodes are not told to "
                "forget them; set history.path to a writable place of this viewer's own, or to null",
                path,
                error,
            )
        return self

    def __exit__(self, *error: object) -> None:
        if self._db is not None:
            self._flushed_s = 0.0
            self.commit()
            self._db.close()
            self._db = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def is_open(self) -> bool:
        """Whether events are stored."""
        return self._db is not None

    @property
    def due_s(self) -> float | None:
        """Seconds until `commit` should be called; None when there is nothing to commit."""
        if self._changed:
            return max(0.0, self._began_s + COMMIT_S - self._clock())
        if self._rollup is not None and self._rollup.dirty:
            return max(0.0, self._flushed_s + FLUSH_S - self._clock())
        return None

    def hear(self, message: NodeMessage) -> None:
        """Note from other messages that a node's session continues, and how many objects are inside zones."""
        if self._rollup is None or self._failing:
            return
        try:
            if isinstance(message, ZoneState):
                self._rollup.told(message)
            else:
                self._rollup.heard(message.node, message.session, message.published_us)
        except sqlite3.Error as error:
            self._failed(error)

    def add(self, event: Event) -> bool:
        """Store an event with the next commit.

        Returns:
            Whether it is new. An event without boot and number counts as new, and so does every event while
            nothing can be stored.
        """
        if self._db is None or event.boot is None or event.number is None:
            return True
        key = event.node, event.boot
        if key not in self._progress and len(self._progress) >= MAX_MARKS:
            return True
        payload = encode(event)
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
                self._began_s = self._clock()
            added = self._insert(self._db, event, payload)
        except sqlite3.Error as error:
            self._failed(error)
            return True
        self._changed.add(key)
        self._note(key, event, event.number)
        return added

    def commit(self) -> list[Mark]:
        """Commit what was added, and delete a part of what is too old.

        Returns:
            What may be acknowledged now: a mark for every boot whose events came.
        """
        if self._db is None or self._rollup is None or not (self._changed or self._rollup.dirty):
            return []
        marks = [Mark(*key, self._progress[key].number) for key in sorted(self._changed)]
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?)", ((*mark, now_us()) for mark in marks)
            )
            if self._clock() >= self._flushed_s + FLUSH_S:
                self._flushed_s = self._clock()
                self._rollup.flush()
            if self._clock() > self._pruned_s + PRUNE_S:
                self._prune(self._db, self._rollup)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._failed(error)
            return []
        self._changed.clear()
        if self._failing:
            self._failing = False
            log.warning("history: events are stored again")
        return marks

    def newest_marks(self) -> list[Mark]:
        """The mark of each node's newest boot."""
        newest = {
            node: Mark(node, boot, self._progress[node, boot].number) for node, boot in sorted(self._progress)
        }
        return list(newest.values())

    def recent(self, limit: int) -> Iterator[Event]:
        """The newest track events and the newest other events, `limit` of each, oldest first."""
        if self._db is None:
            return
        for negation in ("", "NOT"):
            sql = f"SELECT payload FROM events WHERE type {negation} LIKE 'track_%' ORDER BY id DESC LIMIT ?"  # noqa: S608 - ours
            for (payload,) in reversed(self._db.execute(sql, (limit,)).fetchall()):
                try:
                    yield decode(Event, payload)
                except MessageError:  # stored by another version of Darner
                    continue

    def _insert(self, db: sqlite3.Connection, event: Event, payload: bytes) -> bool:
        key = event.node, event.boot, event.number
        if db.execute("SELECT 1 FROM events WHERE node = ? AND boot = ? AND number = ?", key).fetchone():
            return False
        assert self._rollup is not None  # noqa: S101 - opened with the database
        columns = self._rollup.add(event)
        row = (None, *key, now_us(), event.type, payload, *columns)
        db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return True

    def _note(self, key: tuple[str, str], event: Event, number: int) -> None:
        now_s = self._clock()
        oldest = number if event.oldest is None else event.oldest
        progress = self._progress.get(key)
        if progress is None:
            progress = self._progress[key] = Progress(max(0, oldest - 1), now_s)
        progress.take(number, max(1, oldest) if event.oldest is not None else 1)
        if event.gap is not None and (event.node, event.gap.boot) in self._progress:
            self._progress[event.node, event.gap.boot].skip(event.gap)
            self._changed.add((event.node, event.gap.boot))
        missing = progress.give_up(now_s)
        if missing is not None:
            first, last = missing
            self.holes += last - first + 1
            log.error(
                "history: events %d to %d of %s (boot %s) never came; the viewer waits for them no longer",
                first,
                last,
                *key,
            )

    def _load(self, db: sqlite3.Connection) -> None:
        self._progress = {
            (node, boot): Progress(number, self._clock())
            for node, boot, number in db.execute("SELECT node, boot, number FROM marks")
        }
        above = """SELECT node, boot, e.number FROM events e JOIN marks m USING (node, boot)
                   WHERE e.number > m.number"""
        for node, boot, number in db.execute(above):
            self._progress[node, boot].above.add(number)

    def _prune(self, db: sqlite3.Connection, rollup: Rollup) -> None:
        """Delete a part of what is too old or too much; the next commit deletes more while there is more."""
        born_us = now_us() - int(self._settings.max_age_days * 86_400e6)
        # Rows are numbered as they were stored, so the first ones are the oldest.
        oldest = "SELECT id FROM events ORDER BY id LIMIT ?"
        deleted = db.execute(
            f"DELETE FROM events WHERE stored_us < ? AND id IN ({oldest})",  # noqa: S608 - ours
            (born_us, PRUNED_AT_ONCE),
        ).rowcount
        if files.used_bytes(db) > self._settings.max_mb * 1e6:
            deleted += db.execute(f"DELETE FROM events WHERE id IN ({oldest})", (PRUNED_AT_ONCE,)).rowcount  # noqa: S608 - ours
        if deleted:
            return
        self._pruned_s = self._clock()
        rollup.flush()
        rollup.forget(born_us)
        old = """SELECT node, boot FROM marks m WHERE updated_us < ? AND NOT EXISTS
                 (SELECT 1 FROM events e WHERE e.node = m.node AND e.boot = m.boot)"""
        for key in db.execute(old, (born_us,)).fetchall():
            db.execute("DELETE FROM marks WHERE node = ? AND boot = ?", key)
            self._progress.pop(key, None)

    def _failed(self, error: sqlite3.Error) -> None:
        """Roll back what was not committed: none of it may be acknowledged."""
        if not self._failing:
            log.error("history: %s; events are shown, but neither stored nor acknowledged", error)
        self._failing = True
        self._changed.clear()
        assert self._db is not None  # noqa: S101 - the database is what has failed
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if self._rollup is not None:
                self._rollup.reset()
            self._load(self._db)
        except sqlite3.Error:
            log.exception("history: cannot be read either; no event is stored until the viewer restarts")
            self._db.close()
            self._db = None


def _identify(db: sqlite3.Connection) -> str:
    """The archive's name, made when the file is new."""
    db.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    db.execute("INSERT OR IGNORE INTO meta VALUES ('archive', ?)", (f"viewer-{secrets.token_hex(6)}",))
    [(name,)] = db.execute("SELECT value FROM meta WHERE key = 'archive'").fetchall()
    return str(name)
