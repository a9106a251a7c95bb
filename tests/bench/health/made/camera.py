"""Ordinary scenes of a camera's own doing: compression, noise, clocks in the picture, focus, lost packets."""

from __future__ import annotations

import math
import subprocess
import weakref
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from edge_node.pictures import U8
from tests.bench.health.made.light import infrared
from tests.bench.health.made.paint import (
    Make,
    Now,
    Paint,
    Random,
    cloudy,
    coloured,
    copied,
    grainy,
    lit,
    soft,
    window,
)
from tests.edge_node.health.films import RATE, Film
from tests.sources.rtsp import SYSTEM_PYTHON


class Coder:
    """A real H.264 encoder and decoder (OpenH264, by GStreamer), which takes pictures one by one."""

    def __init__(self, width: int, height: int, kbit: int, gop: int) -> None:
        script = Path(__file__).with_name("coder.py")
        command = [SYSTEM_PYTHON, str(script), *map(str, (width, height, kbit, gop))]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._end = weakref.finalize(self, self._process.kill)

    def __call__(self, image: U8) -> U8:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(np.ascontiguousarray(image).tobytes())
        self._process.stdin.flush()
        data = self._process.stdout.read(image.size)
        if len(data) < image.size:
            raise RuntimeError("the encoder ended: are python3-gi and gstreamer1.0-plugins-bad there?")
        return np.frombuffer(data, np.uint8).reshape(image.shape)


def coded(kbit: int, gop: int, source: Callable[[Film, Random], Film]) -> Make:
    """A scene as it comes out of H.264 at a rate in kilobits a second, a keyframe every `gop` pictures.

    Every picture goes through the encoder, in order; what is asked for again is not encoded again.
    """

    def make(film: Film, random: Random) -> Film:
        plain = source(film, random)
        height, width = plain(0).shape[:2]
        coder, number, shown = Coder(width, height, kbit, gop), -1, plain(0)

        def at(t: float) -> U8:
            nonlocal number, shown
            while number < round(t * RATE):
                number += 1
                shown = coder(plain(number / RATE))
            return shown

        return at

    return make


def still_life(sigma: float) -> Make:
    """One picture with a little noise and nothing that moves, for most of the time."""

    def make(film: Film, random: Random) -> Film:
        one, busy = film(0), Now(random, 240, (10, 60), 60)
        return lambda t: grainy(film(t) if busy(t) else one, sigma, random)

    return make


def night_still_life(film: Film, random: Random) -> Film:
    """A still night by an infrared lamp, and a day, four times an hour."""
    one = film(0)
    return lambda t: infrared(one, random) if t % 900 > 300 else grainy(film(t), 2, random)


def mixed(before: float, now: float) -> Make:
    """Noise that the camera takes off over time: each picture is mixed with those before it."""

    def make(source: Film, random: Random) -> Film:
        kept: dict[str, U8] = {}

        def at(t: float) -> U8:
            fresh = grainy(source(t), 5, random)
            last = kept.get("last", fresh)
            moves = cv2.absdiff(cv2.blur(fresh, (9, 9)), cv2.blur(last, (9, 9))).max(axis=2) > 6
            out = np.asarray(cv2.addWeighted(last, before, fresh, now, 0), np.uint8)
            out[moves] = fresh[moves]
            kept["last"] = out
            return out

        return at

    return make


def noise(random: Random) -> Paint:
    """High gain: noise of 3 to 22 levels, with columns that stand still, darker and brighter."""
    columns = np.random.default_rng(5).normal(0, 4, (1, 4000, 1))

    def paint(image: U8, t: float) -> U8:
        gain = 0.5 - 0.5 * math.cos(t / 100)
        fixed = np.repeat((128 + gain * columns[:, : image.shape[1]]).astype(np.uint8), 3, axis=2)
        fixed = np.repeat(fixed, image.shape[0], axis=0)
        out = np.asarray(cv2.addWeighted(lit(image, 1 - 0.5 * gain), 1.0, fixed, 1.0, -128), np.uint8)
        return grainy(out, 3 + 19 * gain, random)

    return paint


