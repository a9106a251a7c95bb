"""Pictures of alerts: each is kept and sent with its alert, until the alert is safe elsewhere."""

from __future__ import annotations

import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

log = logging.getLogger("darner.outbox")

SCHEMA = """
CREATE TABLE IF NOT EXISTS alert_pictures (
    key TEXT PRIMARY KEY, last_id INTEGER NOT NULL, jpeg BLOB NOT NULL
)
"""
MOST_BYTES = 64_000_000
"""Of all pictures that are kept; with more, the oldest are given up, and their alerts go without."""
SHARE = 0.25
"""The same as a share of `outbox.max_mb`, of which they take nothing away."""
MEMORY_BYTES = 4_000_000
"""Of those that the disk does not have yet, because it is full or broken."""

Jpeg = bytes | Callable[[], bytes | None] | None
"""A picture, or what makes it when it is needed; None: none, or that of an earlier alert."""


class PictureRow(NamedTuple):
    """What the disk is to have of a picture.

    Attributes:
        key: See `key_of`.
        last_id: The newest alert that names it.
        jpeg: The picture; None: the disk has it already.
    """

    key: str
    last_id: int
    jpeg: bytes | None


class _Held(NamedTuple):
    last_id: int
    size: int
    jpeg: bytes | None  # None: on the disk alone


def key_of(session: str, path: str) -> str:
    """What tells a picture from others: tracks and frames of another session have the same topics."""
    return f"{session} {path}"


class Pictures:
    """Which pictures are held, by session and topic. For one thread at a time.

    Args:
        max_bytes: Bytes of the events that the outbox may hold.

    Attributes:
        dropped: Pictures that were given up since the start.
        gone: Keys whose pictures stay on the disk until the next write.
    """

    def __init__(self, max_bytes: int) -> None:
        self._most = min(MOST_BYTES, int(SHARE * max_bytes))
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._by_alert: dict[int, str] = {}  # the newest alert of each
        self._bytes = self._unwritten = 0
        self._renamed: set[str] = set()  # written ones that another alert names now
        self.dropped = 0
        self.gone: set[str] = set()

    def load(self, rows: Iterable[tuple[str, int, int]]) -> None:
        """Begin with the pictures on the disk: key, newest alert and bytes, oldest first."""
        for key, last_id, size in rows:
            self._put(key, _Held(last_id, size, None))

    def add(self, key: str, id_: int, jpeg: bytes | None) -> None:
        """Note that an alert names a picture; without a JPEG, it is the one under this key that is held."""
        if jpeg is not None:
            self._put(key, _Held(id_, len(jpeg), jpeg))
            self._make_room()
        elif (held := self._held.get(key)) is not None:
            self._put(key, held._replace(last_id=id_))
            if held.jpeg is None:
                self._renamed.add(key)

    def alert_gone(self, id_: int) -> None:
        """Note that an event is held no longer; the picture of an alert goes with the last that names it."""
        key = self._by_alert.get(id_)
        if key is not None:
            self._drop(key)

    def unwritten(self) -> list[PictureRow]:
        """What the disk does not have yet."""
        if not (self._unwritten or self._renamed):
            return []
        return [
            PictureRow(key, one.last_id, one.jpeg)
            for key, one in self._held.items()
            if one.jpeg is not None or key in self._renamed
        ]

    def written(self, rows: Collection[PictureRow]) -> None:
        """Note that the disk has these, and no longer those that are gone."""
        for row in rows:
            held = self._held[row.key]
            self._held[row.key] = held._replace(jpeg=None)
            self._unwritten -= 0 if held.jpeg is None else held.size
            self._renamed.discard(row.key)
        self.gone.clear()

    def shrink(self) -> None:
        """Give up the oldest pictures in memory while the disk takes none."""
        while self._unwritten > MEMORY_BYTES:
            self._give_up(next(key for key, one in self._held.items() if one.jpeg is not None))

    def get(self, key: str, read: Callable[[str], bytes | None]) -> bytes | None:
        """The picture under a key; `read` gets it from the disk."""
        held = self._held.get(key)
        if held is None:
            return None
        return read(key) if held.jpeg is None else held.jpeg

    def _put(self, key: str, held: _Held) -> None:
        """Hold a picture as the newest."""
        if key in self._held:
            self._drop(key)
        self.gone.discard(key)
        self._held[key] = held
        self._by_alert[held.last_id] = key
        self._bytes += held.size
        self._unwritten += 0 if held.jpeg is None else held.size

    def _make_room(self) -> None:
        while self._bytes > self._most:
            self._give_up(next(iter(self._held)))

    def _give_up(self, key: str) -> None:
        if not self.dropped:
            log.warning(
                "outbox: no room for more pictures of alerts: the oldest alerts are sent without (said once)"
            )
        self.dropped += 1
        self._drop(key)

    def _drop(self, key: str) -> None:
        held = self._held.pop(key)
        del self._by_alert[held.last_id]
        self._bytes -= held.size
        self._unwritten -= 0 if held.jpeg is None else held.size
        self._renamed.discard(key)
        self.gone.add(key)


def write(db: sqlite3.Connection, rows: Iterable[PictureRow], gone: Iterable[str]) -> None:
    """Write pictures and delete others, inside the transaction that is open."""
    db.executemany("DELETE FROM alert_pictures WHERE key = ?", ((key,) for key in gone))
    for row in rows:
        if row.jpeg is None:
            db.execute("UPDATE alert_pictures SET last_id = ? WHERE key = ?", (row.last_id, row.key))
        else:
            db.execute("INSERT OR REPLACE INTO alert_pictures VALUES (?, ?, ?)", row)


def read_index(db: sqlite3.Connection) -> list[tuple[str, int, int]]:
    """Key, newest alert and bytes of each picture whose alert is held, oldest first."""
    db.execute("DELETE FROM alert_pictures WHERE last_id NOT IN (SELECT id FROM events)")
    sql = "SELECT key, last_id, length(jpeg) FROM alert_pictures ORDER BY last_id"
    return db.execute(sql).fetchall()
