"""Ordinary scenes of people and things that come, stand before the camera, and stay or go."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from edge_node.pictures import U8
from tests.bench.health.made.paint import (
    Now,
    Paint,
    Random,
    box,
    cloudy,
    coloured,
    copied,
    laid,
    lit,
    passing,
    plane,
    soft,
    window,
)


def _coat(random: Random) -> Callable[[U8, float, float], U8]:
    """Cloth with folds, a pattern and a colour, as it lies at a place."""
    folds, weave = cloudy(random, 60), cloudy(random, 7)
    colour = random.uniform(60, 190, 3).tolist()

    def at(image: U8, x: float, y: float) -> U8:
        return coloured(0.35 + 0.5 * window(folds, image, x, y) + 0.2 * window(weave, image, x, y), *colour)

    return at


def person_close(lasts_s: tuple[float, float]) -> Callable[[Random], Paint]:
    """Somebody comes close, stands and fidgets before the lens, over 50 to 80 % of the view, and goes."""

    def begin(random: Random) -> Paint:
        comes, coats = Now(random, 50, lasts_s, 0), [_coat(random) for _ in range(4)]

        def paint(image: U8, t: float) -> U8:
            there = comes(t)
            if there is None:
                return image
            number, since_s, left_s = there
            x, y = plane(image)
            way = passing(since_s, left_s, 2.5)
            side = -1 if number % 2 else 1
            middle = 0.5 + side * (1 - way) * 0.9 + 0.03 * math.sin(1.9 * t) + 0.02 * math.sin(0.6 * t)
            half = (0.24, 0.3, 0.38)[number % 3]
            head = np.clip(20 * (0.16 - np.hypot(x - middle, (y - 0.16) * 0.8)), 0, 1)
            body = np.clip(25 * (half - np.abs(x - middle) - 0.1 * (y < 0.5)), 0, 1) * np.clip(
                25 * (y - 0.28), 0, 1
            )
            coat = coats[number % 4](image, 400 - 500 * middle, 200 + 9 * math.sin(2.3 * t))
            return laid(image, coat, np.maximum(head, body))

        return paint

    return begin


def crowd(random: Random) -> Paint:
    """A crowd close by: forty people walk over the whole view, each before the next."""
    ways = random.random((40, 4))
    cloth = cloudy(random, 12)

    def paint(image: U8, t: float) -> U8:
        out, (height, width) = copied(image), image.shape[:2]
        busy = 0.5 - 0.5 * math.cos(t / 140)
        for row, phase, speed, hue in ways[: int(40 * busy)].tolist():
            wide, tall = int(0.1 * width), int((0.35 + 0.25 * row) * height)
            x = int(((phase + t * (0.02 + 0.05 * speed) * (1 if hue > 0.5 else -1)) % 1.3 - 0.15) * width)
            y = min(int((0.15 + 0.6 * row) * height), height - 20)
            left, right, low = max(x, 0), min(x + wide, width), min(y + tall, height)
            if right > left:
                part = window(cloth, image, 900 * hue, 500 * row)[: low - y, left - x : right - x]
                out[y:low, left:right] = coloured(
                    0.3 + 0.6 * part, 90 + 140 * hue, 200 - 120 * hue, 80 + 120 * row
                )
        return out

    return paint


def umbrella(random: Random) -> Paint:
    """A plain umbrella covers two thirds of the view for 5 to 20 s, and sways."""
    comes = Now(random, 60, (5, 20), 0)

    def paint(image: U8, t: float) -> U8:
        there = comes(t)
        if there is None:
            return image
        x, y = plane(image)
        way = passing(there[1], there[2], 2)
        middle = 0.5 + (1 - way) * 1.2 + 0.02 * math.sin(2 * t)
        inside = np.clip(30 * (0.5 - np.hypot((x - middle) * 0.95, y - 0.55)), 0, 1)
        ribs = 0.75 + 0.25 * np.abs(np.sin(4 * np.arctan2(y - 0.55, x - middle)))
        return laid(image, coloured(ribs, 70, 50, 150), inside)

    return paint


def held(random: Random) -> Paint:
    """A box, a hood, an umbrella or a head close by, plain or not, over 55 to 90 % of the view for 5 to 60 s.

    It comes from a side or from below within 1.5 s, and then sways by half a percent of the width.
    """
    comes, cloth = Now(random, 25, (5, 60), 0), _coat(random)
    things = random.uniform((0.55, 0, 40, 0), (0.9, 1, 200, 6), (60, 4))

    def paint(image: U8, t: float) -> U8:
        there = comes(t)
        if there is None:
            return image
        share, kind, grey, phase = things[there[0] % len(things)].tolist()
        x, y = plane(image)
        out = 1.2 * (1 - passing(there[1], there[2], 1.5))
        right = 0.5 + out * (kind < 0.7) + 0.006 * math.sin(2.2 * t + phase) + 0.003 * math.sin(5.7 * t)
        down = 0.52 + out * (kind >= 0.7) + 0.005 * math.sin(2.9 * t + phase)
        if kind < 0.5:
            size = math.sqrt(share / math.pi)
            far = size * (1 - np.hypot((x - right) / size, (y - down) / size))
        else:
            far = np.minimum(share / 1.9 - np.abs(x - right), 0.475 - np.abs(y - down))
        shades = coloured(0.9 + 0.1 * np.sin(5 * (x - right)), 0.8 * grey, 0.9 * grey, grey)
        texture = cloth(image, 400 - 300 * right, 300 - 225 * down)
        return laid(image, texture if int(10 * kind) % 3 == 0 else shades, np.clip(far / 0.01, 0, 1))

    return paint


def pallets(random: Random) -> Paint:
    """A delivery: goods are piled up, over up to half of the view, and are taken away after 10 minutes."""
    goods = cloudy(random, 35)

    def paint(image: U8, t: float) -> U8:
        x, y = plane(image)
        count = int(t % 1200 / 60)
        count = count if count <= 9 else max(0, 9 if count < 18 else 0)
        for n in range(count):
            left, top = 0.1 + 0.22 * (n % 3), 0.72 - 0.24 * (n // 3)
            straps = 0.55 + 0.25 * (np.sin(55 * x + n) > 0.8) - 0.2 * (np.sin(60 * y) > 0.85)
            grey = straps * (0.6 + 0.4 * window(goods, image, 90 * n, 50 * n))
            image = laid(
                image,
                coloured(grey, 110, 160, 200),
                box(image, left, top, left + 0.21, top + 0.23),
            )
        return image

    return paint


def furniture(random: Random) -> Paint:
    """Chairs and tables are moved every 5 minutes: parts of the lower two thirds change places."""
    first = int(random.integers(1000))

    def paint(image: U8, t: float) -> U8:
        height, width = image.shape[:2]
        out, moves = copied(image), np.random.default_rng([first, int(t / 300)])
        for _ in range(5 if t > 60 else 0):
            left, other = (int(one * width) for one in moves.uniform(0, 0.8, 2))
            top, high = int(moves.uniform(0.35, 0.75) * height), int(0.22 * height)
            wide = int(0.18 * width)
            part = image[top : top + high, other : other + wide][:, ::-1]
            out[top : top + high, left : left + wide] = part
        return out

    return paint


def door(random: Random) -> Paint:
    """A large door opens into the light: a third of the view is another, for 5 to 300 s."""
    opens, outside = Now(random, 40, (5, 300), 0), cloudy(random, 50)

    def paint(image: U8, t: float) -> U8:
        there = opens(t)
        if there is None:
            return image
        way = passing(there[1], there[2], 1.5)
        bright = coloured(0.7 + 0.3 * window(outside, image, 100, 100), 250, 245, 240)
        return laid(lit(image, 1 - 0.25 * way), bright, box(image, 0.3, 0.1, 0.3 + 0.36 * way, 0.95))

    return paint


def shutter(random: Random) -> Paint:
    """Shop windows whose shutters come down for minutes: 40 % of the view has slats instead."""
    closed = Now(random, 200, (100, 400), 0)

    def paint(image: U8, t: float) -> U8:
        there = closed(t)
        if there is None:
            return image
        _, y = plane(image)
        slats = 0.6 + 0.12 * np.sin(260 * y)
        down = 0.1 + 0.7 * passing(there[1], there[2], 12)
        return laid(image, coloured(slats, 200, 200, 205), box(image, 0.2, 0.1, 0.75, down))

    return paint


def screen(_: Random) -> Paint:
    """A screen in the view shows other pictures every few seconds, over a fifth of it."""

    def paint(image: U8, t: float) -> U8:
        shows = np.random.default_rng(int(t / 4))
        small = shows.integers(0, 255, (9, 12, 3), dtype=np.uint8)
        patch = np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
        return laid(lit(image, float(shows.uniform(0.8, 1.1))), patch, box(image, 0.3, 0.2, 0.75, 0.65))

    return paint


def belt(random: Random) -> Paint:
    """A conveyor belt over 60 % of the view carries parcels: all of it goes one way, stops, and goes on."""
    parcels = cloudy(random, 45)

    def paint(image: U8, t: float) -> U8:
        gone = 60 * (t - 0.5 * max(t % 40 - 20, 0) - 0.5 * 20 * (t // 40))
        goods = np.where(window(parcels, image, gone, 50) > 0.55, 0.8, 0.25)
        return laid(image, coloured(goods, 120, 170, 210), box(image, -0.1, 0.3, 1.1, 0.92))

    return paint


def curtain(random: Random) -> Paint:
    """A flag or curtain flaps over a third of the view, all day."""
    cloth = cloudy(random, 80)

    def paint(image: U8, t: float) -> U8:
        x, y = plane(image)
        edge = 0.34 + 0.1 * math.sin(1.7 * t) + 0.03 * np.sin(9 * y + 5 * t)
        waves = 0.6 + 0.3 * np.sin(14 * x + 3 * y - 6 * t) * window(cloth, image, 60, 20)
        return laid(
            image,
            coloured(waves, 60, 60, 200),
            np.clip(40 * (edge - x), 0, 1),
        )

    return paint


def hand_wiped(random: Random) -> Paint:
    """Somebody cleans the lens: a cloth goes over it for 2 s, every two minutes."""
    wipes, coat = Now(random, 120, (1.5, 2.2), 0), _coat(random)

    def paint(image: U8, t: float) -> U8:
        there = wipes(t)
        if there is None:
            return image
        place = math.sin(5 * there[1])
        return laid(
            image,
            soft(coat(image, 300 + 250 * place, 200), 12),
            box(image, place - 0.75, -0.1, place + 0.9, 1.1, 0.2),
        )

    return paint
