"""Ordinary scenes of vehicles that come, stand before the camera, and stay or go."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge_node.pictures import U8
from tests.bench.health.made.paint import (
    Now,
    Paint,
    Random,
    box,
    coloured,
    laid,
    passing,
    plane,
    shone,
)


def _side(image: U8, place: float, kind: int) -> U8:
    """The side of a lorry, a bus or a van, which lies at a place of the view."""
    x, y = plane(image)
    far = x - place
    if kind == 0:  # plain, with a stripe and rivets
        grey = 0.75 - 0.3 * (np.abs(y - 0.6) < 0.04) - 0.12 * (np.sin(60 * far) > 0.97)
        return coloured(grey, 235, 225, 215)
    if kind == 1:  # windows, with people
        pane = (np.sin(22 * far) > -0.75) & (y > 0.25) & (y < 0.55)
        grey = np.where(pane, 0.25 + 0.15 * np.sin(70 * far) * np.sin(40 * y), 0.8)
        return coloured(grey, 60, 70, 215)
    letters = (np.sin(35 * far) * np.sin(28 * y) > 0.35) & (np.abs(y - 0.45) < 0.2)
    return coloured(np.where(letters, 0.2, 0.85), 200, 215, 225)


def lorry(lasts_s: tuple[float, float], cover: float) -> Callable[[Random], Paint]:
    """A lorry, a bus or a van drives in, stops before the camera over a share of the view, and drives off."""

    def begin(random: Random) -> Paint:
        stops = Now(random, 90, lasts_s, 0)

        def paint(image: U8, t: float) -> U8:
            there = stops(t)
            if there is None:
                return image
            number, since_s, left_s = there
            way_in, way_out = min(since_s / 3, 1.0), min(left_s / 3, 1.0)
            place = (way_in - 1) * 1.1 + (1 - way_out) * 1.1
            part = box(image, place + (1 - cover) / 3, 0.06, place + (1 - cover) / 3 + cover, 1.1)
            return laid(image, _side(image, place, number % 3), part)

        return paint

    return begin


def lorry_first(_: Random) -> Paint:
    """A lorry stands before the camera, over 60 % of the view, for 60 s, and drives off."""

    def paint(image: U8, t: float) -> U8:
        place = 1.1 * float(np.clip((t - 60) / 3, 0, 1))
        return laid(image, _side(image, place, 2), box(image, 0.15 + place, 0.06, 0.75 + place, 1.1))

    return paint


def parked(random: Random) -> Paint:
    """Cars come and park, one after the other, and some stay for ever: up to a third of the view."""
    places = [
        (*random.uniform((0.0, 0.45), (0.75, 0.8)).tolist(), 90 * k + 100 * random.random()) for k in range(7)
    ]
    paints = random.uniform(40, 220, (7, 3))

    def paint(image: U8, t: float) -> U8:
        for (left, top, comes_s), colour in zip(places, paints.tolist(), strict=True):
            if t < comes_s:
                continue
            x, y = plane(image)
            on = box(image, left, top, left + 0.26, top + 0.2)
            pane = (y < top + 0.09) & (np.sin(40 * (x - left)) > -0.6)
            image = laid(image, coloured(np.where(pane, 0.3, 0.95), *colour), on)
        return image

    return paint


def train(random: Random) -> Paint:
    """A train runs in over 60 % of the view, stands half a minute with open doors, and runs out."""
    comes = Now(random, 60, (30, 50), 0)

    def paint(image: U8, t: float) -> U8:
        there = comes(t)
        if there is None:
            return image
        _, since_s, left_s = there
        place = -2.5 * max(1 - since_s / 7, 0) ** 2 + 2.5 * max(1 - left_s / 7, 0) ** 2
        return laid(image, _side(image, place, 1), box(image, place - 0.6, 0.02, place + 1.6, 0.64))

    return paint


def shadow_of_someone(random: Random) -> Paint:
    """The shadow of a vehicle or of somebody near the lamp darkens two thirds of the view for 5 to 60 s."""
    comes = Now(random, 40, (5, 60), 0)

    def paint(image: U8, t: float) -> U8:
        there = comes(t)
        if there is None:
            return image
        x, y = plane(image)
        way = passing(there[1], there[2], 2)
        dark = np.clip(6 * (0.68 * way - np.abs(x + 0.2 * y - 0.6)), 0, 1)
        return shone(image, 1 - 0.75 * dark)

    return paint
