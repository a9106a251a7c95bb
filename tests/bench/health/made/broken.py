"""Faults of a camera's picture; `faults.py` says what each is."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from edge_node.pictures import U8
from shared.geometry import F32
from tests.bench.health.made.paint import (
    Make,
    Paint,
    Random,
    cloudy,
    coloured,
    copied,
    grainy,
    laid,
    lit,
    over,
    plane,
    soft,
    tinted,
    window,
)
from tests.edge_node.health.films import RATE, Film
from tests.edge_node.health.made_up import moved


def _shape(image: U8, share: float, kind: str) -> F32:
    """The opacity of something that covers a share of the picture."""
    x, y = plane(image)
    if kind == "from below":
        far = y - (1 - share)
    elif kind == "from the left":
        far = share - x + 0.02 * np.sin(20 * y)
    else:  # a blob; its size is that of an ellipse with this area, or all of the picture
        size = math.sqrt(share / math.pi)
        far = 1 - np.hypot((x - 0.5) / size, (y - 0.5) / size) if share < 1 else np.ones_like(x)
        far = far * size
    return np.asarray(np.clip(far / 0.06 + 0.5, 0, 1), np.float32)


def _patch(image: U8, kind: str) -> U8:
    """What something looks like that lies on the lens or just before it."""
    x, y = plane(image)
    lumps = np.random.default_rng(11)
    if kind == "tape":
        return np.full_like(image, (92, 96, 99))
    if kind == "paper":
        return coloured((0.9 + 0.05 * x), 215, 222, 225)
    if kind == "spray":
        return np.full_like(image, (28, 24, 30))
    if kind == "leaf":
        veins = 0.55 + 0.1 * np.sin(12 * (x - y)) + 0.15 * np.exp(-((x - y) ** 2) / 0.004)
        return soft(coloured(veins, 50, 190, 90), 12)
    if kind == "bag":
        return soft(coloured(0.5 + 0.4 * window(cloudy(lumps, 60), image, 0, 0), 190, 195, 200), 8)
    if kind == "cardboard":
        print_ = (np.sin(40 * x) * np.sin(31 * y) > 0.4) & (np.abs(y - 0.5) < 0.25)
        return soft(coloured(np.where(print_, 0.3, 0.8), 110, 150, 190), 5)
    if kind == "mud":
        return soft(coloured(0.3 + 0.3 * window(cloudy(lumps, 40), image, 0, 0), 60, 90, 120), 5)
    if kind == "cloth":
        weave = 0.5 + 0.12 * np.sin(300 * x) * np.sin(260 * y) + 0.2 * window(cloudy(lumps, 80), image, 0, 0)
        return coloured(weave, 120, 60, 70)
    if kind == "foil":
        creases = np.clip(1.5 * window(cloudy(lumps, 30), image, 0, 0), 0.2, 1)
        return soft(coloured(creases, 230, 230, 230), 6)
    return soft(coloured((0.5 + 0.2 * np.sin(6 * x + 3 * y)), 120, 140, 200), 8)  # skin


def cover(kind: str, share: float = 1.0, shape: str = "blob", grows_s: float = 0.3) -> Make:
    """Something covers a share of the view and stays; it comes within some time."""

    def begin(random: Random) -> Paint:
        def paint(image: U8, t: float) -> U8:
            part = share * min((t + 0.1) / grows_s, 1.0)
            return grainy(laid(image, _patch(image, kind), _shape(image, part, shape)), 1.5, random)

        return paint

    return over(begin)


def blur(sigma: float, grows_s: float = 0.1) -> Make:
    """Focus is lost within a time."""

    def begin(random: Random) -> Paint:
        return lambda image, t: grainy(soft(image, sigma * min((t + 0.1) / grows_s, 1)), 1.5, random)

    return over(begin)


def knock(dx: float = 0, dy: float = 0, degrees: float = 0, scale: float = 1, swings_s: float = 0) -> Make:
    """The camera is moved, and may swing for some time."""

    def begin(random: Random) -> Paint:
        def paint(image: U8, t: float) -> U8:
            swing = 0.04 * math.exp(-2 * t / swings_s) * math.sin(14 * t) if swings_s else 0.0
            return grainy(moved(image, dx + swing, dy + swing / 2, degrees, scale), 1, random)

        return paint

    return over(begin)


def away(other: Callable[[U8], U8], takes_s: float = 0.1) -> Make:
    """The camera is turned to another view, within a time; what moves in one moves in the other."""

    def begin(random: Random) -> Paint:
        def paint(image: U8, t: float) -> U8:
            width, there = image.shape[1], other(image)
            if t >= takes_s:
                return grainy(there, 1.5, random)
            part = int(width * t / takes_s)
            return np.concatenate([image[:, part:], there[:, :part]], axis=1)

        return paint

    return over(begin)


def upside_down(image: U8) -> U8:
    """Another view with the same things in it: mirrored, larger, and in other light."""
    return moved(lit(np.ascontiguousarray(image[::-1, ::-1]), 0.8, 20), scale=1.6)


def pieces(image: U8) -> U8:
    """Another view, in which as much moves: the quarters of the picture change places, turned."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    parts = [image[y : y + height, x : x + width] for y in (0, height) for x in (0, width)]
    a, b, c, d = (np.ascontiguousarray(part[:, ::-1]) for part in parts)
    rows = np.concatenate([np.concatenate([d, c], axis=1), np.concatenate([b, a], axis=1)])
    return np.asarray(cv2.resize(rows, image.shape[1::-1]), np.uint8)


