"""Counts, occupancy and stays over time, from the sums that `rollup.py` writes."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from viewer_server.stored.rollup import EXITED, HOUR_US, LOST, MINUTE_US, bin_begins_s, bin_of

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

FINE_US = 10_000_000
FINE_UP_TO_US = 2 * HOUR_US
"""Ranges up to this long are read from the events themselves, in cells of 10 s instead of a minute."""
MAX_POINTS = 1000
STEPS_S = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


class Place(NamedTuple):
    """A zone or line of a camera, in the database."""

    id: int
    node: str
    camera: str
    zone: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Series:
    """What happened at a zone or line, step by step.

    Attributes:
        start_us: When each step begins.
        step_s: Length of a step.
        entered: Entries in each step; for a line, crossings "in".
        exited: Exits in each step; for a line, crossings "out".
        lost: Stays that ended because the track was lost.
        occupancy_mean: Mean number inside; None where nothing is known, and for lines.
        occupancy_peak: Mean of the step's busiest cell.
        cell_s: Length of a cell: 10 or 60.
    """

    start_us: list[int]
    step_s: int
    entered: list[int]
    exited: list[int]
    lost: list[int]
    occupancy_mean: list[float | None]
    occupancy_peak: list[float | None]
    cell_s: int


@dataclass(frozen=True, kw_only=True)
class StayBin:
    """Stays of similar length."""

    from_s: float
    to_s: float
    count: int


@dataclass(frozen=True, kw_only=True)
class StayLengths:
    """How long stays were that ended in a range.

    Attributes:
        count: Number of stays.
        mean_s: None without stays.
        p50_s: Median, from the bins: at most 4.5 % off.
        p90_s: 90th percentile, from the bins too.
        bins: From the first bin with stays to the last.
    """

    count: int
    mean_s: float | None
    p50_s: float | None
    p90_s: float | None
    bins: list[StayBin]


def places(db: sqlite3.Connection) -> list[Place]:
    """Every zone and line with stored events."""
    rows = db.execute("SELECT id, node, camera, zone, kind FROM places WHERE zone != '' ORDER BY 2, 3, 4")
    return [Place(*row) for row in rows]


def find(db: sqlite3.Connection, node: str, camera: str, zone: str) -> Place | None:
    """A zone or line; None without stored events."""
    sql = "SELECT id, node, camera, zone, kind FROM places WHERE node = ? AND camera = ? AND zone = ?"
    row = db.execute(sql, (node, camera, zone)).fetchone()
    return Place(*row) if row else None


def step_for(from_us: int, to_us: int, points: int) -> int:
    """The shortest round step, seconds, that cuts a range into at most this many points."""
    span_s = (to_us - from_us) / 1e6
    least_s = 10 if to_us - from_us <= FINE_UP_TO_US else 60
    fitting = (step for step in STEPS_S if step >= least_s and span_s / step <= points)
    return next(fitting, STEPS_S[-1] * int(np.ceil(span_s / STEPS_S[-1] / points)))


def series(
    db: sqlite3.Connection, place: Place | None, from_us: int, to_us: int, step_s: int, zero_us: int = 0
) -> Series:
    """One zone's or line's numbers over a range.

    Args:
        db: To read from.
        place: None for a zone without stored events.
        from_us: Beginning of the range; rounded down to a whole step.
        to_us: End of the range; rounded up.
        step_s: A multiple of 10, and of 60 where the range is longer than two hours.
        zero_us: A moment at which a step begins, such as local midnight for steps of hours and days.
    """
    step_us = step_s * 1_000_000
    start_us = from_us - (from_us - zero_us) % step_us
    steps = -(-(to_us - start_us) // step_us)
    fine = steps * step_us <= FINE_UP_TO_US + 2 * step_us and _events_reach(db, start_us)
    cell_us = FINE_US if fine or step_us % MINUTE_US else MINUTE_US
    cells = _cells(db, place, start_us, start_us + steps * step_us, cell_us)
    shape = steps, step_us // cell_us
    counts = {name: cells[name].reshape(shape).sum(axis=1).tolist() for name in ("entered", "exited", "lost")}
    covered = cells["covered"].reshape(shape)
    mean, peak = _nothing(steps), _nothing(steps)
    if place is None or place.kind != "line":
        area = cells["area"].reshape(shape)
        known = covered > 0
        level = np.divide(area, covered, out=np.zeros(shape), where=known)
        whole = covered.sum(axis=1)
        means = np.divide(area.sum(axis=1), whole, out=np.zeros(steps), where=whole > 0)
        mean = [round(v, 3) if w else None for v, w in zip(means.tolist(), whole.tolist(), strict=True)]
        peaks = level.max(axis=1).tolist()
        peak = [round(v, 3) if w else None for v, w in zip(peaks, whole.tolist(), strict=True)]
    return Series(
        start_us=(start_us + step_us * np.arange(steps)).tolist(),
        step_s=step_s,
        occupancy_mean=mean,
        occupancy_peak=peak,
        cell_s=cell_us // 1_000_000,
        **counts,
    )


def stays(db: sqlite3.Connection, place: Place | None, from_us: int, to_us: int) -> StayLengths:
    """How long the stays were that ended in a range.

    Args:
        db: To read from.
        place: None for a zone without stored events.
        from_us: Beginning of the range.
        to_us: End of the range.
    """
    counts: dict[int, int] = {}
    total_ms = 0
    first, last = -(-from_us // HOUR_US), to_us // HOUR_US
    if place is not None:
        sums = """SELECT bin, sum(n), sum(total_ms) FROM stays
                  WHERE place = ? AND hour >= ? AND hour < ? GROUP BY bin"""
        for index, count, length_ms in db.execute(sums, (place.id, first, last)):
            counts[index] = count
            total_ms += length_ms
        # The rest of the range lies before the first whole hour and after the last one.
        edges = [(from_us, min(first * HOUR_US, to_us)), (max(last * HOUR_US, first * HOUR_US), to_us)]
        sql = """SELECT dwell_ms FROM events WHERE place = ? AND occurred_us >= ? AND occurred_us < ?
                 AND flow IN (?, ?) AND dwell_ms IS NOT NULL AND type != 'line_crossed'"""
        for begin, end in edges:
            for (dwell_ms,) in db.execute(sql, (place.id, begin, end, EXITED, LOST)):
                index = bin_of(dwell_ms / 1000)
                counts[index] = counts.get(index, 0) + 1
                total_ms += dwell_ms
    total = sum(counts.values())
    if not total:
        return StayLengths(count=0, mean_s=None, p50_s=None, p90_s=None, bins=[])
    return StayLengths(
        count=total,
        mean_s=round(total_ms / 1000 / total, 2),
        p50_s=_quantile(counts, 0.5 * total),
        p90_s=_quantile(counts, 0.9 * total),
        bins=[
            StayBin(
                from_s=round(bin_begins_s(index), 3) if index else 0.0,
                to_s=round(bin_begins_s(index + 1), 3),
                count=counts.get(index, 0),
            )
            for index in range(min(counts), max(counts) + 1)
        ],
    )


def _quantile(counts: dict[int, int], rank: float) -> float:
    """The length that `rank` stays do not exceed: the geometric middle of its bin."""
    below = 0
    for index in sorted(counts):
        below += counts[index]
        if below >= rank:
            return round(bin_begins_s(index) * 2 ** (1 / 16), 2)
    raise AssertionError  # ranks are below the total


def _events_reach(db: sqlite3.Connection, start_us: int) -> bool:
    """Whether all events since a moment are there: a full file loses events before it loses sums."""
    row = db.execute("SELECT id, occurred_us FROM events ORDER BY id LIMIT 1").fetchone()
    return row is None or row[0] == 1 or (row[1] or 0) <= start_us


def _nothing(steps: int) -> list[float | None]:
    return [None] * steps


def _cells(
    db: sqlite3.Connection, place: Place | None, start_us: int, end_us: int, cell_us: int
) -> dict[str, Any]:
    """For each cell: entered, exited, lost, area (objects times microseconds), and microseconds covered."""
    count = (end_us - start_us) // cell_us
    result: dict[str, Any] = {name: np.zeros(count, np.int64) for name in ("entered", "exited", "lost")}
    result |= {"area": np.zeros(count), "covered": np.zeros(count)}
    if place is None:
        return result
    read = _read_minutes if cell_us == MINUTE_US else _read_events
    rows = read(db, place, start_us, end_us, cell_us)
    cell, session, entered, exited, lost, area_us = rows
    for name, values in (("entered", entered), ("exited", exited), ("lost", lost)):
        np.add.at(result[name], cell, values)
    if place.kind == "line":
        return result
    sessions = """SELECT s.id, s.first_us, s.last_us, coalesce(st.offset, 0) FROM sessions s
                  LEFT JOIN standings st ON st.session = s.id AND st.place = ?
                  WHERE s.node = ? AND s.last_us > ? AND s.first_us < ?"""
    for known, first_us, last_us, offset in db.execute(sessions, (place.id, place.node, start_us, end_us)):
        mine = session == known
        net, area = np.zeros(count), np.zeros(count)
        np.add.at(net, cell[mine], (entered - exited - lost)[mine])
        np.add.at(area, cell[mine], area_us[mine])
        began = offset + _net_before(db, place, known, start_us)
        _occupy(result, net, area, began, (first_us - start_us, last_us - start_us), cell_us)
    return result


def _occupy(
    result: dict[str, Any], net: F64, area: F64, began: int, span: tuple[int, int], cell_us: int
) -> None:
    """Add one session: how many were inside from its first to its last message."""
    count = len(net)
    begins = np.arange(count, dtype=np.float64) * cell_us
    ends = np.clip(begins + cell_us, None, span[1])
    covered = np.clip(ends - np.maximum(begins, span[0]), 0, None)
    level = began + np.concatenate([[0.0], np.cumsum(net)[:-1]])
    # `area` reaches to the end of the cell; the part after the session's end is subtracted.
    inside = level * covered + area - net * (begins + cell_us - ends)
    result["area"] += np.where(covered > 0, np.maximum(inside, 0), 0)
    result["covered"] += covered


def _net_before(db: sqlite3.Connection, place: Place, session: int, start_us: int) -> int:
    """The change from the session's beginning to a moment."""
    minute = start_us // MINUTE_US
    [(net,)] = db.execute(
        """SELECT coalesce(sum(entered - exited - lost), 0) FROM flow
           WHERE place = ? AND session = ? AND minute < ?""",
        (place.id, session, minute),
    ).fetchall()
    [(rest,)] = db.execute(
        """SELECT coalesce(sum(CASE flow WHEN 1 THEN 1 ELSE -1 END), 0) FROM events
           WHERE place = ? AND session = ? AND occurred_us >= ? AND occurred_us < ? AND flow IS NOT NULL""",
        (place.id, session, minute * MINUTE_US, start_us),
    ).fetchall()
    return int(net + rest)


