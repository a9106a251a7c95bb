"""Entries, exits and occupancy in cells of a minute or of ten seconds, and what becomes of them in steps.

A long range is read one stretch of cells after the other, so that it takes time and no memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from viewer_server.stored.nodes.times import MINUTE_US
from viewer_server.stored.pauses import Pause, within
from viewer_server.stored.reading import Reader
from viewer_server.stored.rollup import EXITED, LOST

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

CELLS_AT_ONCE = 10_000
"""How many cells are in memory at the same time."""


NEARLY_ALL = 0.98
"""The share of a cell that must be paused for nothing to be known of it."""


class Rows(NamedTuple):
    """Sums of a place, one for each cell and session with any."""

    cell: I64
    session: I64
    entered: I64
    exited: I64
    lost: I64
    area_us: I64


class Steps:
    """Adds cells up to steps.

    Args:
        steps: How many there are.
        cells: How many cells a step has.
    """

    def __init__(self, steps: int, cells: int) -> None:
        self._cells = cells
        self.counts = {name: np.zeros(steps, np.int64) for name in ("entered", "exited", "lost")}
        self._area, self._covered, self._peak = np.zeros(steps), np.zeros(steps), np.zeros(steps)

    def count(self, first: int, rows: Rows) -> None:
        """Add entries, exits and lost stays of rows whose cells are counted from cell `first`."""
        step = (first + rows.cell) // self._cells
        for name, values in (("entered", rows.entered), ("exited", rows.exited), ("lost", rows.lost)):
            np.add.at(self.counts[name], step, values)

    def occupy(self, first: int, area: F64, covered: F64) -> None:
        """Add, cell by cell from cell `first`, objects times microseconds, and microseconds covered."""
        step = (first + np.arange(len(area))) // self._cells
        np.add.at(self._area, step, area)
        np.add.at(self._covered, step, covered)
        np.maximum.at(self._peak, step, np.divide(area, covered, out=np.zeros(len(area)), where=covered > 0))

    def mean(self) -> list[float | None]:
        """The mean number inside; None where nothing is known."""
        means = np.divide(self._area, self._covered, out=np.zeros(len(self._area)), where=self._covered > 0)
        return self._known(means)

    def peak(self) -> list[float | None]:
        """The mean of each step's busiest cell."""
        return self._known(self._peak)

    def _known(self, values: F64) -> list[float | None]:
        covered = (self._covered > 0).tolist()
        return [
            round(value, 3) if known else None for value, known in zip(values.tolist(), covered, strict=True)
        ]


