"""Ordinary scenes of light: sun, clouds, night, lamps, lightning, and what a camera makes of them."""

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
    cloudy,
    grainy,
    laid,
    lit,
    plane,
    shone,
    soft,
    tinted,
    window,
)

DAY_S = 900.0
"""How long a made-up day is: light changes faster than on any real day."""


def daylight(t: float) -> float:
    """The light from 1 at noon to 0 at midnight and back."""
    return 0.5 + 0.5 * math.cos(2 * math.pi * t / DAY_S)


def infrared(image: U8, random: Random, focus: float = 0.8) -> U8:
    """By an infrared lamp: grey, bright in the middle, and not quite in focus."""
    x, y = plane(image)
    lamp = 0.3 + 0.9 * np.exp(-((x - 0.5) ** 2 + (y - 0.6) ** 2) / 0.18)
    grey = np.asarray(cv2.transform(image, np.array([[0.1, 0.25, 0.65]])), np.uint8)
    return grainy(soft(shone(np.asarray(cv2.merge([grey] * 3), np.uint8), lamp), focus), 4, random)


def day_and_night(random: Random) -> Paint:
    """A day: dusk, an infrared lamp that switches late, dawn with warm light."""

    def paint(image: U8, t: float) -> U8:
        light = daylight(t)
        if light < 0.12:
            return infrared(image, random)
        auto = light + (1 - light) * 0.55 * light**0.3  # a camera opens its iris, and then gains noise
        warm = 0.25 * math.exp(-(((light - 0.25) / 0.12) ** 2))
        return grainy(tinted(lit(image, auto), 1 - warm, 1 - warm / 3, 1.0), 1 + 8 * (1 - light), random)

    return paint


def night_by_lamps(random: Random) -> Paint:
    """A day without infrared: yellow lamps light two places at night."""

    def paint(image: U8, t: float) -> U8:
        light, (x, y) = daylight(t), plane(image)
        on = 1.0 if light < 0.2 else 0.0
        lamps = np.exp(-((x - 0.25) ** 2 + (y - 0.4) ** 2) / 0.03)
        lamps += np.exp(-((x - 0.8) ** 2 + (y - 0.5) ** 2) / 0.05)
        out = shone(image, np.clip(0.06 + 0.94 * light + on * 0.7 * lamps, 0, 1.3))
        return grainy(tinted(out, 0.55, 0.85, 1.1) if on else out, 1 + 6 * (1 - light), random)

    return paint


def clouds(cell: int, speed: float) -> Callable[[Random], Paint]:
    """Sun and the shadows of clouds, which drift by at a speed in pixels a second."""

    def begin(random: Random) -> Paint:
        sky = np.clip(3 * cloudy(random, cell) - 1, 0, 1)
        return lambda image, t: shone(image, 0.5 + 0.6 * window(sky, image, speed * t, speed * t / 3))

    return begin


def sun_in_and_out(random: Random) -> Paint:
    """The whole view brightens and darkens at once, every few seconds, and the exposure follows."""
    sky = cloudy(random, 12)[0]
    return lambda image, t: lit(image, 0.55 + 0.8 * float(np.interp(4 * t % 1990, np.arange(2000), sky)))


def long_shadows(_: Random) -> Paint:
    """The shadows of houses and of a fence walk over the whole view in a day."""

    def paint(image: U8, t: float) -> U8:
        x, y = plane(image)
        far = x + 0.45 * y - 1.7 * t / DAY_S
        house = np.clip(0.5 + 60 * np.minimum(far + 0.15, 0.55 - far), 0, 1)
        fence = np.clip(0.5 + 4 * np.sin(90 * (far - 0.3)), 0, 1) * (far < 0) * (far > -0.5)
        return shone(image, (1.1 - 0.7 * np.maximum(house, fence)))

    return paint


def low_sun(_: Random) -> Paint:
    """The sun comes near the picture's edge: veil and flare over a third of it, for minutes."""

    def paint(image: U8, t: float) -> U8:
        x, y = plane(image)
        near = 0.5 - 0.5 * math.cos(2 * math.pi * t / 600)
        glare = near * np.exp(-((x - 0.95) ** 2 + (y - 0.02) ** 2) / 0.1)
        veiled = lit(image, 1 - 0.45 * near, 60 * near)
        return laid(veiled, np.full_like(image, (225, 245, 255)), glare)

    return paint


