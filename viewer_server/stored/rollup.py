"""Sums over stored events, kept beside them: a query over 30 days need not read every event.

Each event changes the sums of its own minute and hour, however late it comes. It changes them once, because
the sums are part of the transaction that stores the event. The order of events does not matter.

How many objects are inside follows from entries and exits alone. For every minute the table has the net
change, and the area: each change times the rest of the minute. The mean over a minute is the number at its
beginning, plus area over length. The number at the beginning is the sum of all earlier changes of the
session, since a node starts with empty zones. A viewer may have missed the beginning of a session, or events
that a node gave up. It takes the difference from the numbers that the node publishes: that is a standing's
offset.

Stays are counted in bins of equal ratio (eight to an octave), so a quantile read from them is wrong by 4.5 %
at most: HDR histograms (Gil Tene) and DDSketch (Masson et al., VLDB 2019) use the same idea.
"""

from __future__ import annotations

import math
import sqlite3
from collections import deque
from dataclasses import dataclass, field

from shared.wire.messages import Event, ZoneState

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
ENTERED, EXITED, LOST = 1, 2, 3
SHORTEST_S = 0.1
BINS = 8 * 24
MAX_PLACES = 10_000
MAX_SESSIONS = 100_000
RECENT = 500
"""Changes remembered of each zone, to compare its published numbers with the events of the same moment."""


def bin_of(dwell_s: float) -> int:
    """The bin of a stay."""
    return min(BINS - 1, max(0, math.floor(8 * math.log2(max(dwell_s, SHORTEST_S) / SHORTEST_S))))


def bin_begins_s(index: int) -> float:
    """Where a bin begins, seconds; the first bin also holds everything shorter."""
    return float(SHORTEST_S * 2 ** (index / 8))


@dataclass
class _Standing:
    """How many are inside one zone in one session: by the events, and by the node.

    Attributes:
        net: Entries minus exits of all events.
        recent: The last changes: when the frame was captured, and by how much it changed `net`.
        told: Published numbers: when the frame was captured, and how many the node counted inside.
        offset: How many more the node counts inside than follow from the events.
    """

    net: int
    recent: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=RECENT))
    told: tuple[int, int] | None = None
    offset: int = 0

    def difference(self) -> int:
        """Inside by the node's numbers, minus inside by the events up to the same frame."""
        if self.told is None:
            return self.offset
        captured_us, occupancy = self.told
        return occupancy - (self.net - sum(delta for at_us, delta in self.recent if at_us > captured_us))


class Rollup:
    """Writes the sums, in the thread that stores events and within its transactions.

    Args:
        db: Open, with the tables of `schema.py`.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.reset()

    def reset(self) -> None:
        """Forget what is cached: a rolled back transaction may have removed it from the tables."""
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
        """Note that the node's session continues."""
        self._session(node, session, at_us)

    def told(self, state: ZoneState) -> None:
        """Note the numbers that a node publishes."""
        session = self._session(state.node, state.session, state.captured_us)
        place = self._place(state.node, state.camera, state.zone, state.kind)
        if place is None or session is None or state.kind != "zone":
            return
        standing = self._standing(place, session)
        if standing.told is None and not standing.recent:
            # The first numbers after a start are retained messages, and may be older than stored events.
            [(newest_us,)] = self._db.execute(
                "SELECT max(occurred_us) FROM events WHERE place = ?", (place,)
            ).fetchall()
            if newest_us is not None and newest_us > state.captured_us:
                return
        standing.told = state.captured_us, state.occupancy

    def flush(self) -> None:
        """Write how long sessions lasted, and the offsets that changed."""
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
        """Delete the sums of earlier times."""
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
        """The standing of a zone in a session.

        Args:
            place: The zone.
            session: The session.
            counted: A change that is in the table already, and that the caller will add to `net`.
        """
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
