"""The best picture of each track, shown beside events later; bounded by bytes and age.

What is too much goes from the node that has the most, as in the history.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from shared import limits
from shared.errors import MessageError
from shared.mqtt.received import Received
from shared.pictures import read_jpeg_header
from shared.storage.database import open_database
from shared.wire.messages import now_us
from shared.wire.picture_names import read_name
from viewer_server.config import HistorySettings
from viewer_server.quotas import Quotas
from viewer_server.stored.files import used_bytes

log = logging.getLogger("darner.snapshots")

VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS snapshots (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, camera TEXT NOT NULL, session TEXT NOT NULL,
    track INTEGER NOT NULL, stored_us INTEGER NOT NULL, jpeg BLOB NOT NULL,
    UNIQUE (node, camera, session, track)
);
CREATE INDEX IF NOT EXISTS by_track ON snapshots (node, camera, track, id)
"""
PRUNE_EVERY, PRUNE_BYTES = 64, 2_000_000
"""Pictures, and their bytes, that are added between two looks at the file's size."""
PRUNED_AT_ONCE = 256
BETWEEN_LOOKS = 16
"""Pictures deleted before the file is measured again."""
CACHE_KB = 256
"""KB of the file's pages kept in memory: few, because this connection never reads a picture again."""


class TrackKey(NamedTuple):
    """What identifies a track: its number alone does not, since it starts again with every session."""

    node: str
    camera: str
    session: str
    track: int


class SnapshotStore:
    """Stores pictures, in one thread; `with` opens and closes the file.

    A power cut may lose the last seconds' pictures: storing them safely is not worth waiting for the disk.

    Args:
        settings: Place and bounds.
        quotas: Told whose pictures gave way.
    """

    def __init__(self, settings: HistorySettings, quotas: Quotas | None = None) -> None:
        self._settings = settings
        self._quotas = quotas or Quotas()
        self._bytes: Counter[str] = Counter()
        self._db: sqlite3.Connection | None = None
        self._added = self._grown = 0
        self._failing = False

    def __enter__(self) -> SnapshotStore:
        path = self._settings.snapshots_file
        if path is None:
            return self
        try:
            # Needs no lock of its own: the history's lock keeps a second viewer away from both files.
            self._db = open_database(Path(path), SCHEMA, VERSION, exclusive=False)
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
            self._bytes = _sizes(self._db)
        except (OSError, sqlite3.Error) as error:
            self._db = None
            log.warning("snapshots are not kept: %s cannot be used (%s)", path, error)
        return self

    def __exit__(self, *error: object) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def add(self, ids: Mapping[str, str], received: Received, running: str = "") -> None:
        """Store the newest picture of a track.

        Args:
            ids: Node, camera and track, from its topic.
            received: The picture; its user properties or its comment name the session.
            running: The node's session now, for a picture that has neither. A node keeps no snapshots of an
                earlier one.

        Raises:
            MessageError: It does not name its track, is no JPEG, or is too large.
        """
        if self._db is None or not received.payload:
            return
        session, track = received.user_properties.get("session"), ids["track"]
        if session is None:
            name = read_name(received.payload)
            session = running if name is None else name.session
        if not 0 < len(session) <= 64 or not (track.isascii() and track.isdigit() and len(track) <= 15):
            raise MessageError("a snapshot without the user property `session`, or without a track number")
        header = read_jpeg_header(received.payload)
        too_large = header and max(header.width, header.height) > limits.SNAPSHOT_SIDE
        if header is None or too_large or len(received.payload) > limits.SNAPSHOT_BYTES:
            most = f"{limits.SNAPSHOT_SIDE} pixels a side and {limits.SNAPSHOT_BYTES} bytes"
            raise MessageError(f"not a JPEG of at most {most}")
        row = (ids["node"], ids["camera"], session, int(track), now_us(), received.payload)
        sql = "SELECT length(jpeg) FROM snapshots WHERE node = ? AND camera = ? AND session = ? AND track = ?"
        try:
            before = self._db.execute(sql, row[:4]).fetchone()
            self._bytes[ids["node"]] += len(received.payload) - (before[0] if before else 0)
            self._db.execute("INSERT OR REPLACE INTO snapshots VALUES (NULL, ?, ?, ?, ?, ?, ?)", row)
            self._added += 1
            self._grown += len(received.payload)
            if self._added % PRUNE_EVERY == 1 or self._grown > PRUNE_BYTES:
                self._grown = 0
                self._prune(self._db)
        except sqlite3.Error as error:
            if not self._failing:
                log.warning("snapshots: %s", error)
            self._failing = True
        else:
            self._failing = False

    def _prune(self, db: sqlite3.Connection) -> None:
        born_us = now_us() - int(self._settings.max_age_days * 86_400e6)
        sql = "SELECT id, node, length(jpeg), stored_us FROM snapshots ORDER BY id LIMIT ?"
        oldest = db.execute(sql, (PRUNED_AT_ONCE,)).fetchall()
        self._delete(db, [row[:3] for row in oldest if row[3] < born_us])
        sql = "SELECT id, node, length(jpeg) FROM snapshots WHERE node = ? ORDER BY id LIMIT ?"
        for _ in range(PRUNED_AT_ONCE // BETWEEN_LOOKS):
            if used_bytes(db) <= self._settings.snapshots_mb * 1e6:
                return
            [(node, _)] = self._bytes.most_common(1)
            rows = db.execute(sql, (node, BETWEEN_LOOKS)).fetchall()
            if not rows:  # the numbers are wrong, as after a failure
                self._bytes = _sizes(db)
                return
            self._delete(db, rows)
            self._quotas.hit(node, "snapshots", self._settings.snapshots_mb, len(rows))

    def _delete(self, db: sqlite3.Connection, rows: list[tuple[int, str, int]]) -> None:
        for number, node, size in rows:
            db.execute("DELETE FROM snapshots WHERE id = ?", (number,))
            self._bytes[node] -= size
            if self._bytes[node] <= 0:
                del self._bytes[node]


def _sizes(db: sqlite3.Connection) -> Counter[str]:
    """Bytes of each node's pictures."""
    return Counter(dict(db.execute("SELECT node, sum(length(jpeg)) FROM snapshots GROUP BY node")))


def picture(db: sqlite3.Connection, node: str, camera: str, track: int, session: str | None) -> bytes | None:
    """The stored picture of a track; without a session, of the last track with that number."""
    if session is None:
        sql = (
            "SELECT jpeg FROM snapshots WHERE node = ? AND camera = ? AND track = ? ORDER BY id DESC LIMIT 1"
        )
        row = db.execute(sql, (node, camera, track)).fetchone()
    else:
        sql = "SELECT jpeg FROM snapshots WHERE node = ? AND camera = ? AND session = ? AND track = ?"
        row = db.execute(sql, (node, camera, session, track)).fetchone()
    return bytes(row[0]) if row else None


def stored(db: sqlite3.Connection, tracks: Iterable[TrackKey]) -> set[TrackKey]:
    """The tracks that have a stored picture."""
    sql = "SELECT 1 FROM snapshots WHERE node = ? AND camera = ? AND session = ? AND track = ?"
    return {track for track in tracks if db.execute(sql, track).fetchone()}
