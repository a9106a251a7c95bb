"""Counters of the day as the outbox's file keeps them, in the transaction of the events that they count."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

SCHEMA = """
CREATE TABLE IF NOT EXISTS day_counters (
    camera TEXT NOT NULL, place TEXT NOT NULL, kind TEXT NOT NULL, since_us INTEGER NOT NULL,
    latest_us INTEGER NOT NULL, flows BLOB NOT NULL, PRIMARY KEY (camera, place)
) WITHOUT ROWID
"""


class DayRow(NamedTuple):
    """What one zone or line has counted since its day began.

    Attributes:
        camera: Its camera.
        place: The zone or line.
        kind: Which definition it counts by.
        since_us: When the counters began at zero, microseconds UTC.
        latest_us: When the latest event occurred that was counted, microseconds UTC; 0: none.
        flows: JSON: entered and exited, by name of the class; empty: forget the zone or line.
    """

    camera: str
    place: str
    kind: str
    since_us: int
    latest_us: int
    flows: bytes

    @classmethod
    def forgotten(cls, camera: str, place: str) -> DayRow:
        """What makes the file forget a zone or line."""
        return cls(camera, place, "", 0, 0, b"")


def read(db: sqlite3.Connection) -> list[DayRow]:
    """All rows that are kept."""
    found = db.execute("SELECT camera, place, kind, since_us, latest_us, flows FROM day_counters")
    return [DayRow(*row) for row in found.fetchall()]


def write(db: sqlite3.Connection, rows: Iterable[DayRow]) -> None:
    """Put rows in the place of earlier ones, inside the transaction that is open."""
    for row in rows:
        if row.flows:
            db.execute("INSERT OR REPLACE INTO day_counters VALUES (?, ?, ?, ?, ?, ?)", row)
        else:
            db.execute("DELETE FROM day_counters WHERE camera = ? AND place = ?", row[:2])
