"""Drawn pictures of balls, boxes and cones, whose truth is known: what the notebook here learns from.

Everything depends on the seed alone, so that a score means the same on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

NAMES = ("ball", "box", "cone")
"""The classes, in the order of their ids."""
WIDTH, HEIGHT, FPS = 320, 256, 10
_CORNERS = {"ball": 48, "box": 4, "cone": 3}
_COLOURS = {"ball": (50, 50, 215), "box": (60, 205, 80), "cone": (215, 130, 45)}
"""About which colour things have: blue, green, red."""
_LEAST, _MOST = 18, 32
"""Radii of the circles that things are drawn in, pixels."""
_SHIFT = 4
"""OpenCV draws in fractions of a pixel, of so many bits: edges are smooth and boxes exact."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One object of a picture.

    Attributes:
        kind: Index into `NAMES`.
        x: Of its middle, pixels.
        y: Of its middle, pixels.
        radius: Of the circle that its corners lie on, pixels.
        turn: Angle of its first corner, radians.
        colour: Blue, green, red.
    """

    kind: int
    x: float
    y: float
    radius: float
    turn: float
    colour: tuple[int, int, int]

    def outline(self) -> np.ndarray[Any, Any]:
        """Its corners ``(N, 2)``, pixels."""
        corners = _CORNERS[NAMES[self.kind]]
        angles = self.turn + np.arange(corners) * (2 * np.pi / corners)
        return np.stack(
            [self.x + self.radius * np.cos(angles), self.y + self.radius * np.sin(angles)], axis=1
        )


def draw(things: list[Thing], seed: int, *, night: bool = False) -> np.ndarray[Any, Any]:
    """A picture: u8 ``(HEIGHT, WIDTH, 3)``, BGR.

    Args:
        things: What is in it; later ones lie on top.
        seed: Of the background.
        night: Dark, noisy and blurred, as a cheap camera sees it.
    """
    random = np.random.default_rng(seed)
    coarse = random.integers(80, 176, (4, 5, 3), np.uint8)
    image = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for thing in things:
        points = np.round(thing.outline() * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(image, [points], thing.colour, cv2.LINE_AA, _SHIFT)
    grain = 8.0 if night else 4.0
    if night:
        image = cv2.GaussianBlur(image, (0, 0), 1.6)
        image = (image * np.array([0.4, 0.28, 0.2])).astype(np.uint8)
    noisy = image + random.normal(0.0, grain, image.shape)
    return np.asarray(noisy.clip(0, 255), np.uint8)


def dataset(folder: Path, count: int, seed: int, *, night: bool = False) -> Path:
    """Pictures with three to six things each, and their COCO file.

    Args:
        folder: Is made; gets `images/` and `instances.json`.
        count: How many pictures.
        seed: Of all choices.
        night: As in `draw`.

    Returns:
        The COCO file.
    """
    random = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        things = _scattered(random)
        name = f"{'night' if night else 'day'}_{number:04d}.jpg"
        image = draw(things, int(random.integers(1 << 31)), night=night)
        cv2.imwrite(str(folder / "images" / name), image)
        images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for thing in things:
            left, top = thing.outline().min(axis=0).tolist()
            right, bottom = thing.outline().max(axis=0).tolist()
            box = [left, top, right - left, bottom - top]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": thing.kind + 1,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": kind + 1, "name": name} for kind, name in enumerate(NAMES)]
    path = folder / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def film(path: Path, seed: int, kinds: list[str], *, night: bool = False) -> float:
    """A video of things that travel from left to right, one after the other.

    Args:
        path: Of the video, `.avi`.
        seed: Of all choices.
        kinds: What travels, in this order.
        night: As in `draw`.

    Returns:
        Its length, seconds.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT))
    frames = 0
    try:
        for things in _travelling(np.random.default_rng(seed), kinds):
            writer.write(draw(things, seed, night=night))
            frames += 1
    finally:
        writer.release()
    return frames / FPS


def _thing(random: np.random.Generator, kind: int, x: float, y: float) -> Thing:
    blue, green, red = (np.array(_COLOURS[NAMES[kind]]) + random.integers(-35, 36, 3)).tolist()
    radius, turn = random.uniform(_LEAST, _MOST), random.uniform(0, 2 * np.pi)
    return Thing(kind, x, y, radius, turn, (blue, green, red))


def _scattered(random: np.random.Generator) -> list[Thing]:
    """Three to six things that do not touch, wholly inside the picture."""
    places: list[tuple[float, float]] = []
    wanted = random.integers(3, 7)
    while len(places) < wanted:
        x, y = random.uniform(_MOST, WIDTH - _MOST), random.uniform(_MOST, HEIGHT - _MOST)
        if all(np.hypot(x - other[0], y - other[1]) > 2 * _MOST for other in places):
            places.append((x, y))
    return [_thing(random, int(random.integers(len(NAMES))), x, y) for x, y in places]


def _travelling(random: np.random.Generator, kinds: list[str]) -> Iterator[list[Thing]]:
    """What is in each frame: a thing enters every 2 s, and needs 4 s to cross the picture."""
    speed, every = WIDTH / (4 * FPS), 2 * FPS
    lanes = (0.25, 0.5, 0.75)
    started = [
        (number * every, _thing(random, NAMES.index(kind), 0.0, HEIGHT * lanes[number % len(lanes)]))
        for number, kind in enumerate(kinds)
    ]
    for frame in range((len(kinds) - 1) * every + round((WIDTH + 2 * _MOST) / speed) + 1):
        there = []
        for first, thing in started:
            x = (frame - first) * speed - _MOST
            if -_MOST <= x <= WIDTH + _MOST and frame >= first:
                there.append(
                    Thing(thing.kind, x, thing.y, thing.radius, thing.turn + 0.02 * frame, thing.colour)
                )
        yield there
