"""The tables of the history, and the migration of a history of an older version."""

from __future__ import annotations

import logging
import secrets
import sqlite3

from shared.errors import MessageError
from shared.wire.messages import Event, decode, encode, now_us
from viewer_server.quotas import Quotas
from viewer_server.stored import handover, pauses
from viewer_server.stored.nodes.ledger import EVENT_BYTES
from viewer_server.stored.nodes.places import Places
from viewer_server.stored.nodes.times import EARLIEST_US, HOUR_US, MINUTE_US, corrected
from viewer_server.stored.rollup import Rollup

log = logging.getLogger("darner.history")

VERSION = 3
SCHEMA = (
    """
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
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nodes (
    node TEXT PRIMARY KEY, events INTEGER NOT NULL, bytes INTEGER NOT NULL, sums INTEGER NOT NULL,
    heard_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gone (place INTEGER PRIMARY KEY, heir INTEGER NOT NULL);
"""
    + handover.SCHEMA
    + ";"
    + pauses.SCHEMA
)


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring a history of an older version up to date.

    Version 1 had events and marks, and no sums. Version 2 believed every time that a node said, and did not
    know how much each node has.

    Args:
        db: Inside a transaction.
        version: The file's.
    """
    if version == 1:
        for column in ("occurred_us", "place", "session", "flow", "dwell_ms"):
            db.execute(f"ALTER TABLE events ADD COLUMN {column} INTEGER")
        db.execute("ALTER TABLE events ADD COLUMN label TEXT")
    for statement in SCHEMA.split(";"):
        db.execute(statement)
    wall_us = now_us()
    # A viewer whose own clock was never set cannot tell what is to come.
    latest_us = wall_us + 24 * HOUR_US if wall_us >= EARLIEST_US else 2**53
    if version == 1:
        [(count,)] = db.execute("SELECT count(*) FROM events").fetchall()
        log.warning("%d stored events are counted once for the new version (100,000 take about 15 s)", count)
        wrong = "1"
    else:
        db.execute("DELETE FROM flow WHERE minute > ?", (latest_us // MINUTE_US,))
        db.execute("DELETE FROM stays WHERE hour > ?", (latest_us // HOUR_US,))
        sql = "UPDATE sessions SET last_us = min(last_us, ?), first_us = min(first_us, ?)"
        db.execute(sql, (latest_us, latest_us))
        wrong = f"occurred_us > {latest_us}"
    rollup = Rollup(db, Places(db, Quotas()))
    last_id = 0
    while rows := db.execute(
        f"SELECT id, stored_us, payload FROM events WHERE id > ? AND {wrong} ORDER BY id LIMIT 5000",  # noqa: S608 - ours
        (last_id,),
    ).fetchall():
        for last_id, stored_us, payload in rows:
            _count_again(db, rollup, (last_id, min(stored_us, wall_us), payload))
    rollup.flush()
    _count_nodes(db, wall_us)


def _count_again(db: sqlite3.Connection, rollup: Rollup, row: tuple[int, int, bytes]) -> None:
    """Count an event with a time that can be right, given by id, time of arrival and payload."""
    number, stored_us, payload = row
    try:
        event = corrected(decode(Event, payload), stored_us)
    except MessageError:  # of another version of Darner: kept, but not counted
        return
    db.execute(
        """UPDATE events SET payload = ?, occurred_us = ?, place = ?, session = ?, label = ?, flow = ?,
           dwell_ms = ? WHERE id = ?""",
        (encode(event), *rollup.add(event), number),
    )


def _count_nodes(db: sqlite3.Connection, wall_us: int) -> None:
    """Open the accounts of all nodes."""
    db.execute(
        """INSERT OR REPLACE INTO nodes SELECT node, count(*), sum(length(payload)) + ? * count(*), 0, ?
           FROM events GROUP BY node""",
        (EVENT_BYTES, wall_us),
    )
    for table in ("flow", "stays"):
        sql = f"SELECT node, count(*) FROM {table} JOIN places ON id = place GROUP BY node"  # noqa: S608 - ours
        db.executemany(
            "UPDATE nodes SET sums = sums + ? WHERE node = ?",
            [(count, node) for node, count in db.execute(sql).fetchall()],
        )


def identify(db: sqlite3.Connection) -> str:
    """The archive's name, made when the file is new."""
    db.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    db.execute("INSERT OR IGNORE INTO meta VALUES ('archive', ?)", (f"viewer-{secrets.token_hex(6)}",))
    [(name,)] = db.execute("SELECT value FROM meta WHERE key = 'archive'").fetchall()
    return str(name)
