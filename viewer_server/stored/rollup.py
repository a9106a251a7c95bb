"""Sums over stored events, kept beside them so that 30 days are answered without reading every event.

Each event changes its own minute and hour, whenever it comes: late ones too, and each once, because the sums
are part of the transaction that stores it. Nothing here depends on the order in which events come.

How many are inside follows from entries and exits alone. For every minute the net change is kept, and the
area: each change times what was left of the minute. The mean over a minute is then what it began with, plus
area over length. What it began with is the sum of all changes of that run of the node before it, since a node
starts with empty zones. A viewer that missed a run's beginning (or events that a node gave up) learns the
difference from the numbers the node itself publishes: that is a standing's offset.

Stays are counted in bins of equal ratio (eight to an octave), so a quantile read from them is wrong by 4.5 %
at most: HDR histograms (Gil Tene) and DDSketch (Masson et al., VLDB 2019) use the same idea.
"""

from __future__ import annotations

import logging
import math
import sqlite3
from collections import deque
from dataclasses import dataclass, field

from shared.errors import MessageError
from shared.wire.messages import Event, ZoneState, decode

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
MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
ENTERED, EXITED, LOST = 1, 2, 3
SHORTEST_S = 0.1
BINS = 8 * 24
MAX_PLACES = 10_000
MAX_SESSIONS = 100_000
RECENT = 500
"""Changes remembered of each zone, to compare its published numbers with the same moment."""


def bin_of(dwell_s: float) -> int:
    """The bin of a stay."""
    return min(BINS - 1, max(0, math.floor(8 * math.log2(max(dwell_s, SHORTEST_S) / SHORTEST_S))))


def bin_begins_s(index: int) -> float:
    """Where a bin begins, seconds; the first one holds everything shorter, too."""
    return float(SHORTEST_S * 2 ** (index / 8))


@dataclass
class _Standing:
    """One zone in one run: what the events say, and what the node says."""

    net: int
    recent: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=RECENT))
    told: tuple[int, int] | None = None
    offset: int = 0

    def difference(self) -> int:
        """Inside by the node's numbers, less inside by the events up to the same frame."""
        if self.told is None:
            return self.offset
        captured_us, occupancy = self.told
        return occupancy - (self.net - sum(delta for at_us, delta in self.recent if at_us > captured_us))


