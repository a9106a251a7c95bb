"""The archive of events: each is stored once, and its node is told how far it may forget.

Single-threaded, and opened after gunicorn's fork: an SQLite connection must not live through one.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from shared.errors import MessageError
from shared.messages import Event, Gap, decode, encode, now_us
from shared.storage import open_database
from viewer_server.config import HistorySettings

log = logging.getLogger("darner.history")

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, boot TEXT NOT NULL, number INTEGER NOT NULL,
    stored_us INTEGER NOT NULL, type TEXT NOT NULL, payload BLOB NOT NULL, UNIQUE (node, boot, number)
);
CREATE TABLE IF NOT EXISTS marks (
    node TEXT NOT NULL, boot TEXT NOT NULL, number INTEGER NOT NULL, updated_us INTEGER NOT NULL,
    PRIMARY KEY (node, boot)
) WITHOUT ROWID
"""
VERSION = 1
COMMIT_S = 0.05
PRUNE_S = 60.0
HOLE_S = 60.0
"""Of receiving what comes after a hole, not of silence: the node has had every chance to fill it."""
MAX_ABOVE = 100_000
MAX_MARKS = 10_000
MAX_GAPS = 100
ROW_BYTES = 150
"""What a row costs beside its payload."""


class Mark(NamedTuple):
    """All of a boot up to this number is stored, or will never come."""

    node: str
    boot: str
    number: int


@dataclass
class _Progress:
    """How far a boot is stored without a hole, and what lies above the first one."""

    number: int
    above: set[int] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    waited_s: float = 0.0
    heard_s: float = 0.0

    def take(self, number: int, oldest: int) -> None:
        """A number that is stored, and the lowest one that its node can still send."""
        self.reach(min(oldest, number) - 1)
        if number > self.number:
            self.above.add(number)
        self.reach(self.number)

    def skip(self, gap: Gap) -> None:
        """Numbers that will never come."""
        self.gaps = [*self.gaps, gap][-MAX_GAPS:]
        self.reach(self.number)

    def reach(self, number: int) -> None:
        """Move up to `number` at least, and on to the next hole."""
        before = self.number
        self._jump(number)
        while True:
            while self.number + 1 in self.above:
                self.number += 1
                self.above.discard(self.number)
            over = [gap for gap in self.gaps if gap.first <= self.number + 1]
            if not over:
                break
            self.gaps = [gap for gap in self.gaps if gap not in over]
            self._jump(max(gap.last for gap in over))
        if self.number > before:
            self.waited_s = 0.0

    def _jump(self, number: int) -> None:
        if number > self.number:
            self.number = number
            self.above = {above for above in self.above if above > number}

    def hole_is_final(self, now_s: float) -> bool:
        """Whether what is missing has been waited for long enough; told of each event that comes."""
        self.waited_s += min(now_s - self.heard_s, 1.0)
        self.heard_s = now_s
        return bool(self.above) and (self.waited_s > HOLE_S or len(self.above) > MAX_ABOVE)


