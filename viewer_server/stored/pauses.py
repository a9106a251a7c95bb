"""When zones and lines counted nothing, and when a camera's picture could not be trusted.

Both are spans with a reason: of a zone or line from the numbers that its node publishes, of a camera from its
events. A span without an end lasts as long as its session is heard. Spans count as sums of their node, so
they age and give way as these do. Events of an older version have no spans, and are shown as before.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared import limits
from viewer_server.stored.nodes.ledger import Ledger
from viewer_server.stored.reading import Reader

SCHEMA = """
CREATE TABLE IF NOT EXISTS pauses (
    place INTEGER NOT NULL, began_us INTEGER NOT NULL, session INTEGER NOT NULL, reason TEXT NOT NULL,
    ended_us INTEGER, PRIMARY KEY (place, began_us, session, reason)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pauses_open ON pauses (place, session, reason) WHERE ended_us IS NULL
"""
MAX_READ = 50_000
"""Spans of one place that are read for a chart; older ones are left out."""


class Pause(NamedTuple):
    """A span of time in which something was not counted or not trusted."""

    session: int
    from_us: int
    to_us: int
    reason: str


class Said(NamedTuple):
    """Why a zone or line counts nothing, as its numbers say.

    Attributes:
        reason: None: it counts.
        at_us: When their frame was captured.
        seq: The frame's number in its session; by default, one that no later frame has: nobody knows it.
    """

    reason: str | None
    at_us: int
    seq: int = limits.WHOLE


class Pauses:
    """Writes the spans, in the thread that stores events and within its transactions.

    Args:
        db: Open, with the tables of `SCHEMA`.
        ledger: Counts the rows of each node; None while an old file is taken along.
        known: Of how many zones times sessions the last word is remembered, to save a look at the table.
    """

    def __init__(self, db: sqlite3.Connection, ledger: Ledger | None, known: int) -> None:
        self._db, self._ledger, self._max_known = db, ledger, known
        self.reset()

    def reset(self) -> None:
        """Forget what is cached: a rolled back transaction may have removed it from the table."""
        self._now: dict[tuple[int, int], Said] = {}

    def told(self, node: str, place: int, session: int, said: Said) -> None:
        """Note why a zone or line counts nothing, if so, at the moment of a frame.

        Args:
            node: The place's node.
            place: Number of the zone or line.
            session: Number of the node's session.
            said: Why, and at which frame.
        """
        key = place, session
        known = self._now.get(key)
        if known is None:
            known = self._read(place, session)
            if len(self._now) >= self._max_known:
                self._now.clear()
            self._now[key] = known
        # A standby broker may still retain an earlier frame's; a later frame may have an earlier time, too.
        if known.reason == said.reason or (said.at_us < known.at_us and said.seq <= known.seq):
            return
        if known.reason is not None:
            self.end(place, session, known.reason, said.at_us)
        if said.reason is not None:
            self.begin(node, place, session, said.reason, said.at_us)
        self._now[key] = said

    def begin(self, node: str, place: int, session: int, reason: str, at_us: int) -> None:
        """Begin a span."""
        added = self._db.execute(
            "INSERT OR IGNORE INTO pauses VALUES (?, ?, ?, ?, NULL)", (place, at_us, session, reason)
        ).rowcount
        if added and self._ledger is not None:
            self._ledger.change(node, sums=1)

    def end(self, place: int, session: int, reason: str, at_us: int) -> None:
        """End the spans of this reason that have no end."""
        self._db.execute(
            """UPDATE pauses SET ended_us = max(began_us, ?)
               WHERE place = ? AND session = ? AND reason = ? AND ended_us IS NULL""",
            (at_us, place, session, reason),
        )

    def _read(self, place: int, session: int) -> Said:
        row = self._db.execute(
            "SELECT reason, began_us FROM pauses WHERE place = ? AND session = ? AND ended_us IS NULL",
            (place, session),
        ).fetchone()
        return Said(*row) if row else Said(None, 0)


def read_pauses(db: Reader, place: int, from_us: int, to_us: int) -> list[Pause]:
    """The spans of a place that reach into a range, earliest first, with their true ends."""
    found = db.execute(
        """SELECT p.session, p.began_us, coalesce(p.ended_us, s.last_us) AS ended, p.reason
           FROM pauses p JOIN sessions s ON s.id = p.session
           WHERE p.place = ? AND p.began_us < ? AND ended > ? ORDER BY p.began_us DESC LIMIT ?""",
        (place, to_us, from_us, MAX_READ),
    )
    return [Pause(*row) for row in reversed(found.fetchall())]


def within(pauses: list[Pause], from_us: int, count: int, cell_us: int) -> npt.NDArray[np.float64]:
    """How many microseconds of each cell lie in any of these spans.

    Args:
        pauses: Earliest first; they may overlap.
        from_us: Where the first cell begins.
        count: Number of cells.
        cell_us: Length of a cell.
    """
    spans: list[list[int]] = []
    for pause in pauses:
        if spans and pause.from_us <= spans[-1][1]:
            spans[-1][1] = max(spans[-1][1], pause.to_us)
        else:
            spans.append([pause.from_us, pause.to_us])
    if not spans:
        return np.zeros(count)
    edges = np.array(spans, np.float64) - from_us
    lengths = np.concatenate([[0.0], np.cumsum(edges[:, 1] - edges[:, 0])])
    # Time paused until each edge of a span; between the edges it grows evenly, or not at all.
    until = np.stack([lengths[:-1], lengths[1:]], axis=1).ravel()
    return np.diff(np.interp(np.arange(count + 1, dtype=np.float64) * cell_us, edges.ravel(), until))
