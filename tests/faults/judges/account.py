"""The judge: compares the events promised with the events that came, without processes, network or clock."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import orjson

KILLED_COMMIT = 50
"""The most events in a killed edge's last transaction, which it may not have written down as promised."""


class Key(NamedTuple):
    """The key of an event; sorts in the order in which a node's events happened."""

    boot: str
    number: int


class Stored(NamedTuple):
    """One event in the archive."""

    key: Key
    camera: str
    seq: int | None
    """None: it is of a camera's problem, which is not found in the order of the analysis."""
    given_up: tuple[str, int, int] | None
    """Of a gap event: boot, first and last number of the events that will not come."""


class Arrival(NamedTuple):
    """One event that the subscriber got."""

    key: Key
    historical: bool


@dataclass(frozen=True)
class Account:
    """The numbers of one run.

    Attributes:
        produced: Events promised: the node's outbox took them, or they are in the archive although a killed
            node had no time to write the promise down.
        delivered: Promised events that are in the archive.
        lost: Promised events that are not.
        missed: Promised events that the subscriber never saw; it stores nothing and asks for nothing again.
        repeated: Events that the subscriber got again and left out.
        problems: What is wrong, in words; empty when all is well.
    """

    produced: int
    delivered: int
    lost: int
    missed: int
    repeated: int
    problems: tuple[str, ...]


def read_promises(text: str) -> dict[Key, str]:
    """The camera of every event promised. A last line that a kill cut short is no promise."""
    rows = (line.split(" ") for line in text.split("\n")[:-1])
    return {Key(boot, int(number)): camera for boot, number, camera in rows}


def read_archive(path: Path, node: str) -> list[Stored]:
    """The node's events in the viewer's history, in the order in which they were stored."""
    database = sqlite3.connect(path)
    try:
        sql = "SELECT boot, number, payload FROM events WHERE node = ? ORDER BY id"
        rows = database.execute(sql, (node,)).fetchall()
    finally:
        database.close()
    stored = []
    for boot, number, payload in rows:
        event = orjson.loads(payload)
        gap = event["gap"]
        given_up = gap and (gap["boot"], gap["first"], gap["last"])
        seq = None if event["type"].startswith("problem_") else event["seq"]
        stored.append(Stored(Key(boot, number), event["camera"], seq, given_up))
    return stored


def read_database(text: str) -> list[Stored]:
    """A node's events in PostgreSQL, as psql prints them: boot, number, camera, `seq`, a gap as JSON."""
    stored = []
    for line in text.splitlines():
        boot, number, camera, seq, gap = line.split("|", 4)
        said = orjson.loads(gap) if gap else None
        given_up = said and (said["boot"], said["first"], said["last"])
        stored.append(Stored(Key(boot, int(number)), camera, int(seq) if seq else None, given_up))
    return stored


def judge(
    promised: Collection[Key],
    archive: Sequence[Stored],
    arrivals: Sequence[Arrival],
    *,
    kills: int = 0,
    may_miss: bool = False,
) -> Account:
    """Compare the events that came with the events promised.

    Args:
        promised: Every event that the outbox has taken.
        archive: The events that the viewer has stored.
        arrivals: The events that the subscriber got, in the order of their arrival, repetitions included.
        kills: How often the edge was killed. Each kill may hide the promises of one transaction.
        may_miss: Whether the subscriber may have missed events. A killed broker loses what it kept for a
            subscriber, and only archives get again what they lack.
    """
    keys = [stored.key for stored in archive]
    known, promises = set(keys), set(promised)
    seen = {arrival.key for arrival in arrivals}
    surplus = known - promises
    lost = promises - known
    missed = (promises | surplus) - seen
    problems = []
    if not promises:
        problems.append("no event was produced: nothing is shown by this run")
    if lost:
        problems.append(f"{len(lost)} events lost, the first {min(lost)}")
    if len(keys) != len(known):
        problems.append(f"{len(keys) - len(known)} events stored twice")
    if len(surplus) > kills * KILLED_COMMIT:
        problems.append(f"{len(surplus)} events stored that nobody promised, the first {min(surplus)}")
    if seen - known:
        problems.append(f"{len(seen - known)} events seen and not stored, the first {min(seen - known)}")
    if missed and not may_miss:
        problems.append(f"{len(missed)} events never seen by the subscriber, the first {min(missed)}")
    problems += _holes(known) + _given_up(archive) + _disorder(archive) + _live_disorder(arrivals)
    return Account(
        produced=len(promises | surplus),
        delivered=len(known),
        lost=len(lost),
        missed=len(missed),
        repeated=len(arrivals) - len(seen),
        problems=tuple(problems),
    )


def _holes(known: Iterable[Key]) -> list[str]:
    """The numbers of each boot must count up from 1 without a hole."""
    problems = []
    for boot, keys in groupby(sorted(known), lambda key: key.boot):
        numbers = [key.number for key in keys]
        if numbers[0] != 1 or numbers[-1] != len(numbers):
            problems.append(f"boot {boot}: {len(numbers)} events numbered {numbers[0]} to {numbers[-1]}")
    return problems


def _given_up(archive: Iterable[Stored]) -> list[str]:
    gaps = [stored.given_up for stored in archive if stored.given_up]
    return [f"the node gave up events {first} to {last} of boot {boot}" for boot, first, last in gaps]


def _disorder(archive: Iterable[Stored]) -> list[str]:
    """In the order of boot and number, the frames of a camera's events must not go back."""
    newest: dict[tuple[str, str], int] = {}
    problems = []
    for stored in sorted(archive, key=lambda one: one.key):
        if stored.seq is None:
            continue
        where = stored.key.boot, stored.camera
        if stored.given_up is None and stored.seq < newest.get(where, 0):
            problems.append(f"{stored.key} of frame {stored.seq} comes after one of frame {newest[where]}")
        newest[where] = max(newest.get(where, 0), stored.seq)
    return problems[:3]


def _live_disorder(arrivals: Iterable[Arrival]) -> list[str]:
    """Events that are not historical must come in order, whatever comes between them."""
    newest = Key("", 0)
    seen: set[Key] = set()
    for key, historical in arrivals:
        if historical or key in seen:
            continue
        seen.add(key)
        if key < newest:
            return [f"{key} came live after {newest}"]
        newest = key
    return []