def _read_minutes(
    db: sqlite3.Connection, place: Place, start_us: int, end_us: int, cell_us: int
) -> tuple[I64, I64, I64, I64, I64, I64]:
    rows = db.execute(
        """SELECT minute, session, entered, exited, lost, area_ms FROM flow
           WHERE place = ? AND minute >= ? AND minute < ?""",
        (place.id, start_us // cell_us, end_us // cell_us),
    ).fetchall()
    table = np.array(rows, np.int64).reshape(-1, 6).T
    return table[0] - start_us // cell_us, table[1], table[2], table[3], table[4], table[5] * 1000


def _read_events(
    db: sqlite3.Connection, place: Place, start_us: int, end_us: int, cell_us: int
) -> tuple[I64, I64, I64, I64, I64, I64]:
    rows = db.execute(
        """SELECT occurred_us, session, flow FROM events
           WHERE place = ? AND occurred_us >= ? AND occurred_us < ? AND flow IS NOT NULL""",
        (place.id, start_us, end_us),
    ).fetchall()
    at_us, session, flow = np.array(rows, np.int64).reshape(-1, 3).T
    cell, into_us = np.divmod(at_us - start_us, cell_us)
    entered, exited, lost = ((flow == kind).astype(np.int64) for kind in (1, EXITED, LOST))
    return cell, session, entered, exited, lost, (entered - exited - lost) * (cell_us - into_us)
