"""What scenes are painted with: noise, light, patches and textures, all cheap enough for hours of film.

A film is a function of the time in seconds that gives a picture, u8 ``(h, w, 3)`` in BGR. A scene makes a
film from another. Everything is a function of time and of a seed, so a scene can be looked at as seldom as a
node looks, and again.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_node.pictures import U8
from shared.geometry import F32, Floats
from tests.edge_node.health.films import Film

Random = np.random.Generator
Make = Callable[[Film, Random], Film]
Paint = Callable[[U8, float], U8]
"""What is done to the picture at a time, in seconds since the scene began."""
LONGEST_S = 4 * 3600.0
_GRAIN = 32.0  # standard deviation of the stored noise


@functools.cache
def _grain() -> U8:
    return rounded(128 + _GRAIN * np.random.default_rng(0).standard_normal((1100, 1500, 3)))


def _f32(values: Floats) -> F32:
    return np.asarray(values, np.float32)


def rounded(values: Floats) -> U8:
    """As grey levels."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def over(begin: Callable[[Random], Paint]) -> Make:
    """A scene that paints each picture by itself."""

    def make(film: Film, random: Random) -> Film:
        paint = begin(random)
        return lambda at_s: paint(film(at_s), at_s)

    return make


def copied(image: U8) -> U8:
    """A picture of its own, to be changed in its place."""
    return np.array(image, np.uint8)


def grainy(image: U8, sigma: float, random: Random) -> U8:
    """With a sensor's noise of this standard deviation in grey levels, new for each picture."""
    grain, (height, width) = _grain(), image.shape[:2]
    top, left = int(random.integers(1100 - height)), int(random.integers(1500 - width))
    part = grain[top : top + height, left : left + width]
    share = sigma / _GRAIN
    return np.asarray(cv2.addWeighted(image, 1.0, part, share, -128.0 * share), np.uint8)


def lit(image: U8, gain: float, offset: float = 0.0) -> U8:
    """Brighter or darker; what is too bright is white."""
    return np.asarray(cv2.convertScaleAbs(image, alpha=gain, beta=offset), np.uint8)


def shone(image: U8, gains: Floats) -> U8:
    """Lit by a map of gains from 0 to 2, ``(h, w)``."""
    scaled = np.asarray(cv2.convertScaleAbs(_f32(gains), alpha=127.5), np.uint8)
    return np.asarray(cv2.multiply(image, cv2.merge([scaled] * 3), scale=1 / 127.5), np.uint8)


def tinted(image: U8, blue: float, green: float, red: float) -> U8:
    """With other gains of the channels."""
    channels = zip(cv2.split(image), (blue, green, red), strict=True)
    return np.asarray(cv2.merge([cv2.convertScaleAbs(one, alpha=gain) for one, gain in channels]), np.uint8)


def laid(image: U8, patch: U8, opacity: Floats) -> U8:
    """With a patch of the same size over it, ``(h, w)`` from 0 to 1."""
    there = _f32(opacity)
    return np.asarray(cv2.blendLinear(image, patch, 1.0 - there, there), np.uint8)


def soft(image: U8, sigma: float) -> U8:
    """Out of focus; `sigma` in pixels of a picture 768 pixels wide."""
    if sigma < 0.05:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma * image.shape[1] / 768), np.uint8)


def hazy(veil: U8, sigma: float) -> F32:
    """What was drawn, ``(h, w)`` from 0 to 255, as a blurred opacity."""
    return _f32(cv2.GaussianBlur(veil, (0, 0), sigma) / 255)


def plane(image: U8) -> tuple[F32, F32]:
    """Where each pixel lies: shares of width and height."""
    return _plane(image.shape[0], image.shape[1])


@functools.lru_cache(maxsize=4)
def _plane(height: int, width: int) -> tuple[F32, F32]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return x / width, y / height


def cloudy(random: Random, cell: int, size: int = 2000) -> F32:
    """A smooth random texture from 0 to 1, ``(size, size)``, whose lumps are `cell` pixels large."""
    small = random.random((size // cell + 4, size // cell + 4)).astype(np.float32)
    large = cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(large, 0, 1), np.float32)


def window(texture: F32, image: U8, x: float, y: float) -> F32:
    """The part of a texture that a picture's size takes, as it drifts by; it goes there and back."""
    height, width = image.shape[:2]
    top, left = (
        int(abs((place % (2 * room)) - room)) if (room := side - need - 1) > 0 else 0
        for place, side, need in ((y, texture.shape[0], height), (x, texture.shape[1], width))
    )
    return texture[top : top + height, left : left + width]


def coloured(grey: Floats, blue: float, green: float, red: float) -> U8:
    """A picture in one colour, ``(h, w)`` from 0 to 1 times each."""
    shades = [np.asarray(cv2.convertScaleAbs(_f32(grey), alpha=one), np.uint8) for one in (blue, green, red)]
    return np.asarray(cv2.merge(shades), np.uint8)


def warped(image: U8, matrix: npt.NDArray[Any]) -> U8:
    """Moved by a matrix, ``(2, 3)``; what comes in from beyond the edge is mirrored."""
    size = image.shape[1], image.shape[0]
    return np.asarray(cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT), np.uint8)


def box(image: U8, left: float, top: float, right: float, bottom: float, edge: float = 0.004) -> F32:
    """The opacity of a rectangle with soft edges, shares of the picture's sides."""
    x, y = plane(image)
    far = np.minimum(np.minimum(x - left, right - x), np.minimum(y - top, bottom - y))
    return np.asarray(np.clip(far / edge + 0.5, 0, 1), np.float32)


class Now:
    """When something happens, as buses come: at random, and for some time.

    Args:
        random: Decides when.
        every_s: Seconds from one end to the next beginning, in the mean.
        lasts_s: Shortest and longest time that it lasts, seconds.
        first_s: When it can be for the first time.
    """

    def __init__(self, random: Random, every_s: float, lasts_s: tuple[float, float], first_s: float) -> None:
        self._starts: list[float] = []
        self._ends: list[float] = []
        at_s = first_s
        while at_s < LONGEST_S:
            at_s += float(random.exponential(every_s))
            self._starts.append(at_s)
            at_s += float(random.uniform(*lasts_s))
            self._ends.append(at_s)

    def __call__(self, at_s: float) -> tuple[int, float, float] | None:
        """Which one it is, seconds since it began and seconds until it ends; None: nothing happens."""
        index = bisect.bisect_right(self._starts, at_s) - 1
        if index < 0 or at_s >= self._ends[index]:
            return None
        return index, at_s - self._starts[index], self._ends[index] - at_s


def passing(since_s: float, left_s: float, way_s: float) -> float:
    """How far something has come in, from 0 to 1: it comes and goes within `way_s`, and stands between."""
    return float(np.clip(min(since_s, left_s) / way_s, 0, 1))
