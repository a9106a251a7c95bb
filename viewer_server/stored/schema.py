"""The tables of the history, and the migration of a history of an older version."""

from __future__ import annotations

import logging
import sqlite3

from shared.errors import MessageError
from shared.wire.messages import Event, decode
from viewer_server.stored.rollup import Rollup

log = logging.getLogger("darner.history")

VERSION = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, boot TEXT NOT NULL, number INTEGER NOT NULL,
    stored_us INTEGER NOT NULL, type TEXT NOT NULL, payload BLOB NOT NULL,
    occurred_us INTEGER, place INTEGER, session INTEGER, label TEXT, flow INTEGER, dwell_ms INTEGER,
    UNIQUE (node, boot, number)
);
CREATE INDEX IF NOT EXISTS events_by_time ON events (occurred_us, id, type, label);
CREATE INDEX IF NOT EXISTS events_by_place ON events (place, occurred_us, id, type, label);
CREATE TABLE IF NOT EXISTS marks (
    node TEXT NOT NULL, boot TEXT NOT NULL, number INTEGER NOT NULL, updated_us INTEGER NOT NULL,
    PRIMARY KEY (node, boot)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, camera TEXT NOT NULL, zone TEXT NOT NULL,
    kind TEXT NOT NULL, UNIQUE (node, camera, zone)
);
CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, session TEXT NOT NULL,
    first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, UNIQUE (node, session)
);
CREATE TABLE IF NOT EXISTS flow (
    place INTEGER NOT NULL, minute INTEGER NOT NULL, session INTEGER NOT NULL,
    entered INTEGER NOT NULL, exited INTEGER NOT NULL, lost INTEGER NOT NULL, area_ms INTEGER NOT NULL,
    PRIMARY KEY (place, minute, session)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stays (
    place INTEGER NOT NULL, hour INTEGER NOT NULL, bin INTEGER NOT NULL, n INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, PRIMARY KEY (place, hour, bin)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS standings (
    place INTEGER NOT NULL, session INTEGER NOT NULL, offset INTEGER NOT NULL,
    PRIMARY KEY (place, session)
) WITHOUT ROWID
"""


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring a history of an older version up to date: version 1 had events and marks, and no sums.

    Args:
        db: Inside a transaction.
        version: The file's.
    """
    if version != 1:
        return
    [(count,)] = db.execute("SELECT count(*) FROM events").fetchall()
    log.warning(
        "%d stored events are counted once for the new version (100,000 take about 15 s)",
        count,
    )
    for column in ("occurred_us", "place", "session", "flow", "dwell_ms"):
        db.execute(f"ALTER TABLE events ADD COLUMN {column} INTEGER")
    db.execute("ALTER TABLE events ADD COLUMN label TEXT")
    for statement in SCHEMA.split(";"):
        db.execute(statement)
    rollup = Rollup(db)
    last_id = 0
    while rows := db.execute(
        "SELECT id, payload FROM events WHERE id > ? ORDER BY id LIMIT 5000", (last_id,)
    ).fetchall():
        for last_id, payload in rows:
            try:
                columns = rollup.add(decode(Event, payload))
            except MessageError:  # of another version of Darner: kept, but not counted
                continue
            db.execute(
                """UPDATE events SET occurred_us = ?, place = ?, session = ?, label = ?, flow = ?,
                   dwell_ms = ? WHERE id = ?""",
                (*columns, last_id),
            )
    rollup.flush()