class Inside:
    """How many are inside a zone, for one stretch of cells after the other.

    Args:
        db: To read from.
        place: The zone.
        node: The zone's node.
        pauses: When it counted nothing: nothing is known of these times.
    """

    def __init__(self, db: Reader, place: int, node: str, pauses: Sequence[Pause] = ()) -> None:
        self._db = db
        self._place = place
        self._node = node
        self._pauses: dict[int, list[Pause]] = {}
        for pause in pauses:
            self._pauses.setdefault(pause.session, []).append(pause)
        self._levels: dict[int, int] = {}

    def cells(self, rows: Rows, begin_us: int, count: int, cell_us: int) -> tuple[F64, F64]:
        """For each cell: area (objects times microseconds), and microseconds covered by sessions."""
        area, covered = np.zeros(count), np.zeros(count)
        end_us = begin_us + count * cell_us
        sessions = """SELECT s.id, s.first_us, s.last_us, coalesce(st.offset, 0) FROM sessions s
                      LEFT JOIN standings st ON st.session = s.id AND st.place = ?
                      WHERE s.node = ? AND s.last_us > ? AND s.first_us < ?"""
        order = np.argsort(rows.session, kind="stable")
        known = rows.session[order]
        for session, first_us, last_us, offset in self._db.execute(
            sessions, (self._place, self._node, begin_us, end_us)
        ):
            self._db.check()
            mine = order[slice(*np.searchsorted(known, (session, session + 1)))]
            level = self._levels.get(session)
            if level is None:
                level = offset + _net_before(self._db, self._place, session, begin_us)
            net = (rows.entered - rows.exited - rows.lost)[mine]
            self._levels[session] = level + int(net.sum())
            # Only the cells of this session: a node that restarts often has many.
            low = max(0, (first_us - begin_us) // cell_us)
            high = min(count, -(-(last_us - begin_us) // cell_us))
            if low >= high:
                continue
            part = slice(low, high)
            changes, into = np.zeros(high - low), np.zeros(high - low)
            shown = (rows.cell[mine] >= low) & (rows.cell[mine] < high)
            where = rows.cell[mine][shown] - low
            np.add.at(changes, where, net[shown])
            np.add.at(into, where, rows.area_us[mine][shown])
            found = _occupied(
                changes, into, level, low * cell_us, (first_us - begin_us, last_us - begin_us), cell_us
            )
            if session in self._pauses:
                begin = begin_us + low * cell_us
                found = _counted(*found, within(self._pauses[session], begin, high - low, cell_us))
            area[part] += found[0]
            covered[part] += found[1]
        return area, covered


def _occupied(
    net: F64, area: F64, level: int, from_us: int, span: tuple[int, int], cell_us: int
) -> tuple[F64, F64]:
    """Area and covered time of one session's cells, the first of which begins at `from_us`.

    Args:
        net: Change in each cell.
        area: Each change times the rest of its cell.
        level: How many were inside before.
        from_us: Beginning of the first cell.
        span: The session's first and last message.
        cell_us: Length of a cell.
    """
    begins = from_us + np.arange(len(net), dtype=np.float64) * cell_us
    ends = np.clip(begins + cell_us, None, span[1])
    covered = np.clip(ends - np.maximum(begins, span[0]), 0, None)
    before = level + np.concatenate([[0.0], np.cumsum(net)[:-1]])
    # `area` reaches to the end of the cell; the part after the session's end is subtracted.
    inside = before * covered + area - net * (begins + cell_us - ends)
    return np.where(covered > 0, np.maximum(inside, 0), 0), covered


def _counted(area: F64, covered: F64, paused: F64) -> tuple[F64, F64]:
    """Area and covered time of cells, without the time in which nothing was counted.

    A cell with next to no time left is left out: what is left of it is rounding.
    """
    left = covered - paused
    known = left > (1 - NEARLY_ALL) * covered
    return np.where(known, area, 0), np.where(known, left, 0)


def _net_before(db: Reader, place: int, session: int, start_us: int) -> int:
    """The change from the session's beginning to a moment."""
    minute = start_us // MINUTE_US
    [(net,)] = db.execute(
        """SELECT coalesce(sum(entered - exited - lost), 0) FROM flow
           WHERE place = ? AND session = ? AND minute < ?""",
        (place, session, minute),
    ).fetchall()
    [(rest,)] = db.execute(
        """SELECT coalesce(sum(CASE flow WHEN 1 THEN 1 ELSE -1 END), 0) FROM events
           WHERE place = ? AND session = ? AND occurred_us >= ? AND occurred_us < ? AND flow IS NOT NULL""",
        (place, session, minute * MINUTE_US, start_us),
    ).fetchall()
    return int(net + rest)


def read_minutes(db: Reader, place: int, start_us: int, end_us: int, cell_us: int) -> Rows:
    """Rows of cells of a minute, from the sums."""
    found = db.execute(
        """SELECT minute, session, entered, exited, lost, area_ms * 1000 FROM flow
           WHERE place = ? AND minute >= ? AND minute < ? AND session IS NOT NULL""",
        (place, start_us // cell_us, end_us // cell_us),
    ).fetchall()
    minute, *rest = np.array(found, np.int64).reshape(-1, 6).T
    return Rows(minute - start_us // cell_us, *rest)


def read_events(db: Reader, place: int, start_us: int, end_us: int, cell_us: int) -> Rows:
    """Rows of cells of any length, from the events."""
    found = db.execute(
        """SELECT (occurred_us - :start) / :cell AS nth, session,
                  sum(flow = 1), sum(flow = :exited), sum(flow = :lost),
                  sum(CASE flow WHEN 1 THEN 1 ELSE -1 END * (:cell - (occurred_us - :start) % :cell))
           FROM events
           WHERE place = :place AND occurred_us >= :start AND occurred_us < :end
                 AND flow IS NOT NULL AND session IS NOT NULL
           GROUP BY nth, session""",
        {
            "start": start_us,
            "end": end_us,
            "cell": cell_us,
            "place": place,
            "exited": EXITED,
            "lost": LOST,
        },
    ).fetchall()
    return Rows(*np.array(found, np.int64).reshape(-1, 6).T)
