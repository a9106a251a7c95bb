"""The judge of a camera's problems: each begins once and ends once."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import orjson


def read_problems(history: Path, node: str) -> dict[tuple[str, str], list[str]]:
    """The types of the events about each camera's problems, in order, by camera and problem."""
    with closing(sqlite3.connect(history)) as database:
        sql = "SELECT payload FROM events WHERE node = ? AND type LIKE 'problem%' ORDER BY boot, number"
        events = [orjson.loads(payload) for (payload,) in database.execute(sql, (node,))]
    found: dict[tuple[str, str], list[str]] = {}
    for event in events:
        found.setdefault((event["camera"], event["problem"]), []).append(event["type"])
    return found


def health_problems(told: Mapping[tuple[str, str], list[str]], covered: Mapping[str, int]) -> list[str]:
    """Say what is wrong with what was told of cameras; a low rate is what some faults make.

    Args:
        told: See `read_problems`.
        covered: How often each camera was covered; nothing else was wrong with its picture.
    """
    wanted = {(camera, "covered"): ["problem_started", "problem_ended"] * n for camera, n in covered.items()}
    found = []
    for camera, problem in sorted(told.keys() | wanted.keys()):
        came, due = told.get((camera, problem), []), wanted.get((camera, problem), [])
        if came != due and problem != "low_rate":
            found.append(f"camera {camera}, {problem}: told {came}, and not {due}")
    return found
