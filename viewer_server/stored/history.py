"""The archive of events: each is stored once, and its node is told how far it may forget.

Written by one thread, and opened after gunicorn's fork: an SQLite connection must not live through one.
Others read beside it, over connections of their own (`reading.py`); write-ahead logging keeps them apart.
"""

from __future__ import annotations

import fcntl
import logging
import secrets
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from shared.errors import MessageError
from shared.storage import open_database
from shared.wire.messages import Event, Gap, NodeMessage, ZoneState, decode, encode, now_us
from viewer_server.config import HistorySettings
from viewer_server.stored.rollup import SCHEMA, VERSION, Rollup, migrate

log = logging.getLogger("darner.history")

COMMIT_S = 0.05
FLUSH_S = 2.0
PRUNE_S = 60.0
PRUNED_AT_ONCE = 500
"""Events deleted with one commit at most, so that none takes long."""
HOLE_S = 60.0
"""Of receiving what comes after a hole, not of silence: the node has had every chance to fill it."""
MAX_ABOVE = 100_000
MAX_MARKS = 10_000
MAX_GAPS = 100
CACHE_KB = 512
"""Of the file's pages in memory: an event needs the newest ones of each index. SQLite's own 2 MB fill with
the first 2,400 events, which looks like a leak, and save no time (35 us of processor an event with both)."""


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
        self._lock: IO[bytes] | None = None
        self._rollup: Rollup | None = None
        self._began_s = 0.0
        self._flushed_s = 0.0
        self._pruned_s = time.monotonic()
        self._failing = False
        self.archive = ""
        self.holes = 0

    def __enter__(self) -> History:
        path = self._settings.file
        if path is None:
            return self
        try:
            self._lock = _locked(Path(path))
            self._db = open_database(Path(path), SCHEMA, VERSION, migrate=migrate, exclusive=False)
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
        """Seconds until `commit` should be called; None when nothing waits for it."""
        if self._changed:
            return max(0.0, self._began_s + COMMIT_S - time.monotonic())
        if self._rollup is not None and self._rollup.dirty:
            return max(0.0, self._flushed_s + FLUSH_S - time.monotonic())
        return None

    def hear(self, message: NodeMessage) -> None:
        """Note from any other message that a node's run goes on, and from numbers how many are inside."""
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
            added = self._insert(self._db, event, payload)
        except sqlite3.Error as error:
            self._failed(error)
            return True
        self._changed.add(key)
        self._note(key, event)
        return added

    def _insert(self, db: sqlite3.Connection, event: Event, payload: bytes) -> bool:
        key = event.node, event.boot, event.number
        if db.execute("SELECT 1 FROM events WHERE node = ? AND boot = ? AND number = ?", key).fetchone():
            return False
        assert self._rollup is not None  # noqa: S101 - opened with the database
        columns = self._rollup.add(event)
        row = (None, *key, now_us(), event.type, payload, *columns)
        db.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return True

    def commit(self) -> list[Mark]:
        """Make what was added last, and forget what is too old.

        Returns:
            What may be acknowledged now: for every boot that something came of.
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
            if time.monotonic() >= self._flushed_s + FLUSH_S:
                self._flushed_s = time.monotonic()
                self._rollup.flush()
            if time.monotonic() > self._pruned_s + PRUNE_S:
                self._prune(self._db, self._rollup)
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

    def _prune(self, db: sqlite3.Connection, rollup: Rollup) -> None:
        """Delete a little of what is too old or too much; again with the next commit while there is more."""
        born_us = now_us() - int(self._settings.max_age_days * 86_400e6)
        # Rows are numbered as they were stored, so the first ones are the oldest.
        oldest = "SELECT id FROM events ORDER BY id LIMIT ?"
        deleted = db.execute(
            f"DELETE FROM events WHERE stored_us < ? AND id IN ({oldest})",  # noqa: S608 - ours
            (born_us, PRUNED_AT_ONCE),
        ).rowcount
        if used_bytes(db) > self._settings.max_mb * 1e6:
            deleted += db.execute(f"DELETE FROM events WHERE id IN ({oldest})", (PRUNED_AT_ONCE,)).rowcount  # noqa: S608
        if deleted:
            return
        self._pruned_s = time.monotonic()
        rollup.flush()
        rollup.forget(born_us)
        old = """SELECT node, boot FROM marks m WHERE updated_us < ? AND NOT EXISTS
                 (SELECT 1 FROM events e WHERE e.node = m.node AND e.boot = m.boot)"""
        for key in db.execute(old, (born_us,)).fetchall():
            db.execute("DELETE FROM marks WHERE node = ? AND boot = ?", key)
            self._progress.pop(key, None)

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
            if self._rollup is not None:
                self._rollup.reset()
            self._load(self._db)
        except sqlite3.Error:
            log.exception("history: cannot be read either; events are not stored any more")
            self._db.close()
            self._db = None


def used_bytes(db: sqlite3.Connection) -> int:
    """What a database's content takes, without the pages that are free to be used again."""
    [(pages,)], [(free,)], [(size,)] = (
        db.execute(f"PRAGMA {name}").fetchall() for name in ("page_count", "freelist_count", "page_size")
    )
    return int(pages - free) * int(size)


def _locked(path: Path) -> IO[bytes]:
    """Keeps a second viewer from writing the same file; freed by the system with the process.

    Raises:
        OSError: Another process has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f"{path.name}.lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise OSError("another viewer has it open") from None
    return lock


def _identify(db: sqlite3.Connection) -> str:
    """The archive's name, made when the file is new."""
    db.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    db.execute("INSERT OR IGNORE INTO meta VALUES ('archive', ?)", (f"viewer-{secrets.token_hex(6)}",))
    [(name,)] = db.execute("SELECT value FROM meta WHERE key = 'archive'").fetchall()
    return str(name)
