"""Made-up hours of one camera, of which it is known what is real: pictures and detections every two seconds.

A thing has pixels of its own, and is painted where it stands. Scenery is painted into the background, so that
the network finds "something" in a picture that never changes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge_node.frames import Detected, Detections, Frame, Tracks
from edge_node.ignore.looks import HEIGHT, WIDTH
from edge_node.ignore.suspects import SAMPLE_S
from edge_node.pictures import U8
from shared.geometry import F32, F64

Where = Callable[[float], tuple[float, float] | None]
"""Centre of a thing at a time, fractions of the frame; None while it is not there."""
Light = Callable[[float], float]


@dataclass(frozen=True)
class Thing:
    """Something that the network takes for an object.

    Attributes:
        where: Its place over time.
        size: Width and height, fractions of the frame.
        pixels: Seed of its look; None: it is scenery, and has no pixels of its own.
        found: Share of the pictures in which the network finds it.
        score: Of its detections, on average.
        class_id: Its class.
        sway: How far it moves about its place, in fractions of its size: people do, cars do not.
    """

    where: Where
    size: tuple[float, float] = (0.06, 0.2)
    pixels: int | None = None
    found: float = 1.0
    score: float = 0.7
    class_id: int = 0
    sway: float = 0.0


@functools.cache
def texture(seed: int, width: int, height: int, grain: int = 5) -> U8:
    """Patches of grey, as the world has at the size of `looks`."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 236, (max(2, height // grain), max(2, width // grain)), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


class Film:
    """The pictures and detections of one camera.

    Args:
        things: Those in front come last.
        light: How bright it is over time, 1 by day.
        noise: Standard deviation of the sensor's noise, grey levels.
        seed: Of everything that is left to chance.
        switched: Times at which shadows change at once, as when a lamp is switched.
    """

    def __init__(
        self,
        things: Sequence[Thing],
        light: Light = lambda _t: 1.0,
        noise: float = 2.0,
        seed: int = 0,
        switched: Sequence[float] = (),
    ) -> None:
        self._things, self._light, self._switched = things, light, switched
        self._rng = np.random.default_rng(seed)
        self._ground = texture(seed + 1000, WIDTH, HEIGHT)
        shade = 0.6 + 0.4 * texture(seed + 2000, WIDTH, HEIGHT, grain=30).astype(np.float32) / 255
        self._shades = [np.roll(shade, 90 * turns, axis=1) for turns in range(4)]
        self._noise = [self._rng.normal(0, noise, (HEIGHT, WIDTH)).astype(np.float32) for _ in range(16)]

    def play(
        self, until_s: float, start_s: float = 0.0
    ) -> Iterator[tuple[Detected, Detections, Tracks, float]]:
        """What a hunt is shown, picture by picture."""
        for step in range(int((until_s - start_s) / SAMPLE_S)):
            now_s = start_s + step * SAMPLE_S
            yield self._at(now_s, step)

    def _at(self, now_s: float, step: int) -> tuple[Detected, Detections, Tracks, float]:
        grey: F32 = self._ground.astype(np.float32)
        boxes, scores, class_ids = [], [], []
        for thing in self._things:
            spot = thing.where(now_s)
            if spot is None:
                continue
            sway = self._rng.normal(0, thing.sway, 2) * thing.size if thing.sway else np.zeros(2)
            low = np.array(spot) + sway - np.array(thing.size) / 2
            box = np.concatenate((low, low + thing.size))
            if thing.pixels is not None:
                _paint(grey, box, thing.pixels)
            if self._rng.random() < thing.found:
                boxes.append(box + self._rng.normal(0, 0.02, 4) * (thing.size * 2))
                scores.append(np.clip(thing.score + self._rng.normal(0, 0.04), 0.05, 0.99))
                class_ids.append(thing.class_id)
        shade = self._shades[sum(now_s >= at for at in self._switched) % 4]
        np.multiply(grey, shade * np.float32(self._light(now_s)), out=grey)
        grey += self._noise[step % 16]
        image = cv2.cvtColor(cv2.convertScaleAbs(np.maximum(grey, 0.0)), cv2.COLOR_GRAY2BGR)
        frame = Frame("c", step, int((1.7e9 + now_s) * 1e9), int(now_s * 1e9), np.asarray(image, np.uint8))
        xyxy = np.clip(np.array(boxes, np.float64).reshape(-1, 4), 0, 1) * (WIDTH, HEIGHT, WIDTH, HEIGHT)
        found = Detections(
            xyxy.astype(np.float32), np.array(scores, np.float32), np.array(class_ids, np.int32)
        )
        return Detected(frame, found, {}), found, followed(found), now_s


def followed(found: Detections) -> Tracks:
    """Every detection as a track."""
    n = len(found)
    zeros: F32 = np.zeros(n, np.float32)
    return Tracks(
        found.xyxy,
        found.score,
        found.class_id,
        np.arange(n, dtype=np.int64),
        zeros,
        np.zeros((n, 2), np.float32),
        np.zeros(n, np.bool_),
    )


def _paint(grey: F32, box: F64, seed: int) -> None:
    x1, y1, x2, y2 = (box * (WIDTH, HEIGHT, WIDTH, HEIGHT)).round().astype(int).tolist()
    left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, WIDTH), min(y2, HEIGHT)
    if left < right and top < bottom:
        pixels = texture(seed, x2 - x1, y2 - y1)
        grey[top:bottom, left:right] = pixels[top - y1 : bottom - y1, left - x1 : right - x1]


def stands(x: float, y: float, start_s: float = -1.0, end_s: float = 1e9) -> Where:
    """Stands still between two times."""
    return lambda t: (x, y) if start_s <= t < end_s else None


def passes(y: float, every_s: float, speed: float = 0.1, first_s: float = 0.0) -> Where:
    """Comes every so many seconds and crosses the picture from left to right."""

    def where(t: float) -> tuple[float, float] | None:
        x = ((t - first_s) % every_s) * speed - 0.1
        return (x, y) if t >= first_s and x < 1.1 else None

    return where
