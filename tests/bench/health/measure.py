"""Has the detector of camera health judge scenes and faults, each in a process of its own."""

from __future__ import annotations

import copy
import functools
import math
import zlib
from pathlib import Path

import cv2
import msgspec
import numpy as np

from edge_node.health.camera import CameraHealth
from edge_node.pictures import U8
from tests.bench.health.faults import FAULTS, Fault
from tests.bench.health.inputs import film
from tests.bench.health.scenes import SCENES
from tests.edge_node.health.films import Film, judge

LEARNT_S = 20.0
"""Seconds for which a node has seen a view before something happens."""
_PATIENCE_S, _STEP_S = 10.0, 3.0  # how long a fault goes on after it ought to be known, and in which steps


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one scene or fault over one input.

    Attributes:
        name: Of the scene or fault.
        over: The input's file.
        hours: Film that was judged.
        alarms: What was said to be wrong, and when: seconds since it began.
        wrong_s: Seconds for which something was said to be wrong.
    """

    name: str
    over: str
    hours: float
    alarms: list[tuple[float, str]]
    wrong_s: float = 0.0


def _random(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _laid(name: str, seed: int, before: Film, *, first: bool) -> Film:
    """A scene or fault over a film; `first`: from the film's begin, instead of once it is known."""
    row = SCENES.get(name) or FAULTS[name]
    begin_s = 0.0 if first else LEARNT_S
    after = row.make(lambda t: before(t + begin_s), _random(name, seed))
    return lambda at_s: before(at_s) if at_s < begin_s else after(at_s - begin_s)


def scene(name: str, path: Path, seconds: float, seed: int) -> Judged:
    """Judge an ordinary scene."""
    cv2.setNumThreads(1)
    row = SCENES[name]
    begin_s = 0.0 if row.first else LEARNT_S
    course, health = judge(_laid(name, seed, film(path), first=row.first), begin_s + seconds, every=row.every)
    ends = sorted([*course.ended, *((begin_s + seconds, one.problem) for one in health.problems)])
    wrong_s = sum(at_s for at_s, _ in ends) - sum(at_s for at_s, _ in course.started)
    alarms = [(at_s - begin_s, problem) for at_s, problem in course.started]
    return Judged(name=name, over=path.name, hours=seconds / 3600, alarms=alarms, wrong_s=wrong_s)


@functools.cache
def _learnt(path: Path) -> CameraHealth:
    return judge(film(path), LEARNT_S)[1]


def fault(name: str, path: Path, seed: int) -> Judged:
    """Judge a fault: until it is known, and some seconds more; or until long after it must be."""
    cv2.setNumThreads(1)
    row = FAULTS[name]
    until_s = LEARNT_S + row.full_s + row.within_s + _PATIENCE_S
    what = _laid(name, seed, film(path), first=False)
    started: list[tuple[float, str]] = []
    if row.every:
        started = judge(what, until_s, every=True)[0].started
    health, now_s = copy.deepcopy(_learnt(path)), LEARNT_S + 0.6
    while not row.every and now_s < until_s:
        course, health = judge(what, now_s + _STEP_S, health, now_s)
        started += course.started
        now_s += _STEP_S
        if any(problem in row.problems for _, problem in started):
            until_s = min(until_s, now_s + _STEP_S)
    alarms = [(at_s - LEARNT_S, problem) for at_s, problem in started]
    return Judged(name=name, over=path.name, hours=(until_s - LEARNT_S) / 3600, alarms=alarms)


def after_s(row: Fault, judged: Judged) -> float | None:
    """Seconds from when a fault was there in full until it was known; None: it was not."""
    right = [at_s for at_s, problem in judged.alarms if problem in row.problems]
    return max(right[0] - row.full_s, 0.0) if right else None


def at_most(count: int, hours: float) -> float:
    """The rate an hour that is higher than the true one with a probability of 95 %, of chance events.

    The mean of a Poisson distribution that gives `count` or fewer in 5 of 100 cases; 3 / hours for none.
    """
    low, high = 0.0, 10.0 + 3.0 * count
    for _ in range(60):
        mean = (low + high) / 2
        below = sum(math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(count + 1))
        low, high = (mean, high) if below > 0.05 else (low, mean)
    return low / hours


def strip(name: str, path: Path, seed: int, times: list[float]) -> U8:
    """Pictures of a scene or fault side by side, for people to look at."""
    row = SCENES.get(name) or FAULTS[name]
    first = getattr(row, "first", False)
    what = _laid(name, seed, film(path), first=first)
    begin_s = 0.0 if first else LEARNT_S
    shown = [np.asarray(cv2.resize(what(begin_s + one), (320, 240)), np.uint8) for one in times]
    return np.concatenate(shown, axis=1)