def wall(image: U8) -> U8:
    """A wall of bricks, close by."""
    x, y = plane(image)
    row = np.floor(y * 9)
    joint = (np.abs(y * 9 - row - 0.5) > 0.44) | (np.abs((x * 6 + 0.5 * row) % 1 - 0.5) > 0.47)
    return coloured(
        np.where(joint, 0.75, 0.5 + 0.1 * np.sin(13 * row + 5 * np.floor(x * 6))),
        90,
        110,
        190,
    )


def sky(image: U8) -> U8:
    """Sky with soft clouds."""
    _, y = plane(image)
    grey = 0.6 + 0.25 * window(cloudy(np.random.default_rng(3), 150), image, 30, 40) - 0.1 * y
    return coloured(grey, 250, 235, 215)


def frozen(clock: bool) -> Make:
    """The last picture again and again, perhaps with a clock that runs on."""

    def make(film: Film, random: Random) -> Film:
        last = grainy(film(0), 1.5, random)

        def at(t: float) -> U8:
            if not clock:
                return last
            out: U8 = last.copy()
            cv2.putText(
                out, f"12:{int(t) // 60 % 60:02}:{int(t) % 60:02}", (8, 30), 0, 0.8, (255, 255, 255), 2
            )
            return out

        return at

    return make


def repeated(period_s: float) -> Make:
    """The last seconds again and again."""

    def make(film: Film, random: Random) -> Film:
        shown = [grainy(film(n / RATE - period_s), 1.5, random) for n in range(round(period_s * RATE))]
        return lambda t: shown[round(t * RATE) % len(shown)]

    return make


def dazzled(_: Random) -> Paint:
    """A torch into the lens: most of the picture is white."""

    def paint(image: U8, _t: float) -> U8:
        x, y = plane(image)
        glare = np.clip(1.7 * np.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.22), 0, 1)
        return laid(lit(image, 0.7, 90), np.full_like(image, 255), glare)

    return paint


_FILLS = {"green": (0, 135, 0), "grey": (128, 128, 128), "magenta": (255, 0, 255), "black": (0, 0, 0)}


def half(kind: str, *, upper: bool = False) -> Make:
    """A decoder that lost data, and gets no keyframe: half is of one colour, or smeared."""

    def begin(_: Random) -> Paint:
        def paint(image: U8, _t: float) -> U8:
            out, edge = copied(image), image.shape[0] * 9 // 20
            lost = slice(edge) if upper else slice(edge, None)
            out[lost] = image[edge : edge + 1] if kind == "smeared" else _FILLS[kind]
            return out

        return paint

    return over(begin)


def planes(_: Random) -> Paint:
    """A decoder with the wrong idea of the picture's format: the colours change places and lie apart."""

    def paint(image: U8, _t: float) -> U8:
        luma, red, blue = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb))
        mixed = cv2.merge([luma, np.roll(blue, 40, axis=1), np.roll(red, 40, axis=1)])
        return np.asarray(cv2.cvtColor(mixed, cv2.COLOR_YCrCb2BGR), np.uint8)

    return paint


def channel(index: int, value: int) -> Make:
    """A channel shows nothing."""

    def begin(_: Random) -> Paint:
        def paint(image: U8, _t: float) -> U8:
            out: U8 = image.copy()
            out[..., index] = value
            return out

        return paint

    return over(begin)


def cast(blue: float, green: float, red: float) -> Make:
    """A cast of colour."""
    return over(lambda _: lambda image, _: tinted(image, blue, green, red))


def brighter(gain: float, offset: float) -> Make:
    """Too much light, or haze."""
    return over(lambda random: lambda image, _: grainy(lit(image, gain, offset), 1.5, random))
