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
from dataclasses import dataclass, field

from shared.wire.messages import Event, ZoneState
from viewer_server.stored.nodes.ledger import Ledger
from viewer_server.stored.nodes.places import Places
from viewer_server.stored.nodes.times import HOUR_US, MINUTE_US
from viewer_server.stored.pauses import Pauses, Said

ENTERED, EXITED, LOST = 1, 2, 3
SHORTEST_S = 0.1
BINS = 8 * 24
LONGEST_S = 366 * 86_400.0
"""A stay that is said to be longer counts as this long: sums must stay whole numbers."""
RECENT = 500
"""Changes remembered of each zone, to compare its published numbers with the events of the same moment."""
MAX_SEEN = 20_000
"""Rows of sums that are remembered, to save a look whether they are there."""
MAX_STANDINGS = 50_000
"""Zones times sessions that are remembered between two looks at the table."""
OF_A_NODE = 10
"""With many nodes, so many rows and so many zones of each are remembered: five zones have a row a minute."""


def bin_of(dwell_s: float) -> int:
    """The bin of a stay."""
    length_s = min(max(dwell_s, SHORTEST_S), LONGEST_S)
    return min(BINS - 1, max(0, math.floor(8 * math.log2(length_s / SHORTEST_S))))


def bin_begins_s(index: int) -> float:
    """Where a bin begins, seconds; the first bin also holds everything shorter."""
    return float(SHORTEST_S * 2 ** (index / 8))


@dataclass(slots=True)
class _Standing:
    """How many are inside one zone in one session: by the events, and by the node.

    Attributes:
        net: Entries minus exits of all events.
        recent: The last changes: when the frame was captured, and by how much it changed `net`.
        told: Published numbers: when the frame was captured, and how many the node counted inside.
        offset: How many more the node counts inside than follow from the events.
    """

    net: int
    recent: list[tuple[int, int]] = field(default_factory=list)
    told: tuple[int, int] | None = None
    offset: int = 0

    def difference(self) -> int:
        """Inside by the node's numbers, minus inside by the events up to the same frame."""
        if self.told is None:
            return self.offset
        captured_us, occupancy = self.told
        del self.recent[:-RECENT]
        return occupancy - (self.net - sum(delta for at_us, delta in self.recent if at_us > captured_us))