def headlights(random: Random) -> Paint:
    """Cars pass at night, their lights dazzle, and the exposure takes a second to follow."""
    cars = Now(random, 12, (3, 9), 0)

    def paint(image: U8, t: float) -> U8:
        image, car = lit(image, 0.22), cars(t)
        if car is None:
            return grainy(image, 5, random)
        number, since_s, left_s = car
        way = since_s / (since_s + left_s)
        x, y = plane(image)
        middle, tall = (way * 1.3 - 0.15, 0.5) if number % 2 else (0.5, 0.3 + 0.4 * way)
        size = 0.006 + 0.05 * way
        glare = np.zeros(image.shape[:2], np.float32)
        for side in (-0.06, 0.06):
            far = (x - middle - side * (0.5 + way)) ** 2 + ((y - tall) * 0.75) ** 2
            glare += np.exp(-far / size) + 0.25 * np.exp(-far / 0.2)
        down = 1.0 - 0.6 * min(since_s / 1.0, 1.0)
        out = laid(lit(image, down), np.full_like(image, (235, 245, 250)), np.clip(glare * down * 1.4, 0, 1))
        return grainy(out, 5, random)

    return paint


def lightning(random: Random) -> Paint:
    """A night of thunder: flashes of a tenth of a second, two or three in a row."""
    storms = Now(random, 8, (0.5, 1.2), 0)

    def paint(image: U8, t: float) -> U8:
        flash = storms(t)
        bright = flash is not None and (10 * flash[1]) % 3 < 1.5
        return grainy(lit(image, 2.2, 50) if bright else lit(image, 0.16, 4), 6, random)

    return paint


def mains_flicker(_: Random) -> Paint:
    """Lamps at 50 Hz: bars of a rolling shutter wander through the picture."""

    def paint(image: U8, t: float) -> U8:
        _, y = plane(image)
        bars = 1 + 0.16 * np.sin(2 * math.pi * (2.3 * y + 0.37 * t) + 11 * t)
        return shone(image, bars)

    return paint


def exposure_hunting(_: Random) -> Paint:
    """An exposure that swings, for a minute every three."""
    return lambda image, t: lit(image, 2 ** (1.2 * math.sin(2 * math.pi * t / 3.1)) if t % 180 < 60 else 1.0)


def white_balance(_: Random) -> Paint:
    """A white balance that drifts, and jumps every minute."""
    jumps = [(1.0, 1.0, 1.0), (0.6, 0.97, 1.25), (1.3, 1.0, 0.75), (0.8, 1.06, 1.0), (1.15, 0.95, 1.1)]

    def paint(image: U8, t: float) -> U8:
        drift = 0.1 * math.sin(t / 70)
        blue, green, red = jumps[int(t // 60) % len(jumps)]
        return tinted(image, blue + drift, green, red - drift)

    return paint


def sodium_lamps(random: Random) -> Paint:
    """Street lamps that give one colour only, on and off every minute."""

    def paint(image: U8, t: float) -> U8:
        if t % 120 < 60:
            return image
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        mixed = cv2.addWeighted(image, 0.15, np.asarray(cv2.merge([grey] * 3), np.uint8), 0.6, 0)
        return grainy(tinted(np.asarray(mixed, np.uint8), 0.3, 0.75, 1.15), 4, random)

    return paint


def infrared_cut(random: Random) -> Paint:
    """The infrared lamp and its filter go on and off every minute or two, slightly out of focus."""
    dark = Now(random, 60, (40, 120), 0)
    return lambda image, t: infrared(image, random, 1.0) if dark(t) else image


def night_first(random: Random) -> Paint:
    """Night by an infrared lamp for 2 minutes, and then day for 8."""
    return lambda image, t: infrared(image, random) if t % 600 < 120 else image


def room_lights(random: Random) -> Paint:
    """Somebody switches the light of a room on and off; the rest comes through a window."""
    off = Now(random, 90, (5, 200), 0)

    def paint(image: U8, t: float) -> U8:
        if off(t) is None:
            return image
        x, y = plane(image)
        window_light = 0.07 + 0.5 * np.exp(-((x - 0.1) ** 2 + (y - 0.3) ** 2) / 0.03)
        return grainy(tinted(shone(image, window_light), 1.25, 1.0, 0.8), 6, random)

    return paint


def coloured_lights(random: Random) -> Paint:
    """Blue lights of the police, neon and a disco: the view takes every colour for some time."""
    shows = Now(random, 60, (10, 60), 0)

    def paint(image: U8, t: float) -> U8:
        dark, show = lit(image, 0.4), shows(t)
        if show is None:
            return grainy(dark, 4, random)
        beat = 0.5 + 0.5 * math.sin(2 * math.pi * 1.9 * t)
        hues = [(2.2, 0.6, 0.5), (0.5, 0.7, 2.2), (0.5, 1.9, 0.7), (1.8, 0.5, 1.9)]
        one = hues[0] if show[0] % 2 else hues[int(t * 0.8) % 4]
        blue, green, red = (1 + beat * (gain - 1) for gain in one)
        return grainy(tinted(dark, blue, green, red), 4, random)

    return paint
