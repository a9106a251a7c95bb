"""What was promised, what came, and whether that is right: no processes, no network, no clock here."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import orjson

KILLED_COMMIT = 50
"""Events that a killed edge may have committed and not written down as promised: its last transaction."""


class Key(NamedTuple):
    """What an event is known by; sorts as events of a node happened."""

    boot: str
    number: int


class Stored(NamedTuple):
    """One event in the archive."""

    key: Key
    camera: str
    seq: int
    given_up: tuple[str, int, int] | None
    """Boot, first and last number that a gap event says will not come."""


class Arrival(NamedTuple):
    """One event as the subscriber got it."""

    key: Key
    historical: bool


@dataclass(frozen=True)
class Account:
    """The numbers of one run.

    Attributes:
        produced: Events promised: taken by the node's outbox, or in the archive although a killed node had
            no time to write the promise down.
        delivered: Of those, in the archive.
        lost: Of those, not in the archive.
        missed: Of those, never seen by the subscriber, who stores nothing and asks for nothing again.
        repeated: Messages that the subscriber got again and left out.
        problems: What is wrong, in words; empty when all is well.
    """

    produced: int
    delivered: int
    lost: int
    missed: int
    repeated: int
    problems: tuple[str, ...]


def read_promises(text: str) -> dict[Key, str]:
    """The camera of every event promised; a last line that a kill cut short is no promise."""
    rows = (line.split(" ") for line in text.split("\n")[:-1])
    return {Key(boot, int(number)): camera for boot, number, camera in rows}


def read_archive(path: Path, node: str) -> list[Stored]:
    """The node's events of the viewer's history, in the order in which they were stored."""
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
        stored.append(Stored(Key(boot, number), event["camera"], event["seq"], given_up))
    return stored


def judge(
    promised: Collection[Key],
    archive: Sequence[Stored],
    arrivals: Sequence[Arrival],
    *,
    kills: int = 0,
    may_miss: bool = False,
) -> Account:
    """Hold what came against what was promised.

    Args:
        promised: Every event the outbox has taken.
        archive: What the viewer has stored.
        arrivals: What the subscriber got, in that order, repetitions and all.
        kills: How often the edge was killed: each may hide the promise of a last transaction.
        may_miss: Whether the subscriber may have missed some: where the broker was killed, what it kept for
            him can be gone with it, and only an archive is asked what it lacks.
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
    """Of a boot, every number from 1 up must be there."""
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
    """By boot and number, a camera's events must follow its frames, which are numbered at their capture."""
    newest: dict[tuple[str, str], int] = {}
    problems = []
    for stored in sorted(archive):
        where = stored.key.boot, stored.camera
        if stored.given_up is None and stored.seq < newest.get(where, 0):
            problems.append(f"{stored.key} of frame {stored.seq} comes after one of frame {newest[where]}")
        newest[where] = max(newest.get(where, 0), stored.seq)
    return problems[:3]


def _live_disorder(arrivals: Iterable[Arrival]) -> list[str]:
    """What is not historical must come in order, whatever else comes between."""
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