class Rollup:
    """Writes the sums; for the thread that stores events, within its transactions.

    Args:
        db: Open, with `SCHEMA`.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.reset()

    def reset(self) -> None:
        """Forget what may have been taken back with a transaction."""
        self._places: dict[tuple[str, str, str], int] = {}
        self._sessions: dict[tuple[str, str], int] = {}
        self._spans: dict[int, tuple[int, int]] = {}
        self._standings: dict[tuple[int, int], _Standing] = {}

    @property
    def dirty(self) -> bool:
        """Whether `flush` has something to write."""
        return bool(self._spans)

    def add(self, event: Event) -> tuple[object, ...]:
        """Count an event that was not stored before.

        Returns:
            The columns occurred_us, place, session, label, flow and dwell_ms of its row.
        """
        kind = "line" if event.type == "line_crossed" else "zone" if event.zone else ""
        place = self._place(event.node, event.camera, event.zone or "", kind)
        session = self._session(event.node, event.session, event.occurred_us)
        flow = _flow(event)
        dwell_ms = None if event.dwell_s is None else round(event.dwell_s * 1000)
        if place is not None and session is not None and flow is not None:
            self._count(place, session, event, flow)
            if flow != ENTERED and dwell_ms is not None and kind == "zone":
                self._stay(place, event.occurred_us, event.dwell_s or 0.0, dwell_ms)
        return event.occurred_us, place, session, event.label, flow, dwell_ms

    def heard(self, node: str, session: str, at_us: int) -> None:
        """The node's run goes on."""
        self._session(node, session, at_us)

    def told(self, state: ZoneState) -> None:
        """The numbers that a node itself publishes."""
        session = self._session(state.node, state.session, state.captured_us)
        place = self._place(state.node, state.camera, state.zone, state.kind)
        if place is None or session is None or state.kind != "zone":
            return
        standing = self._standing(place, session)
        if standing.told is None and not standing.recent:
            # The first that this process hears: retained, perhaps from before events that are stored already.
            [(newest_us,)] = self._db.execute(
                "SELECT max(occurred_us) FROM events WHERE place = ?", (place,)
            ).fetchall()
            if newest_us is not None and newest_us > state.captured_us:
                return
        standing.told = state.captured_us, state.occupancy

    def flush(self) -> None:
        """Write how long runs lasted, and the offsets that changed."""
        self._db.executemany(
            "UPDATE sessions SET first_us = min(first_us, ?), last_us = max(last_us, ?) WHERE id = ?",
            ((first, last, session) for session, (first, last) in self._spans.items()),
        )
        self._spans.clear()
        for (place, session), standing in self._standings.items():
            if (offset := standing.difference()) != standing.offset:
                standing.offset = offset
                self._db.execute(
                    "INSERT OR REPLACE INTO standings VALUES (?, ?, ?)", (place, session, offset)
                )

    def forget(self, before_us: int) -> None:
        """Delete sums of times before this one."""
        places = [place for (place,) in self._db.execute("SELECT id FROM places").fetchall()]
        for table, column, length_us in (("flow", "minute", MINUTE_US), ("stays", "hour", HOUR_US)):
            self._db.executemany(
                f"DELETE FROM {table} WHERE place = ? AND {column} < ?",  # noqa: S608 - ours
                [(place, before_us // length_us) for place in places],
            )
        self._db.execute(
            "DELETE FROM standings WHERE session IN (SELECT id FROM sessions WHERE last_us < ?)", (before_us,)
        )
        self._db.execute("DELETE FROM sessions WHERE last_us < ?", (before_us,))
        self.reset()

    def _count(self, place: int, session: int, event: Event, flow: int) -> None:
        delta = 0 if event.type == "line_crossed" else 1 if flow == ENTERED else -1
        minute, into_us = divmod(event.occurred_us, MINUTE_US)
        self._db.execute(
            """INSERT INTO flow VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
               entered = entered + excluded.entered, exited = exited + excluded.exited,
               lost = lost + excluded.lost, area_ms = area_ms + excluded.area_ms""",
            (
                place, minute, session, flow == ENTERED, flow == EXITED, flow == LOST,
                delta * (MINUTE_US - into_us) // 1000,
            ),
        )  # fmt: skip
        if delta:
            standing = self._standing(place, session, counted=delta)
            standing.net += delta
            standing.recent.append((event.captured_us, delta))

    def _stay(self, place: int, occurred_us: int, dwell_s: float, dwell_ms: int) -> None:
        self._db.execute(
            """INSERT INTO stays VALUES (?, ?, ?, 1, ?) ON CONFLICT DO UPDATE SET
               n = n + 1, total_ms = total_ms + excluded.total_ms""",
            (place, occurred_us // HOUR_US, bin_of(dwell_s), dwell_ms),
        )

    def _standing(self, place: int, session: int, counted: int = 0) -> _Standing:
        """What is known of a zone in a run; `counted` is in the table already, and its caller adds it."""
        standing = self._standings.get((place, session))
        if standing is None:
            [(net,)] = self._db.execute(
                "SELECT coalesce(sum(entered - exited - lost), 0) FROM flow WHERE place = ? AND session = ?",
                (place, session),
            ).fetchall()
            offset = self._db.execute(
                "SELECT offset FROM standings WHERE place = ? AND session = ?", (place, session)
            ).fetchone()
            standing = _Standing(net - counted, offset=offset[0] if offset else 0)
            self._standings[place, session] = standing
        return standing

    def _place(self, node: str, camera: str, zone: str, kind: str) -> int | None:
        key = node, camera, zone
        if key not in self._places:
            sql = "SELECT id FROM places WHERE node = ? AND camera = ? AND zone = ?"
            found = self._db.execute(sql, key).fetchone()
            if found is None:
                if self._full("places", MAX_PLACES):
                    return None
                self._db.execute("INSERT INTO places VALUES (NULL, ?, ?, ?, ?)", (*key, kind))
                found = self._db.execute(sql, key).fetchone()
            self._places[key] = found[0]
        return self._places[key]

    def _session(self, node: str, session: str, at_us: int) -> int | None:
        key = node, session
        if key not in self._sessions:
            sql = "SELECT id FROM sessions WHERE node = ? AND session = ?"
            found = self._db.execute(sql, key).fetchone()
            if found is None:
                if self._full("sessions", MAX_SESSIONS):
                    return None
                self._db.execute("INSERT INTO sessions VALUES (NULL, ?, ?, ?, ?)", (*key, at_us, at_us))
                found = self._db.execute(sql, key).fetchone()
            self._sessions[key] = found[0]
        known = self._sessions[key]
        first, last = self._spans.get(known, (at_us, at_us))
        self._spans[known] = min(first, at_us), max(last, at_us)
        return known

    def _full(self, table: str, most: int) -> bool:
        [(count,)] = self._db.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608 - ours
        return bool(count >= most)


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring a history of an older version here: version 1 had events and marks, and no sums.

    Args:
        db: Inside a transaction.
        version: What it is.
    """
    if version != 1:
        return
    [(count,)] = db.execute("SELECT count(*) FROM events").fetchall()
    log.warning("%d stored events are counted once for the new version; 100,000 take some 15 s", count)
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
            except MessageError:  # of another version of Darner: it is kept, and counts for nothing
                continue
            db.execute(
                """UPDATE events SET occurred_us = ?, place = ?, session = ?, label = ?, flow = ?,
                   dwell_ms = ? WHERE id = ?""",
                (*columns, last_id),
            )
    rollup.flush()


def _flow(event: Event) -> int | None:
    match event.type:
        case "zone_entered":
            return ENTERED
        case "zone_exited":
            return EXITED
        case "zone_lost":
            return LOST
        case "line_crossed" if event.direction is not None:
            return ENTERED if event.direction == "in" else EXITED
    return None
