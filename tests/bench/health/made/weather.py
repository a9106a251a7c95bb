"""Ordinary scenes of weather, and of what it does to a lens and to a mast."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from edge_node.pictures import U8
from shared.geometry import F32
from tests.bench.health.made.light import DAY_S, infrared
from tests.bench.health.made.paint import (
    Now,
    Paint,
    Random,
    cloudy,
    coloured,
    copied,
    grainy,
    hazy,
    laid,
    lit,
    passing,
    plane,
    shone,
    soft,
    tinted,
    warped,
    window,
)


def rain(drops: int, near: bool) -> Callable[[Random], Paint]:
    """Streaks of rain; near an infrared lamp they are bright, thick and out of focus."""

    def begin(random: Random) -> Paint:
        def paint(image: U8, _: float) -> U8:
            out = infrared(image, random) if near else soft(lit(image, 0.8, 22), 0.7)
            height, width = out.shape[:2]
            veil = np.zeros((height, width), np.uint8)
            for x, y, size in random.random((drops, 3)).tolist():
                start = int(x * width), int(y * height)
                end = start[0] + int(8 * size), start[1] + int((0.03 + 0.12 * size) * height)
                cv2.line(veil, start, end, 90 + int(140 * size), 1 + int((4 if near else 1.6) * size))
            falls = hazy(veil, 2.0 if near else 0.7)
            return laid(out, np.full_like(out, (235, 232, 230)), falls)

        return paint

    return begin


def snow(random: Random) -> Paint:
    """Flakes of all sizes, more and fewer."""

    def paint(image: U8, t: float) -> U8:
        out = lit(image, 0.75, 40)
        height, width = out.shape[:2]
        for x, y, size in random.random((int(150 + 140 * math.sin(t / 90)), 3)).tolist():
            cv2.circle(out, (int(x * width), int(y * height)), 1 + int(5 * size**4), (245, 242, 240), -1)
        return out

    return paint


def snow_cover(random: Random) -> Paint:
    """Snow lies on the ground more and more, and thaws, within a day."""
    lumps = cloudy(random, 25)

    def paint(image: U8, t: float) -> U8:
        _, y = plane(image)
        much = 0.5 - 0.5 * math.cos(2 * math.pi * t / DAY_S)
        ground = np.clip((y - 0.25) * 3, 0, 1) * np.clip(2.2 * much - window(lumps, image, 0, 0), 0, 0.88)
        white = coloured(0.86 + 0.1 * window(lumps, image, 300, 200), 240, 235, 232)
        return laid(image, white, ground)

    return paint


def fog(left: float, period_s: float, phase: float = 0.0) -> Callable[[Random], Paint]:
    """Fog that comes and goes, thicker far away (above), down to a share of the contrast.

    `phase` 0.5 begins in the thickest.
    """

    def begin(random: Random) -> Paint:
        banks = cloudy(random, 200)

        def paint(image: U8, t: float) -> U8:
            _, y = plane(image)
            much = 0.5 - 0.5 * math.cos(2 * math.pi * (t / period_s + phase))
            thick = much * (1 - left) * (0.75 + 0.25 * window(banks, image, 5 * t, t)) * (1.15 - 0.3 * y)
            return laid(image, np.full_like(image, (188, 186, 184)), np.clip(thick, 0, 0.95))

        return paint

    return begin


def shaken(share: float, hz: float) -> Callable[[Random], Paint]:
    """A mast in the wind: the view swings by a share of its width, in gusts, and rolls a little."""

    def begin(_: Random) -> Paint:
        def paint(image: U8, t: float) -> U8:
            height, width = image.shape[:2]
            gust = 0.5 + 0.5 * math.sin(t / 13) * math.sin(t / 5.7)
            swing = 2 * math.pi * hz * t
            dx = share * width * gust * (0.7 * math.sin(swing) + 0.3 * math.sin(2.7 * swing))
            dy = 0.4 * share * width * gust * math.sin(1.31 * swing + 1)
            turn = cv2.getRotationMatrix2D((width / 2, height), 12 * share * gust * math.sin(swing), 1)
            turn[:, 2] += dx, dy
            return warped(image, turn)

        return paint

    return begin


def leaning(_: Random) -> Paint:
    """A mast that leans with the sun's warmth: by 0.7 % of the width within a day, and back."""

    def paint(image: U8, t: float) -> U8:
        dx = 0.007 * image.shape[1] * math.sin(2 * math.pi * t / DAY_S)
        matrix = np.array([[1, 0, dx], [0, 1, dx / 2]], np.float64)
        return warped(image, matrix)

    return paint


def trees(random: Random) -> Paint:
    """Trees that swing over the upper half and one side: leaves, with their shadows on the ground."""
    leaves, light = cloudy(random, 9), cloudy(random, 30)

    def paint(image: U8, t: float) -> U8:
        x, y = plane(image)
        sway = 6 + 5 * math.sin(1.7 * t) * math.sin(t / 9)
        where = np.clip(9 * np.maximum(0.38 + 0.06 * np.sin(9 * x + 0.4 * sway) - y, x - 0.8), 0, 1)
        crown = window(leaves, image, 60 + 1.5 * sway, 40 + sway)
        dapple = window(light, image, 40 + 3 * sway, 40 + sway)
        out = shone(image, (0.65 + 0.5 * dapple))
        leaf = where * np.clip(3 * crown - 0.6, 0, 1)
        return laid(out, coloured(crown, 40, 120, 70), leaf)

    return paint


