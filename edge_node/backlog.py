"""Events not known to be safe elsewhere: on disk, and in memory while the disk cannot be written."""

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from edge_node.archives import Archives
from shared.storage import open_database

log = logging.getLogger("darner.outbox")

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, boot TEXT NOT NULL, number INTEGER NOT NULL, created_us INTEGER NOT NULL,
    camera TEXT NOT NULL, payload BLOB NOT NULL, UNIQUE (boot, number)
);
CREATE TABLE IF NOT EXISTS archives (archive TEXT PRIMARY KEY, heard_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (
    archive TEXT NOT NULL, boot TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (archive, boot)
) WITHOUT ROWID
"""
VERSION = 1
ROW_BYTES = 100
"""What a row costs beside its payload."""
MEMORY_BYTES = 16_000_000
"""Most that is held in memory."""
RETRY_S = 1.0
SHRINK = 0.95
"""When there is no room, this part of it is kept: one gap then covers many events."""
DROPPED_AT_ONCE = 2000


class Row(NamedTuple):
    """One event; `id` orders all events of all boots."""

    id: int
    boot: str
    number: int
    created_us: int
    camera: str
    payload: bytes

    @property
    def bytes(self) -> int:
        """What it counts for."""
        return len(self.payload) + ROW_BYTES


class Missing(NamedTuple):
    """Events that were given up: all of one boot."""

    boot: str
    first: int
    last: int
    events: int
    camera: str
    created_us: int


class Backlog:
    """Bounded by bytes and age. For one thread at a time; `with` opens and closes it.

    A disk that cannot be written is tried again every second; what could not be written waits in memory.

    Args:
        path: Of the database; None for memory only.
        max_bytes: Beyond this the oldest events are dropped.
        max_age_s: Seconds; older events are dropped.

    Attributes:
        boot: Identifies this opening, and sorts after every earlier one of the same file.
        count: Events held.
        bytes: What they count for.
        dropped: Events given up since it was opened.
        archives: Who stores the events elsewhere; written down with the next write.
    """

    def __init__(self, path: Path | None, max_bytes: int, max_age_s: float) -> None:
        self._path = path
        self._max_bytes, self._max_age_us = max_bytes, int(max_age_s * 1e6)
        self._db: sqlite3.Connection | None = None
        self._memory: OrderedDict[int, Row] = OrderedDict()
        self._memory_bytes = 0
        self._gone: set[int] = set()  # in the database still, until the next write
        self._retry_at = 0.0
        self.failing = False
        self._last_id = 0
        self.archives = Archives()
        self.boot = ""
        self.count = self.bytes = self.dropped = 0

    def __enter__(self) -> Backlog:
        self.boot = f"{int(time.time()):08x}-{secrets.token_hex(3)}"
        if self._path is None:
            return self
        try:
            self._db = open_database(self._path, SCHEMA, VERSION)
            self._begin(self._db)
        except (OSError, sqlite3.Error) as error:
            if self._db is not None:
                self._db.close()
            self._db = None
            log.warning(
                "outbox %s cannot be used (%s): events wait in memory only, and are lost with the process; "
                "set outbox.path to a writable place of this node's own",
                self._path,
                error,
            )
        return self

    def __exit__(self, *error: object) -> None:
        if self._db is not None:
            self._retry_at = 0.0
            self.write([])
            self._db.close()
            self._db = None

    @property
    def on_disk(self) -> bool:
        """Whether events survive this process now."""
        return self._db is not None and not self.failing

    def write(self, events: Sequence[tuple[str, int, int, str, bytes]]) -> list[Row]:
        """Commit new events, and what was removed meanwhile, in one transaction.

        Args:
            events: Boot, number, time of creation (us), camera and payload of each.
        """
        rows = [Row(self._last_id + index, *event) for index, event in enumerate(events, 1)]
        self._last_id += len(rows)
        self.count += len(rows)
        self.bytes += sum(row.bytes for row in rows)
        waiting = [*self._memory.values(), *rows]
        if (waiting or self._gone or self.archives.changed) and not self._commit(waiting):
            self._memory.update((row.id, row) for row in rows)
            self._memory_bytes += sum(row.bytes for row in rows)
        return rows

    def read(self, after: int, through: int, limit: int) -> list[Row]:
        """The oldest events with ids beyond `after` and not beyond `through`, at most `limit`."""
        found: list[Row] = []
        while len(found) < limit:
            page = self._select(after, through, limit)
            found += [row for row in page if row.id not in self._gone]
            if len(page) < limit:
                break
            after = page[-1].id
        for row in self._memory.values():
            if len(found) >= limit:
                break
            if after < row.id <= through:
                found.append(row)
        return found[:limit]

    @property
    def last_id(self) -> int:
        """The newest event's."""
        return self._last_id

    def oldest(self, boot: str) -> int | None:
        """The lowest number that may still be held of a boot; never one too high."""
        stored = self._query("SELECT min(number) FROM events WHERE boot = ?", boot)
        if self._db is not None and not stored:  # cannot be read now
            return 1
        numbers = [number for (number,) in stored]
        numbers.append(next((row.number for row in self._memory.values() if row.boot == boot), None))
        return min((number for number in numbers if number is not None), default=None)

    def remove(self, rows: Iterable[Row]) -> int:
        """Forget events that are safe elsewhere; how many of them were still held."""
        removed = 0
        for row in rows:
            if row.id in self._memory:
                del self._memory[row.id]
                self._memory_bytes -= row.bytes
            elif row.id not in self._gone and self._query("SELECT 1 FROM events WHERE id = ?", row.id):
                self._gone.add(row.id)
            else:  # removed before, for another reason
                continue
            self.count -= 1
            self.bytes -= row.bytes
            removed += 1
        return removed

    def remove_through(self, boot: str, number: int) -> int:
        """Forget a boot's events up to a number; how many were still held."""
        sql = f"SELECT {', '.join(Row._fields)} FROM events WHERE boot = ? AND number <= ?"  # noqa: S608 - names of ours
        stored = [Row(*row) for row in self._query(sql, boot, number)]
        held = [row for row in self._memory.values() if row.boot == boot and row.number <= number]
        return self.remove([*stored, *held])

    def boots(self) -> list[str]:
        """Those that events are held of, oldest first."""
        boots = {row.boot for row in self._memory.values()}
        after = ""
        # From one to the next by the index: DISTINCT would read all of it.
        while found := self._query("SELECT boot FROM events WHERE boot > ? ORDER BY boot LIMIT 1", after):
            [(after,)] = found
            boots.add(after)
        return sorted(boots)

    def first_beyond(self, marks: Mapping[str, int]) -> int | None:
        """Id of the oldest event held that an archive has not stored; None when it has all.

        Args:
            marks: What it has stored: by boot, everything up to this number.
        """
        first: list[int] = []
        sql = "SELECT id FROM events WHERE boot = ? AND number > ? ORDER BY number LIMIT ?"
        for boot in self.boots():
            stored = self._query(sql, boot, marks.get(boot, 0), len(self._gone) + 1)
            first += [id_ for (id_,) in stored if id_ not in self._gone][:1]
        beyond = (row.id for row in self._memory.values() if row.number > marks.get(row.boot, 0))
        return min([*first, *beyond], default=None)

    def make_room(self, now_us: int) -> list[Missing]:
        """Drop the oldest events that are too old or too many; what is missing now, a boot each."""
        if not self.count:
            return []
        born_us = now_us - self._max_age_us
        if self.bytes > self._max_bytes:
            page = self.read(0, self._last_id, DROPPED_AT_ONCE)
            return self.drop(_excess(page, self.bytes, self._max_bytes))
        if self._memory_bytes > MEMORY_BYTES:
            return self.drop(_excess(self._memory.values(), self._memory_bytes, MEMORY_BYTES))
        if any(row.created_us < born_us for row in self.read(0, self._last_id, 1)):
            page = self.read(0, self._last_id, DROPPED_AT_ONCE)
            return self.drop([row for row in page if row.created_us < born_us])
        return []

    def drop(self, rows: Sequence[Row]) -> list[Missing]:
        """Give events up; what is missing now, a boot each."""
        self.remove(rows)
        missing: dict[str, Missing] = {}
        for row in rows:
            gap = orjson.loads(row.payload).get("gap")  # a gap that is dropped lives on in the new one
            self.dropped += gap is None
            for boot, first, last, count in [(row.boot, row.number, row.number, int(gap is None))] + (
                [(gap["boot"], gap["first"], gap["last"], gap["count"])] if gap else []
            ):
                old = missing.get(boot, Missing(boot, first, last, 0, row.camera, row.created_us))
                missing[boot] = old._replace(
                    first=min(old.first, first), last=max(old.last, last), events=old.events + count
                )
        return list(missing.values())

    def _begin(self, db: sqlite3.Connection) -> None:
        known = dict(db.execute("SELECT key, value FROM meta").fetchall())
        # A clock that was set back must not make a boot sort before the one it follows.
        after = int(known.get("boot", "0").partition("-")[0], 16) + 1
        self.boot = f"{max(after, int(time.time())):08x}-{secrets.token_hex(3)}"
        self._remember("boot", self.boot, strict=True)
        self.archives.load(
            db.execute("SELECT archive, heard_us FROM archives").fetchall(),
            db.execute("SELECT archive, boot, number FROM marks").fetchall(),
        )
        sql = "SELECT count(*), coalesce(sum(length(payload)), 0), coalesce(max(id), 0) FROM events"
        [(self.count, self.bytes, self._last_id)] = db.execute(sql).fetchall()
        self.bytes += self.count * ROW_BYTES

    def _remember(self, key: str, value: str, *, strict: bool = False) -> None:
        if self._db is None:
            return
        try:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
        except sqlite3.Error:
            if strict:
                raise

    def _commit(self, rows: Sequence[Row]) -> bool:
        if self._db is None:
            return False
        if self.failing and time.monotonic() < self._retry_at:
            return False
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._db.executemany("DELETE FROM events WHERE id = ?", ((id_,) for id_ in self._gone))
            if self.archives.changed:
                self._write_archives(self._db)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._failed(error)
            return False
        self._gone.clear()
        self.archives.changed = False
        self._memory.clear()
        self._memory_bytes = 0
        if self.failing:
            log.warning("outbox %s: written again", self._path)
            self.failing = False
        return True

    def _write_archives(self, db: sqlite3.Connection) -> None:
        known = self.archives
        db.execute("DELETE FROM archives")
        db.executemany("INSERT INTO archives VALUES (?, ?)", ((one.name, one.heard_us) for one in known))
        db.execute("DELETE FROM marks")
        marks = [(one.name, *mark) for one in known for mark in one.marks.items()]
        db.executemany("INSERT INTO marks VALUES (?, ?, ?)", marks)

    def _failed(self, error: sqlite3.Error) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        if not self.failing:
            log.error("outbox %s: %s; new events wait in memory until it can be written", self._path, error)
        self.failing = True

    def _select(self, after: int, through: int, limit: int) -> list[Row]:
        columns = ", ".join(Row._fields)
        sql = f"SELECT {columns} FROM events WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"  # noqa: S608 - names of ours
        return [Row(*row) for row in self._query(sql, after, through, limit)]

    def _query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        if self._db is None:
            return []
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            self._failed(error)
            return []


def _excess(rows: Iterable[Row], held: int, allowed: int) -> list[Row]:
    """The first of `rows`, until enough bytes are left."""
    excess = []
    for row in rows:
        if held <= allowed * SHRINK:
            break
        excess.append(row)
        held -= row.bytes
    return excess
