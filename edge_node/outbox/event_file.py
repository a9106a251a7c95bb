"""The outbox's SQLite file: events, pictures of alerts, how far each archive is, and what goes with events.

These are the counters of the day, and which problems of cameras have begun and not ended. Whatever happens
to the node, they are as the events in the file say.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from edge_node.outbox import day_rows, pictures
from edge_node.outbox.archives import Archives
from edge_node.outbox.day_rows import DayRow
from edge_node.outbox.pictures import PictureRow, Pictures
from shared.storage.database import open_database

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
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS problems (
    camera TEXT NOT NULL, problem TEXT NOT NULL, started BLOB NOT NULL, PRIMARY KEY (camera, problem)
) WITHOUT ROWID
"""
VERSION = 1
ROW_BYTES = 100
"""Bytes that a row takes besides its payload."""
RETRY_S = 1.0


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
        """Bytes that the event takes."""
        return len(self.payload) + ROW_BYTES


_COLUMNS = ", ".join(Row._fields)


class EventFile:
    """The file. For one thread at a time; `with` opens and closes it.

    If the file cannot be written, writing is tried again every second. If it cannot be opened, it holds no
    events, and every commit fails.

    Args:
        path: The database file; None for no file.
        archives: Filled from the file on opening, and written with each commit.
        held: Pictures of alerts; the same is done with them.

    Attributes:
        boot: Identifies this opening of the file; sorts after the earlier boots in it.
        count: Events in the file when it was opened.
        bytes: Size of these events.
        last_id: The highest id of these events.
        days: Counters of the day that were in the file when it was opened.
        problems: The events of problems that had begun and not ended then.
        busy: Whether a thread waits for the disk now.
    """

    def __init__(self, path: Path | None, archives: Archives, held: Pictures) -> None:
        self._path = path
        self._archives, self._pictures = archives, held
        self._db: sqlite3.Connection | None = None
        self._failing = False
        self._retry_at = 0.0
        self.busy = False
        self.boot = ""
        self.count = self.bytes = self.last_id = 0
        self.days: list[DayRow] = []
        self.problems: list[bytes] = []

    def __enter__(self) -> EventFile:
        self.boot = f"{int(time.time()):08x}-{secrets.token_hex(3)}"
        if self._path is None:
            return self
        try:
            self._db = open_database(self._path, f"{SCHEMA};{day_rows.SCHEMA};{pictures.SCHEMA}", VERSION)
            self._begin(self._db)
        except (OSError, sqlite3.Error) as error:
            if self._db is not None:
                self._db.close()
            self._db = None
            log.warning(
                "outbox %s cannot be used (%s): events wait in memory, and are lost when the node stops; "
                "set outbox.path to a writable file that no other node uses",
                self._path,
                error,
            )
        return self

    def __exit__(self, *error: object) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    @property
    def writable(self) -> bool:
        """Whether the file is open, and the last write to it went well."""
        return self._db is not None and not self._failing

    def commit(
        self, rows: Sequence[Row], gone: Iterable[int], days: Iterable[DayRow] = (), *, at_once: bool = False
    ) -> bool:
        """Write events, pictures, archives and counters, and delete other events, in one transaction.

        After a failure, the events are tried without the pictures, which may be what there is no room for.

        Args:
            rows: The events to write.
            gone: Ids of the events to delete.
            days: The counters of the day that have changed.
            at_once: Try even if the last failure was less than a second ago.

        Returns:
            Whether it succeeded; if not, the file is as it was before.
        """
        if self._db is None or (self._failing and not at_once and time.monotonic() < self._retry_at):
            return False
        self.busy = True
        unwritten = [] if self._failing else self._pictures.unwritten()
        try:
            self._transact(self._db, rows, gone, days, unwritten)
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._failed(error)
            return False
        finally:
            self.busy = False
        self._archives.changed = False
        self._pictures.written(unwritten)
        if self._failing:
            log.warning("outbox %s: can be written again", self._path)
            self._failing = False
        return True

    def picture(self, key: str) -> bytes | None:
        """The picture under a key, JPEG; None if there is none, or the file cannot be read."""
        found = self._query("SELECT jpeg FROM alert_pictures WHERE key = ?", key)
        return bytes(found[0][0]) if found else None

    def holds(self, id_: int) -> bool:
        """Whether an event is in the file."""
        return bool(self._query("SELECT 1 FROM events WHERE id = ?", id_))

    def read(self, after: int, through: int, limit: int) -> list[Row]:
        """The oldest events with `after` < id <= `through`, at most `limit` of them."""
        sql = f"SELECT {_COLUMNS} FROM events WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"  # noqa: S608 - names of ours
        return [Row(*row) for row in self._query(sql, after, through, limit)]

    def read_boot(self, boot: str, through: int) -> list[Row]:
        """The events of a boot up to a number."""
        sql = f"SELECT {_COLUMNS} FROM events WHERE boot = ? AND number <= ?"  # noqa: S608 - names of ours
        return [Row(*row) for row in self._query(sql, boot, through)]

    def oldest(self, boot: str) -> int | None:
        """The lowest number of a boot's events; None if there are none, 1 if the file cannot be read."""
        found = self._query("SELECT min(number) FROM events WHERE boot = ?", boot)
        if self._db is not None and not found:
            return 1
        number: int | None = found[0][0] if found else None
        return number

    def boots(self) -> list[str]:
        """The boots of the events in the file, oldest first."""
        boots: list[str] = []
        after = ""
        # One step through the index for each boot: DISTINCT would read the whole index.
        while found := self._query("SELECT boot FROM events WHERE boot > ? ORDER BY boot LIMIT 1", after):
            [(after,)] = found
            boots.append(after)
        return boots

    def ids_beyond(self, boot: str, number: int, limit: int) -> list[int]:
        """Ids of a boot's events beyond a number, at most `limit` of them."""
        sql = "SELECT id FROM events WHERE boot = ? AND number > ? ORDER BY number LIMIT ?"
        return [id_ for (id_,) in self._query(sql, boot, number, limit)]

    def _begin(self, db: sqlite3.Connection) -> None:
        known = dict(db.execute("SELECT key, value FROM meta").fetchall())
        # A clock that was set back must not make a boot sort before the one it follows.
        after = int(known.get("boot", "0").partition("-")[0], 16) + 1
        self.boot = f"{max(after, int(time.time())):08x}-{secrets.token_hex(3)}"
        db.execute("INSERT OR REPLACE INTO meta VALUES ('boot', ?)", (self.boot,))
        self._archives.restore(
            db.execute("SELECT archive, heard_us FROM archives").fetchall(),
            db.execute("SELECT archive, boot, number FROM marks").fetchall(),
        )
        sql = "SELECT count(*), coalesce(sum(length(payload)), 0), coalesce(max(id), 0) FROM events"
        [(self.count, self.bytes, self.last_id)] = db.execute(sql).fetchall()
        self.bytes += self.count * ROW_BYTES
        self.days = day_rows.read(db)
        self.problems = [one for (one,) in db.execute("SELECT started FROM problems").fetchall()]
        self._pictures.load(pictures.read_index(db))

    def _transact(
        self,
        db: sqlite3.Connection,
        rows: Sequence[Row],
        gone: Iterable[int],
        days: Iterable[DayRow],
        unwritten: Iterable[PictureRow],
    ) -> None:
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)
        db.executemany("DELETE FROM events WHERE id = ?", ((id_,) for id_ in gone))
        for row in rows:
            if b'"type":"problem_' in row.payload:
                _note_problem(db, row)
        day_rows.write(db, days)
        pictures.write(db, unwritten, self._pictures.gone)
        if self._archives.changed:
            self._write_archives(db)
        db.execute("COMMIT")

    def _write_archives(self, db: sqlite3.Connection) -> None:
        known = self._archives
        db.execute("DELETE FROM archives")
        db.executemany("INSERT INTO archives VALUES (?, ?)", ((one.name, one.heard_us) for one in known))
        db.execute("DELETE FROM marks")
        marks = [(one.name, *mark) for one in known for mark in one.marks.items()]
        db.executemany("INSERT INTO marks VALUES (?, ?, ?)", marks)

    def _failed(self, error: sqlite3.Error) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        if not self._failing:
            log.error("outbox %s: %s; new events wait in memory until it can be written", self._path, error)
        self._failing = True

    def _query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        if self._db is None:
            return []
        self.busy = True
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            self._failed(error)
            return []
        finally:
            self.busy = False


def _note_problem(db: sqlite3.Connection, row: Row) -> None:
    """Keep the event of a problem that begins until the one comes that ends it."""
    event = orjson.loads(row.payload)
    key = row.camera, event.get("problem")
    if event["type"] == "problem_started":
        db.execute("INSERT OR REPLACE INTO problems VALUES (?, ?, ?)", (*key, row.payload))
    elif event["type"] == "problem_ended":
        db.execute("DELETE FROM problems WHERE camera = ? AND problem = ?", key)