def wet_ground(random: Random) -> Paint:
    """Wet ground mirrors the upper half, rippling, in the lower."""
    ripples = cloudy(random, 14)

    def paint(image: U8, t: float) -> U8:
        height = image.shape[0]
        out, mirror = copied(image), image[: height // 2][::-1]
        wave = 0.25 + 0.4 * window(ripples, mirror, 25 * t, 9 * t)
        part = out[height - height // 2 :]
        part[:] = laid(lit(part, 0.8), np.ascontiguousarray(mirror), wave)
        return out

    return paint


def drops_on_lens(random: Random) -> Paint:
    """Drops of rain on the lens: each blurs and bends its place; they come, run down, and dry."""
    drops = [(Now(random, 60, (20, 300), 0), *random.random(3).tolist()) for _ in range(28)]

    def paint(image: U8, t: float) -> U8:
        height, width = image.shape[:2]
        much = np.zeros((height, width), np.uint8)
        for now, x, y, size in drops:
            there = now(t)
            if there is not None:
                down = y + 0.02 * max(there[1] - 15, 0) * size
                radius = int((0.015 + 0.045 * size) * width)
                cv2.circle(much, (int(x * width), int(down * height) % height), radius, 255, -1, cv2.LINE_AA)
        opacity = hazy(much, 3)
        return laid(image, soft(np.asarray(cv2.flip(image, -1), np.uint8), 9), opacity)

    return paint


def fogged_lens(random: Random) -> Paint:
    """A lens that steams up a little on cold mornings: contrast falls to a half, edges soften to a pixel."""
    damp = Now(random, 200, (100, 300), 0)

    def paint(image: U8, t: float) -> U8:
        there = damp(t)
        much = passing(there[1], there[2], 60) if there else 0.0
        return grainy(lit(soft(image, 1.0 * much), 1 - 0.5 * much, 70 * much), 1, random)

    return paint


def insects(random: Random) -> Paint:
    """Moths and flies around the infrared lamp: bright blurred streaks, some large."""

    def paint(image: U8, _: float) -> U8:
        out = infrared(image, random)
        height, width = out.shape[:2]
        veil = np.zeros((height, width), np.uint8)
        for x, y, size, way in random.random((int(random.integers(1, 9)), 4)).tolist():
            middle = int(x * width), int(y * height)
            axes = int((0.01 + 0.11 * size**3) * width), int((0.006 + 0.03 * size**3) * width)
            cv2.ellipse(veil, middle, axes, 180 * way, 0, 360, 250, -1)
        opacity = hazy(veil, 5)
        return laid(out, np.full_like(out, (240, 240, 240)), opacity)

    return paint


def spider(random: Random) -> Paint:
    """A spider and its web before the infrared lamp: out of focus, bright, over a quarter of the view."""
    sits = Now(random, 120, (30, 400), 0)

    def web(image: U8, t: float) -> F32:
        height, width = image.shape[:2]
        veil = np.zeros((height, width), np.uint8)
        sway = int(3 * math.sin(1.3 * t))
        for n in range(7):
            start = int(width * (0.1 + 0.13 * n)) + sway, 0
            cv2.line(veil, start, (int(width * (0.9 - 0.1 * n)), height), 110, 3)
        there = sits(t)
        if there is not None:
            step = int(there[1] / 20)
            place = np.random.default_rng(1000 * there[0] + step).uniform(0.25, 0.75, 2)
            middle = int(place[0] * width), int(place[1] * height)
            cv2.ellipse(veil, middle, (width // 7, height // 9), 40 * step, 0, 360, 235, -1)
            for leg in range(8):
                far = 0.26 * width * np.array([math.cos(leg * 0.8), math.sin(leg * 0.8)])
                cv2.line(veil, middle, (middle[0] + int(far[0]), middle[1] + int(far[1])), 200, 6)
        return hazy(veil, 7)

    def paint(image: U8, t: float) -> U8:
        out = infrared(image, random)
        return laid(out, np.full_like(out, (232, 232, 232)), web(out, t))

    return paint


def steam(random: Random) -> Paint:
    """Steam from a vent, white and turbulent, over half of the view, for a minute at a time."""
    puffs, plumes = Now(random, 60, (15, 90), 0), cloudy(random, 70)

    def paint(image: U8, t: float) -> U8:
        there = puffs(t)
        if there is None:
            return image
        x, _ = plane(image)
        much = passing(there[1], there[2], 6)
        thick = window(plumes, image, 90 * t, 140 * t) * np.clip(1.6 - 2.2 * x, 0, 1) * 1.5 * much
        return laid(image, np.full_like(image, (225, 225, 225)), np.clip(thick, 0, 0.9))

    return paint


def sandstorm(random: Random) -> Paint:
    """Yellow dust for some minutes, which leaves a third of the contrast."""
    storms, dust = Now(random, 300, (100, 400), 0), cloudy(random, 120)

    def paint(image: U8, t: float) -> U8:
        there = storms(t)
        if there is None:
            return image
        much = 0.65 * passing(there[1], there[2], 40)
        thick = much * (0.8 + 0.2 * window(dust, image, 120 * t, 5 * t))
        return laid(tinted(image, 1 - much / 3, 1.0, 1.0), np.full_like(image, (120, 170, 200)), thick)

    return paint
