"""The judge of counters of the day: they must be the events that the archive has, since they began."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import orjson

WAYS = {
    ("zone_entered", None): 0,
    ("zone_exited", None): 1,
    ("line_crossed", "in"): 0,
    ("line_crossed", "out"): 1,
}
"""By type and direction, where an event counts: as entered or as exited."""


class Counted(NamedTuple):
    """What a node's outbox keeps of one zone or line.

    Attributes:
        since_us: When it began at zero.
        flows: Entered and exited, by class.
    """

    since_us: int
    flows: Mapping[str, tuple[int, int]]


def read_days(outbox: Path) -> dict[tuple[str, str], Counted]:
    """The counters of the day in an outbox's file, by camera and zone or line."""
    with closing(sqlite3.connect(outbox)) as database:
        rows = database.execute("SELECT camera, place, since_us, flows FROM day_counters").fetchall()
    return {
        (camera, place): Counted(since_us, {label: tuple(flow) for label, flow in said.items()})
        for camera, place, since_us, flows in rows
        for said in [orjson.loads(flows)]
    }


def day_problems(days: Mapping[tuple[str, str], Counted], history: Path, node: str) -> list[str]:
    """Say where counters of the day are not the events that an archive has of the same time."""
    found: dict[tuple[str, str], dict[str, Counter[int]]] = {place: {} for place in days}
    with closing(sqlite3.connect(history)) as database:
        payloads = database.execute("SELECT payload FROM events WHERE node = ?", (node,)).fetchall()
    for (payload,) in payloads:
        event = orjson.loads(payload)
        place, way = (event["camera"], event["zone"]), WAYS.get((event["type"], event["direction"]))
        if way is not None and place in days and event["occurred_us"] >= days[place].since_us:
            found[place].setdefault(event["label"], Counter())[way] += 1
    problems = []
    for where, counted in sorted(days.items()):
        there = {label: (ways[0], ways[1]) for label, ways in found[where].items()}
        if there != counted.flows:
            what = f"counted {counted.flows} today, and the archive has {there}"
            problems.append(f"{'/'.join(where)} {what}")
    if not any(counted.flows for counted in days.values()):
        problems.append("no counter of the day has counted anything: nothing is shown by this run")
    return problems
