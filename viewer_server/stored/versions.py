"""Remembers definitions of zones, lines, masks and filters, so that an earlier version can be restored."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from shared.storage.database import open_database
from shared.wire.messages import Zones, as_before_names, now_us
from viewer_server.quotas import Quotas

log = logging.getLogger("darner.versions")

SCHEMA = """
CREATE TABLE IF NOT EXISTS versions (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, camera TEXT NOT NULL, version INTEGER NOT NULL,
    seen_us INTEGER NOT NULL, definitions BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS of_camera ON versions (node, camera)
"""
VERSION = 1
ADDED = ("masks", "filters")
"""What older nodes do not send, and older viewers did not keep."""
KEPT = 30
"""Maximum versions kept of each camera."""
MAX_BYTES = 50_000_000
"""Of all nodes' definitions together; beyond that, the node that has the most loses its oldest versions."""
OVERHEAD = 200
"""Bytes of a version beside its definitions."""


class Versions:
    """The versions that came as retained zones messages; `with` opens and closes the file.

    Any thread may call it.

    Args:
        path: The SQLite file; None keeps versions in memory.
        quotas: Told whose versions gave way.
    """

    def __init__(self, path: Path | None, quotas: Quotas | None = None) -> None:
        self._path = path
        self._quotas = quotas or Quotas()
        self._bytes: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def __enter__(self) -> Versions:
        if self._path is not None:
            try:
                self._db = open_database(self._path, SCHEMA, VERSION)
            except (OSError, sqlite3.Error) as error:
                log.warning(
                    "%s cannot be used (%s): versions of zones are kept in memory only",
                    self._path,
                    error,
                )
        if self._db is None:
            self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            self._db.executescript(SCHEMA)
        self._bytes = _sizes(self._db)
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def add(self, zones: Zones) -> None:
        """Remember a camera's definitions, unless they equal the last ones, or are known and older.

        A standby broker that was away still retains what was in force before.
        """
        kept = {name: getattr(zones, name) for name in ("zones", "lines", *ADDED)}
        # Older viewers kept neither: an empty one is left out, so that an upgrade makes no new version.
        kept = {name: value for name, value in kept.items() if value or name not in ADDED}
        kept |= {
            kind: as_before_names(kept[kind]) for kind in ("zones", "lines", "masks") if kind in kept
        }  # the same
        definitions = orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)
        key = zones.node, zones.camera
        with self._lock:
            if self._db is None or len(definitions) > MAX_BYTES // KEPT:
                return
            try:
                if not self._is_known(self._db, key, zones.version, definitions):
                    self._insert(self._db, (*key, zones.version, now_us(), definitions))
            except sqlite3.Error as error:  # a full disk costs earlier versions, not the page
                log.warning("this version of the zones of %s/%s is not kept: %s", *key, error)

    def of(self, node: str, camera: str) -> list[dict[str, Any]]:
        """The versions of a camera, newest first: `version`, `seen_us` and the definitions by their kind."""
        sql = """SELECT version, seen_us, definitions FROM versions
                 WHERE node = ? AND camera = ? ORDER BY id DESC LIMIT ?"""
        with self._lock:
            rows = [] if self._db is None else self._db.execute(sql, (node, camera, KEPT)).fetchall()
        return [
            {
                "version": version,
                "seen_us": seen_us,
                **{name: {} for name in ADDED},
                **orjson.loads(definitions),
            }
            for version, seen_us, definitions in rows
        ]

    def _is_known(
        self, db: sqlite3.Connection, key: tuple[str, str], version: int, definitions: bytes
    ) -> bool:
        newest = "SELECT definitions FROM versions WHERE node = ? AND camera = ? ORDER BY id DESC LIMIT 1"
        if db.execute(newest, key).fetchone() == (definitions,):
            return True
        older = """SELECT 1 FROM versions WHERE node = ? AND camera = ? AND version = ? AND definitions = ?
                   AND version < (SELECT max(version) FROM versions WHERE node = ? AND camera = ?)"""
        return db.execute(older, (*key, version, definitions, *key)).fetchone() is not None

    def _insert(self, db: sqlite3.Connection, row: tuple[str, str, int, int, bytes]) -> None:
        node, camera, _, _, definitions = row
        surplus = """SELECT id, node, length(definitions) FROM versions WHERE node = ? AND camera = ?
                     ORDER BY id DESC LIMIT -1 OFFSET ?"""
        oldest = "SELECT id, node, length(definitions) FROM versions WHERE node = ? ORDER BY id LIMIT 1"
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute("INSERT INTO versions VALUES (NULL, ?, ?, ?, ?, ?)", row)
            self._bytes[node] += len(definitions) + OVERHEAD
            self._delete(db, db.execute(surplus, (node, camera, KEPT)).fetchall())
            while self._bytes.total() > MAX_BYTES:
                [(largest, _)] = self._bytes.most_common(1)
                self._delete(db, db.execute(oldest, (largest,)).fetchall())
                self._quotas.hit(largest, "versions", MAX_BYTES // 1_000_000)
            db.execute("COMMIT")
        except sqlite3.Error:
            db.execute("ROLLBACK")
            self._bytes = _sizes(db)
            raise

    def _delete(self, db: sqlite3.Connection, rows: list[tuple[int, str, int]]) -> None:
        for number, node, size in rows:
            db.execute("DELETE FROM versions WHERE id = ?", (number,))
            self._bytes[node] -= size + OVERHEAD


def _sizes(db: sqlite3.Connection) -> Counter[str]:
    """Bytes of each node's versions."""
    sql = "SELECT node, sum(length(definitions) + ?) FROM versions GROUP BY node"
    return Counter(dict(db.execute(sql, (OVERHEAD,))))
