"""Counts, occupancy and stays over time, from the sums that `rollup.py` writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from viewer_server.stored.cells import CELLS_AT_ONCE, Inside, Steps, read_events, read_minutes
from viewer_server.stored.nodes.times import HOUR_US, MINUTE_US
from viewer_server.stored.pauses import Pause, read_pauses, within
from viewer_server.stored.reading import Reader
from viewer_server.stored.rollup import EXITED, LOST, bin_begins_s, bin_of

FINE_US = 10_000_000
FINE_UP_TO_US = 2 * HOUR_US
"""Ranges up to this long are read from the events themselves, in cells of 10 s instead of a minute."""
MAX_POINTS = 1000
MAX_PAUSES = 500
STEPS_S = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


class Place(NamedTuple):
    """A zone or line of a camera, in the database."""

    id: int
    node: str
    camera: str
    zone: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class SeriesPause:
    """A span of time within a series.

    Attributes:
        reason: "schedule", or what was wrong with the camera's picture.
    """

    from_us: int
    to_us: int
    reason: str


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
        paused_s: Seconds of each step in which it counted nothing, off schedule or for the camera's problem.
        pauses: When that was; of more than 500 spans the last 500.
        problems: When the camera's picture could not be trusted, whether it counted or not; as many.
    """

    start_us: list[int]
    step_s: int
    entered: list[int]
    exited: list[int]
    lost: list[int]
    occupancy_mean: list[float | None]
    occupancy_peak: list[float | None]
    cell_s: int
    paused_s: list[float]
    pauses: list[SeriesPause]
    problems: list[SeriesPause]


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


def places(db: Reader) -> list[Place]:
    """Every zone and line with stored events."""
    rows = db.execute("SELECT id, node, camera, zone, kind FROM places WHERE zone != '' ORDER BY 2, 3, 4")
    return [Place(*row) for row in rows]


def find(db: Reader, node: str, camera: str, zone: str) -> Place | None:
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
    db: Reader, place: Place | None, from_us: int, to_us: int, step_s: int, zero_us: int = 0
) -> Series:
    """One zone's or line's numbers over a range.

    Args:
        db: To read from.
        place: None for a zone without stored events.
        from_us: Beginning of the range; rounded down to a whole step.
        to_us: End of the range; rounded up.
        step_s: A multiple of 10, and of 60 where it or the range is longer than two hours.
        zero_us: A moment at which a step begins, such as local midnight for steps of hours and days.
    """
    step_us = step_s * 1_000_000
    start_us = from_us - (from_us - zero_us) % step_us
    steps = -(-(to_us - start_us) // step_us)
    short = steps * step_us <= FINE_UP_TO_US + 2 * min(step_us, FINE_UP_TO_US)
    fine = short and _events_reach(db, place, start_us)
    cell_us = FINE_US if fine or step_us % MINUTE_US else MINUTE_US
    sums = Steps(steps, step_us // cell_us)
    end_us = start_us + steps * step_us
    pauses = [] if place is None else read_pauses(db, place.id, start_us, end_us)
    if place is not None:
        inside = Inside(db, place.id, place.node, pauses)
        read = read_minutes if cell_us == MINUTE_US else read_events
        count = steps * step_us // cell_us
        for first in range(0, count, CELLS_AT_ONCE):
            cells = min(CELLS_AT_ONCE, count - first)
            begin = start_us + first * cell_us
            rows = read(db, place.id, begin, begin + cells * cell_us, cell_us)
            sums.count(first, rows)
            if place.kind != "line":
                sums.occupy(first, *inside.cells(rows, begin, cells, cell_us))
    return Series(
        start_us=(start_us + step_us * np.arange(steps)).tolist(),
        step_s=step_s,
        occupancy_mean=sums.mean(),
        occupancy_peak=sums.peak(),
        cell_s=cell_us // 1_000_000,
        paused_s=(within(pauses, start_us, steps, step_us) / 1e6).round(1).tolist(),
        pauses=_shown(pauses, start_us, end_us),
        problems=_shown(_of_camera(db, place, start_us, end_us), start_us, end_us),
        **{name: values.tolist() for name, values in sums.counts.items()},
    )


def stays(db: Reader, place: Place | None, from_us: int, to_us: int) -> StayLengths:
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


def _of_camera(db: Reader, place: Place | None, start_us: int, end_us: int) -> list[Pause]:
    """When the picture of a place's camera could not be trusted."""
    camera = None if place is None else find(db, place.node, place.camera, "")
    return [] if camera is None else read_pauses(db, camera.id, start_us, end_us)


def _shown(pauses: list[Pause], start_us: int, end_us: int) -> list[SeriesPause]:
    return [
        SeriesPause(from_us=max(one.from_us, start_us), to_us=min(one.to_us, end_us), reason=one.reason)
        for one in pauses[-MAX_PAUSES:]
    ]


def _quantile(counts: dict[int, int], rank: float) -> float:
    """The length that `rank` stays do not exceed: the geometric middle of its bin."""
    below = 0
    for index in sorted(counts):
        below += counts[index]
        if below >= rank:
            return round(bin_begins_s(index) * 2 ** (1 / 16), 2)
    raise AssertionError  # ranks are below the total


def _events_reach(db: Reader, place: Place | None, start_us: int) -> bool:
    """Whether all events of a place since a moment are there: a full file loses events before sums."""
    if place is None:
        return True
    [(oldest_us,)] = db.execute("SELECT min(occurred_us) FROM events WHERE place = ?", (place.id,)).fetchall()
    if oldest_us is not None and oldest_us <= start_us:
        return True
    sql = "SELECT 1 FROM flow WHERE place = ? AND minute >= ? AND minute < ? LIMIT 1"
    until = 2**53 if oldest_us is None else oldest_us // MINUTE_US
    return db.execute(sql, (place.id, start_us // MINUTE_US, until)).fetchone() is None
