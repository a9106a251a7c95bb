"""The judge of counters of the day: they must be the events that the archive has, since they began."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from edge_node.days.book import BACK_US, MINUTE_US
from tests.faults.judges.account import Key

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


def day_problems(
    days: Mapping[tuple[str, str], Counted],
    history: Path,
    node: str,
    sent: Mapping[Key, Mapping[str, int]] | None = None,
) -> list[str]:
    """Say where counters of the day are not the events that an archive has of the same time.

    Args:
        days: The counters.
        history: The archive's file.
        node: The node.
        sent: Times of events as the node has sent them: an archive replaces those that cannot be right.
    """
    known = sent or {}
    with closing(sqlite3.connect(history)) as database:
        sql = "SELECT payload FROM events WHERE node = ? ORDER BY boot, number"
        stored = [orjson.loads(payload) for (payload,) in database.execute(sql, (node,))]
    events = [one | known.get(Key(one["boot"], one["number"]), {}) for one in stored]
    found: dict[tuple[str, str], dict[str, Counter[int]]] = {place: {} for place in days}
    for event in _of_this_day(events, days):
        label = found[event["camera"], event["zone"]].setdefault(event["label"], Counter())
        label[WAYS[event["type"], event["direction"]]] += 1
    problems = []
    for where, counted in sorted(days.items()):
        there = {label: (ways[0], ways[1]) for label, ways in found[where].items()}
        if there != counted.flows:
            what = f"counted {counted.flows} today, and the archive has {there}"
            problems.append(f"{'/'.join(where)} {what}")
    if not any(counted.flows for counted in days.values()):
        problems.append("no counter of the day has counted anything: nothing is shown by this run")
    return problems


def _of_this_day(
    events: Sequence[Mapping[str, Any]], days: Mapping[tuple[str, str], Counted]
) -> Iterator[Mapping[str, Any]]:
    """The events that counters of the day have counted since they began.

    A clock that is set back by hours makes counters begin at that moment, at no whole minute. What had
    happened before, while the clock was wrong, seems to be later and is not counted.
    """
    newest_us, set_back = dict[str, int](), dict[str, int]()
    for place, event in enumerate(events):
        camera, at_us = event["camera"], event["captured_us"]
        if at_us < newest_us.get(camera, 0) - BACK_US:
            set_back[camera] = place
        newest_us[camera] = at_us
    for place, event in enumerate(events):
        where = event["camera"], event["zone"]
        if where not in days or (event["type"], event["direction"]) not in WAYS:
            continue
        since_us = days[where].since_us
        was_before = since_us % MINUTE_US and place < set_back.get(event["camera"], 0)
        if event["occurred_us"] >= since_us and not was_before:
            yield event