def display(large: bool) -> Callable[[Random], Paint]:
    """A clock, a name and a logo burnt in; large: over a third of the view, with a border at times."""

    def begin(_: Random) -> Paint:
        def paint(image: U8, t: float) -> U8:
            out, (height, width) = copied(image), image.shape[:2]
            clock = f"2031-02-03 {int(t) // 3600:02}:{int(t) // 60 % 60:02}:{int(t) % 60:02}"
            size = width / (330 if large else 700)
            white, black = (255, 255, 255), (0, 0, 0)
            for colour, thick in ((black, 4), (white, 2)):
                cv2.putText(out, clock, (10, int(height * 0.1)), 0, size, colour, thick, cv2.LINE_AA)
                cv2.putText(out, "CAM 04 YARD", (10, height - 12), 0, size, colour, thick, cv2.LINE_AA)
            if large and t % 120 > 60:
                cv2.rectangle(out, (0, int(height * 0.8)), (width, height), (160, 40, 20), -1)
                cv2.putText(out, "MOTION DETECTED", (10, height - 20), 0, size, white, 2, cv2.LINE_AA)
                cv2.rectangle(out, (2, 2), (width - 2, height - 2), (0, 0, 255), 6)
            return out

        return paint

    return begin


def focus_hunts(random: Random) -> Paint:
    """An autofocus that searches for 1.5 s when somebody passes, every minute."""
    hunts = Now(random, 60, (1.0, 1.8), 0)

    def paint(image: U8, t: float) -> U8:
        hunt = hunts(t)
        return image if hunt is None else grainy(soft(image, 3 * math.sin(4 * hunt[1]) ** 2), 1.5, random)

    return paint


def profiles(random: Random) -> Paint:
    """Another picture profile by day and night: sharpening off, softer contrast, other colours."""

    def paint(image: U8, t: float) -> U8:
        if t % 600 < 300:
            edges = cv2.addWeighted(image, 1.5, soft(image, 1.2), -0.5, 0)
            return grainy(np.asarray(edges, np.uint8), 1, random)
        return grainy(lit(soft(image, 0.5), 0.85, 18), 2, random)

    return paint


def packets(random: Random) -> Paint:
    """Lost packets: for 1 to 2 s, until the next keyframe, a part smears or is grey; every 40 s."""
    lost = Now(random, 40, (1.0, 2.2), 0)

    def paint(image: U8, t: float) -> U8:
        hole = lost(t)
        if hole is None:
            return image
        out, (height, width) = copied(image), image.shape[:2]
        top = int(height * (0.3 + 0.1 * (hole[0] % 5)))
        if hole[0] % 2:
            out[top:] = 128
        else:
            out[top:] = out[top : top + 1]
            out[top::16, : width // 2] = 90
        return out

    return paint


def stutter(film: Film, random: Random) -> Film:
    """A network that stands for 0.5 to 2 s, every 20 s, while the reader gives the last picture again."""
    stands, kept = Now(random, 20, (0.5, 2.0), 0), dict[int, U8]()

    def at(t: float) -> U8:
        stand = stands(t)
        if stand is None:
            return grainy(film(t), 2, random)
        if stand[0] not in kept:
            kept.clear()
            kept[stand[0]] = grainy(film(t), 2, random)
        return kept[stand[0]]

    return at


def restarts(_: Random) -> Paint:
    """A camera that starts anew every 5 minutes: 2 s of black or of a maker's logo, then a wrong exposure."""

    def paint(image: U8, t: float) -> U8:
        phase, number = t % 300, int(t / 300)
        if phase < 2:
            logo = np.full_like(image, 0 if number % 2 else 160)
            cv2.circle(logo, (image.shape[1] // 2, image.shape[0] // 2), 60, (200, 90, 20), -1)
            return logo
        return lit(image, 1 + 2.5 * math.exp(-(phase - 2) / 0.6)) if phase < 6 else image

    return paint


def other_sizes(film: Film, random: Random) -> Film:
    """A stream that changes its size every 5 minutes, as a camera's settings do."""
    sizes = [(640, 480), (1280, 720), (352, 288), (704, 576)]

    def at(t: float) -> U8:
        size = sizes[int(t / 300) % len(sizes)]
        return grainy(
            np.asarray(cv2.resize(film(t), size, interpolation=cv2.INTER_AREA), np.uint8), 2, random
        )

    return at


def water_and_leaves(random: Random) -> Paint:
    """Sea, river or corn over two thirds of the view: all of it moves, always."""
    waves, foam = cloudy(random, 22), cloudy(random, 6)

    def paint(image: U8, t: float) -> U8:
        top = image.shape[0] // 3
        out, part = copied(image), image[top:]
        near = window(foam, part, 70 * t, 200 + 20 * math.sin(t))
        out[top:] = coloured(0.5 * window(waves, part, 40 * t, 15 * t) + 0.5 * near, 190, 170, 120)
        return out

    return paint
