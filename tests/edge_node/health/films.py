"""Films of a camera for the tests of health, and how a camera judges them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from edge_node.frames import Frame
from edge_node.health.camera import SOON_S, CameraHealth
from edge_node.health.glance import glance
from edge_node.health.stillness import Repeats
from edge_node.pictures import U8
from shared.wire.messages import Problem
from tests.edge_node.health.made_up import noisy

RATE = 10.0
"""Frames a second."""

Film = Callable[[float], U8]
"""The picture at a time, seconds."""


def video(path: Path, most: int = 800) -> Film:
    """A video that is played again and again, forwards and backwards, so that nothing jumps."""
    reader = cv2.VideoCapture(str(path))
    frames: list[U8] = []
    while len(frames) < most:
        good, frame = reader.read()
        if not good:
            break
        frames.append(np.asarray(frame, np.uint8))
    there_and_back = 2 * len(frames) - 2

    def at(seconds: float) -> U8:
        index = round(seconds * RATE) % there_and_back
        return frames[min(index, there_and_back - index)]

    return at


def still(image: U8, walkers: Sequence[U8], seed: int) -> Film:
    """A photograph as a camera with noise would show it, and things that pass through it."""
    random = np.random.default_rng(seed)
    walked = passed_through(image, walkers, random)
    return lambda seconds: noisy(walked(seconds), 2, random)


def passed_through(image: U8, things: Sequence[U8], random: np.random.Generator) -> Film:
    """A photograph through which things pass, each on a row and at a speed of its own; without noise."""
    ways = random.random((len(things), 3))

    def at(seconds: float) -> U8:
        out: U8 = image.copy()
        height, width = image.shape[:2]
        for one, (row, phase, speed) in zip(things, ways, strict=True):
            x = int((phase + seconds * (0.02 + 0.06 * speed)) % 1.4 * width) - one.shape[1]
            y = int(row * (height - one.shape[0]))
            left, right = max(x, 0), min(x + one.shape[1], width)
            if right > left:
                out[y : y + one.shape[0], left:right] = one[:, left - x : right - x]
        return out

    return at


def photographs(folder: Path, count: int, seed: int) -> Iterator[tuple[str, Film]]:
    """Films of large photographs without people close by."""
    known = json.loads((folder / "instances.json").read_text())
    areas: dict[int, float] = {}
    for one in known["annotations"]:
        areas[one["image_id"]] = max(areas.get(one["image_id"], 0), one["area"])
    fitting = [one for one in known["images"] if areas.get(one["id"], 0) < 0.2 * one["width"] * one["height"]]
    random = np.random.default_rng(seed)
    for index in random.permutation(len(fitting))[:count].tolist():
        image, other = (_read(folder / "images" / fitting[one]["file_name"]) for one in (index, index - 1))
        image = np.asarray(cv2.resize(image, (768, 576), interpolation=cv2.INTER_CUBIC), np.uint8)
        walkers = [np.asarray(cv2.resize(other, (40 + 30 * n, 110 + 40 * n)), np.uint8) for n in range(3)]
        yield fitting[index]["file_name"], still(image, walkers, index)


def _read(path: Path) -> U8:
    return np.asarray(cv2.imread(str(path)), np.uint8)


def frozen(film: Film, at_s: float) -> Film:
    """A film that stands still from a time on."""
    last = film(at_s)
    return lambda seconds: film(seconds) if seconds < at_s else last


def repeating(film: Film, at_s: float, period_s: float) -> Film:
    """A film that repeats what it showed before a time."""
    shown: dict[int, U8] = {}

    def at(seconds: float) -> U8:
        place = round((seconds if seconds < at_s else at_s - period_s + (seconds - at_s) % period_s) * RATE)
        if place not in shown:
            shown[place] = film(place / RATE)
            shown.pop(place - 100, None)
        return shown[place]

    return at


@dataclass
class Course:
    """What happened while a film was judged: seconds, and the names of the problems."""

    started: list[tuple[float, str]] = field(default_factory=list)
    ended: list[tuple[float, str]] = field(default_factory=list)


def judge(
    film: Film,
    until_s: float,
    health: CameraHealth | None = None,
    from_s: float = 0.0,
    *,
    every: bool = False,
) -> tuple[Course, CameraHealth]:
    """Have a camera judge a film.

    Args:
        film: What it sees.
        until_s: When the film ends, seconds.
        health: What judges; None: a new one.
        from_s: When it begins.
        every: Show it every frame, and not only those at which it looks.
    """
    health, course, repeats = health or CameraHealth(), Course(), Repeats()
    before: set[Problem] = {one.problem for one in health.problems}
    next_s = last_s = from_s
    for number in range(round(from_s * RATE), round(until_s * RATE)):
        now_s = number / RATE
        if now_s < next_s - 1e-6 and not every:
            continue
        nanos = round(now_s * 1e9)
        frame = Frame("yard", number, 1_700_000_000_000_000_000 + nanos, nanos, film(now_s))
        if every:
            repeats.note(frame)
            if now_s < next_s - 1e-6 and not (now_s - last_s >= SOON_S and repeats.changed):
                continue
            repeats.looked()
            last_s = now_s
        health.look(glance(frame), 0.0 if repeats.since_s is None else now_s - repeats.since_s)
        next_s = now_s + health.next_s
        now: set[Problem] = {one.problem for one in health.problems}
        course.started += [(now_s, name) for name in sorted(now - before)]
        course.ended += [(now_s, name) for name in sorted(before - now)]
        before = now
    return course, health