class History:
    """Stored events, bounded by bytes and age; `with` opens and closes the file.

    Args:
        settings: Place and bounds.

    Attributes:
        archive: What nodes know it by; kept in the file, so it is another one when the file is.
        holes: Numbers that were given up waiting for: a fault, as nodes say what they have dropped.
    """

    def __init__(self, settings: HistorySettings) -> None:
        self._settings = settings
        self._db: sqlite3.Connection | None = None
        self._progress: dict[tuple[str, str], _Progress] = {}
        self._changed: set[tuple[str, str]] = set()
        self._bytes = 0
        self._began_s = 0.0
        self._pruned_s = time.monotonic()
        self._failing = False
        self.archive = ""
        self.holes = 0

    def __enter__(self) -> History:
        path = self._settings.file
        if path is None:
            return self
        try:
            self._db = open_database(Path(path), SCHEMA, VERSION)
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
            self.commit()
            self._db.close()
            self._db = None

    @property
    def is_open(self) -> bool:
        """Whether events are stored."""
        return self._db is not None

    @property
    def due_s(self) -> float | None:
        """Seconds until `commit` should be called; None when nothing waits for it."""
        return max(0.0, self._began_s + COMMIT_S - time.monotonic()) if self._changed else None

    def add(self, event: Event) -> bool:
        """Store an event with the next commit.

        Returns:
            Whether it is a new one, as far as can be told: without boot and number, or a disk, it cannot.
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
                self._began_s = time.monotonic()
            row = (None, *key, event.number, now_us(), event.type, payload)
            added = self._db.execute(
                "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", row
            ).rowcount
        except sqlite3.Error as error:
            self._failed(error)
            return True
        self._bytes += (len(payload) + ROW_BYTES) * added
        self._changed.add(key)
        self._note(key, event)
        return bool(added)

    def commit(self) -> list[Mark]:
        """Make what was added last, and forget what is too old.

        Returns:
            What may be acknowledged now: for every boot that something came of.
        """
        if self._db is None or not self._changed:
            return []
        marks = [Mark(*key, self._progress[key].number) for key in sorted(self._changed)]
        try:
            self._db.executemany(
                "INSERT OR REPLACE INTO marks VALUES (?, ?, ?, ?)", ((*mark, now_us()) for mark in marks)
            )
            if time.monotonic() > self._pruned_s + PRUNE_S:
                self._prune(self._db)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._failed(error)
            return []
        self._changed.clear()
        if self._failing:
            self._failing = False
            log.warning("history: written again")
        return marks

    def newest_marks(self) -> list[Mark]:
        """Of each node, that of its newest boot."""
        newest = {
            node: Mark(node, boot, self._progress[node, boot].number) for node, boot in sorted(self._progress)
        }
        return list(newest.values())

    def recent(self, limit: int) -> Iterator[Event]:
        """The newest track events and the newest others, `limit` of each, oldest first."""
        if self._db is None:
            return
        for negation in ("", "NOT"):
            sql = f"SELECT payload FROM events WHERE type {negation} LIKE 'track_%' ORDER BY id DESC LIMIT ?"  # noqa: S608 - ours
            for (payload,) in reversed(self._db.execute(sql, (limit,)).fetchall()):
                try:
                    yield decode(Event, payload)
                except MessageError:  # of another version of Darner
                    continue

    def _note(self, key: tuple[str, str], event: Event) -> None:
        assert event.number is not None  # noqa: S101 - its caller has checked
        now_s = time.monotonic()
        oldest = event.number if event.oldest is None else event.oldest
        progress = self._progress.get(key)
        if progress is None:
            progress = self._progress[key] = _Progress(max(0, oldest - 1), heard_s=now_s)
        progress.take(event.number, max(1, oldest) if event.oldest is not None else 1)
        if event.gap is not None and (event.node, event.gap.boot) in self._progress:
            self._progress[event.node, event.gap.boot].skip(event.gap)
            self._changed.add((event.node, event.gap.boot))
        if progress.hole_is_final(now_s):
            self.holes += min(progress.above) - progress.number - 1
            log.error(
                "history: events %d to %d of %s (boot %s) never came; not waiting for them any longer",
                progress.number + 1,
                min(progress.above) - 1,
                *key,
            )
            progress.reach(min(progress.above))

    def _load(self, db: sqlite3.Connection) -> None:
        self._progress = {
            (node, boot): _Progress(number, heard_s=time.monotonic())
            for node, boot, number in db.execute("SELECT node, boot, number FROM marks")
        }
        above = """SELECT node, boot, e.number FROM events e JOIN marks m USING (node, boot)
                   WHERE e.number > m.number"""
        for node, boot, number in db.execute(above):
            self._progress[node, boot].above.add(number)
        sql = "SELECT count(*), coalesce(sum(length(payload)), 0) FROM events"
        [(count, size)] = db.execute(sql).fetchall()
        self._bytes = size + count * ROW_BYTES

    def _prune(self, db: sqlite3.Connection) -> None:
        self._pruned_s = time.monotonic()
        born_us = now_us() - int(self._settings.max_age_days * 86_400e6)
        db.execute("DELETE FROM events WHERE stored_us < ?", (born_us,))
        excess = self._bytes - int(self._settings.max_mb * 1e6)
        if excess > 0:
            db.execute(
                """DELETE FROM events WHERE id <= (SELECT max(id) FROM (SELECT id,
                   sum(length(payload) + ?) OVER (ORDER BY id) AS size FROM events) WHERE size <= ?)""",
                (ROW_BYTES, excess * 1.1),
            )
        old = """SELECT node, boot FROM marks m WHERE updated_us < ? AND NOT EXISTS
                 (SELECT 1 FROM events e WHERE e.node = m.node AND e.boot = m.boot)"""
        for key in db.execute(old, (born_us,)).fetchall():
            db.execute("DELETE FROM marks WHERE node = ? AND boot = ?", key)
            self._progress.pop(key, None)
        [(count, size)] = db.execute(
            "SELECT count(*), coalesce(sum(length(payload)), 0) FROM events"
        ).fetchall()
        self._bytes = size + count * ROW_BYTES

    def _failed(self, error: sqlite3.Error) -> None:
        """Take back what was not committed: nothing of it may be acknowledged."""
        if not self._failing:
            log.error("history: %s; events are shown, but neither stored nor acknowledged", error)
        self._failing = True
        self._changed.clear()
        assert self._db is not None  # noqa: S101 - it is what has failed
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._load(self._db)
        except sqlite3.Error:
            log.exception("history: cannot be read either; events are not stored any more")
            self._db.close()
            self._db = None


def _identify(db: sqlite3.Connection) -> str:
    """The archive's name, made when the file is new."""
    db.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    db.execute("INSERT OR IGNORE INTO meta VALUES ('archive', ?)", (f"viewer-{secrets.token_hex(6)}",))
    [(name,)] = db.execute("SELECT value FROM meta WHERE key = 'archive'").fetchall()
    return str(name)