class Rollup:
    """Writes the sums, in the thread that stores events and within its transactions.

    Args:
        db: Open, with the tables of `schema.py`.
        places: Numbers the zones, lines and sessions.
        ledger: Counts the rows of sums of each node; None while an old file is taken along.
        nodes: How many nodes there may be.
    """

    def __init__(
        self, db: sqlite3.Connection, places: Places, ledger: Ledger | None = None, nodes: int = 0
    ) -> None:
        self._db, self._places, self._ledger = db, places, ledger
        self._max_seen = max(MAX_SEEN, OF_A_NODE * nodes)
        self._max_standings = max(MAX_STANDINGS, OF_A_NODE * nodes)
        self._pauses = Pauses(db, ledger, self._max_standings)
        self.reset()

    def reset(self) -> None:
        """Forget what is cached: a rolled back transaction may have removed it from the tables."""
        self._places.reset()
        self._pauses.reset()
        self._standings: dict[tuple[int, int], _Standing] = {}
        self._changed: set[tuple[int, int]] = set()
        self._seen: set[tuple[int, ...]] = set()

    @property
    def dirty(self) -> bool:
        """Whether `flush` has something to write."""
        return bool(self._places.spans)

    def add(self, event: Event, since_us: int = 0) -> tuple[object, ...]:
        """Count an event that was not stored before.

        Args:
            event: Its times are believed.
            since_us: Earlier events are in no sums, because `forget` would delete these at once.

        Returns:
            The columns occurred_us, place, session, label, flow and dwell_ms of its row.
        """
        # An alert has the zone and direction of what caused it.
        kind = "line" if event.direction is not None else "zone" if event.zone else ""
        place = self._places.place(event.node, event.camera, event.zone or "", kind)
        session = self._places.session(event.node, event.session, event.occurred_us)
        if event.problem is not None and event.occurred_us >= since_us:
            if event.type == "problem_started":
                self._pauses.begin(event.node, place, session, event.problem, event.occurred_us)
            elif event.type == "problem_ended":
                self._pauses.end(place, session, event.problem, event.occurred_us)
        flow = _flow(event)
        dwell_s = None if event.dwell_s is None else min(event.dwell_s, LONGEST_S)
        dwell_ms = None if dwell_s is None else round(dwell_s * 1000)
        if flow is not None and event.occurred_us >= since_us:
            self._count(place, session, event, flow)
            if flow != ENTERED and dwell_s is not None and dwell_ms is not None and kind == "zone":
                self._stay(event.node, place, event.occurred_us, dwell_s, dwell_ms)
        return event.occurred_us, place, session, event.label, flow, dwell_ms

    def heard(self, node: str, session: str, at_us: int) -> None:
        """Note that the node's session continues."""
        self._places.session(node, session, at_us)

    def told(self, state: ZoneState, at_us: int) -> None:
        """Note the numbers that a node publishes, of a frame that was captured at a believed time."""
        session = self._places.session(state.node, state.session, at_us)
        place = self._places.place(state.node, state.camera, state.zone, state.kind)
        self._pauses.told(state.node, place, session, Said(state.paused, at_us, state.seq))
        # Zeros of a camera that gives no frames say nothing about who is inside.
        if state.kind != "zone" or not state.watched:
            return
        standing = self._standing(place, session)
        if standing.told is None and not standing.recent:
            # The first numbers after a start are retained messages, and may be older than stored events.
            [(newest_us,)] = self._db.execute(
                "SELECT max(occurred_us) FROM events WHERE place = ?", (place,)
            ).fetchall()
            if newest_us is not None and newest_us > at_us:
                return
        if standing.told is not None and at_us < standing.told[0]:
            return  # a standby broker still retained them
        standing.told = at_us, state.occupancy
        if standing.recent:  # earlier changes are in these numbers, and in all that follow
            standing.recent = [change for change in standing.recent if change[0] > at_us]
        self._changed.add((place, session))

    def flush(self) -> None:
        """Write how long sessions lasted, and the offsets that changed."""
        self._places.flush()
        for place, session in self._changed:
            standing = self._standings[place, session]
            if (offset := standing.difference()) != standing.offset:
                standing.offset = offset
                self._db.execute(
                    "INSERT OR REPLACE INTO standings VALUES (?, ?, ?)", (place, session, offset)
                )
        self._changed.clear()

    def _count(self, place: int, session: int, event: Event, flow: int) -> None:
        delta = 0 if event.type == "line_crossed" else 1 if flow == ENTERED else -1
        minute, into_us = divmod(event.occurred_us, MINUTE_US)
        counts = (
            flow == ENTERED, flow == EXITED, flow == LOST, delta * (MINUTE_US - into_us) // 1000,
            place, minute, session,
        )  # fmt: skip
        self._upsert(
            event.node,
            """UPDATE flow SET entered = entered + ?, exited = exited + ?, lost = lost + ?,
               area_ms = area_ms + ? WHERE place = ? AND minute = ? AND session = ?""",
            """INSERT OR IGNORE INTO flow (entered, exited, lost, area_ms, place, minute, session)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            counts,
        )
        if delta:
            standing = self._standing(place, session, counted=delta)
            standing.net += delta
            self._changed.add((place, session))
            standing.recent.append((event.captured_us, delta))
            if len(standing.recent) > 2 * RECENT:
                del standing.recent[:-RECENT]

    def _stay(self, node: str, place: int, occurred_us: int, dwell_s: float, dwell_ms: int) -> None:
        self._upsert(
            node,
            "UPDATE stays SET n = n + 1, total_ms = total_ms + ? WHERE place = ? AND hour = ? AND bin = ?",
            "INSERT OR IGNORE INTO stays (n, total_ms, place, hour, bin) VALUES (1, ?, ?, ?, ?)",
            (dwell_ms, place, occurred_us // HOUR_US, bin_of(dwell_s)),
        )

    def _upsert(self, node: str, update: str, insert: str, values: tuple[int, ...]) -> None:
        """Add to a row of sums. Not ON CONFLICT DO UPDATE, which does not tell whether the row is new."""
        key = values[-3:]
        if key in self._seen and self._db.execute(update, values).rowcount:
            return
        if len(self._seen) >= self._max_seen:
            self._seen.clear()
        self._seen.add(key)
        if self._db.execute(insert, values).rowcount == 0:
            self._db.execute(update, values)
        elif self._ledger is not None:
            self._ledger.change(node, sums=1)

    def _standing(self, place: int, session: int, counted: int = 0) -> _Standing:
        """The standing of a zone in a session.

        Args:
            place: The zone.
            session: The session.
            counted: A change that is in the table already, and that the caller will add to `net`.
        """
        standing = self._standings.get((place, session))
        if standing is None:
            if len(self._standings) >= self._max_standings:
                self.flush()
                self._standings.clear()
                self._changed.clear()
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
