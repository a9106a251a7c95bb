"""What cameras see before anything happens: videos, and photographs that are filmed with a sensor's noise."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np

from edge_node.pictures import U8
from tests.bench.health.made.paint import grainy
from tests.edge_node.health.films import RATE, Film, passed_through

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
WIDTH = 480
"""Of every picture: half of the time goes into making pictures, and a node looks at 320 pixels of them."""
HEIGHT = 360
_FRAMES = 400  # of a video, which is played there and back


def named(data: Path, count: int, seed: int) -> list[Path]:
    """The videos of a folder, and some of its large photographs without people close by."""
    known = json.loads((data / "coco_mini_val" / "instances.json").read_text())
    areas: dict[int, float] = {}
    for one in known["annotations"]:
        areas[one["image_id"]] = max(areas.get(one["image_id"], 0), one["area"])
    fitting = [one for one in known["images"] if areas.get(one["id"], 0) < 0.2 * one["width"] * one["height"]]
    chosen = np.random.default_rng(seed).permutation(len(fitting))[:count].tolist()
    pictures = [data / "coco_mini_val" / "images" / fitting[one]["file_name"] for one in chosen]
    return [*sorted((data / "video").iterdir()), *pictures]


def digest(path: Path) -> str:
    """The begin of its SHA-256, to tell which file it was."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


@functools.cache
def film(path: Path) -> Film:
    """What a camera sees; `WIDTH` pixels wide."""
    return _photograph(path) if path.suffix in (".jpg", ".png") else _video(path)


def _scaled(image: U8) -> U8:
    height = round(WIDTH * image.shape[0] / image.shape[1] / 2) * 2
    return np.asarray(cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)


def _video(path: Path) -> Film:
    reader = cv2.VideoCapture(str(path))
    frames: list[U8] = []
    while len(frames) < _FRAMES:
        good, frame = reader.read()
        if not good:
            break
        frames.append(_scaled(np.asarray(frame, np.uint8)))
    last = len(frames) - 1

    def at(t: float) -> U8:
        index = round(t * RATE) % (2 * last)
        return frames[min(index, 2 * last - index)]

    return at


def _photograph(path: Path) -> Film:
    """A photograph through which three things pass, each a part of it."""
    image = np.asarray(cv2.resize(np.asarray(cv2.imread(str(path)), np.uint8), (WIDTH, HEIGHT)), np.uint8)
    random = np.random.default_rng(sum(path.name.encode()))
    parts = (image[45 : 130 + 30 * n, 30 + 70 * n : 60 + 90 * n][:, ::-1] for n in range(3))
    things = [np.ascontiguousarray(part) for part in parts]
    passed = passed_through(image, things, random)
    return lambda t: grainy(passed(t), 2, random)
