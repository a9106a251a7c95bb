"""What health sees of one frame: a small grey picture with its slopes, its colours, and how sharp it is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge_node.frames import Frame
from edge_node.pictures import U8, OnGpu, scaled
from shared.geometry import F32

WIDTH = 160
"""Width of the small picture in which blocks are compared; its height keeps the camera's aspect."""
FINE = 2 * WIDTH
"""Width of the picture in which a shift is searched for."""
COLUMNS, ROWS = 8, 6
"""Blocks across and down."""
_LINES = 24  # rows of the full picture in which sharpness is measured
_TALLEST = 3  # times its width: a taller picture is squeezed
_DARK, _BRIGHT = 28, 245


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What is seen of one frame.

    Attributes:
        at_s: Time on the frame's clock for durations, seconds.
        at_us: Wall clock, microseconds since 1970.
        fine: Grey, u8 ``(h, FINE)``.
        colour: BGR, u8 ``(h / 2, WIDTH, 3)``.
        gradient: f32 ``(2, h / 2, WIDTH)``: the grey picture's slope to the right and down.
        energy: f32 ``(ROWS, COLUMNS)``: mean square of the slope in each block.
        means: f32 ``(ROWS, COLUMNS)``: mean grey level of each block.
        differences: Mean square difference of pixels that are 2, 8 and 32 apart, in the full picture.
        lines: Grey levels of some rows of the full picture, u8, for noise.
        brightness: Mean grey level.
        dark: Share of dark pixels.
        bright: Share of pixels that are white or nearly so.
        spread: Grey levels between the darkest and the brightest twentieth.
    """

    at_s: float
    at_us: int
    fine: U8
    colour: U8
    gradient: F32
    energy: F32
    means: F32
    differences: tuple[float, float, float]
    lines: U8
    brightness: float
    dark: float
    bright: float
    spread: float


def glance(frame: Frame) -> Glance:
    """Look at a frame: 0.4 to 0.7 ms, hardly depending on its size."""
    height = max(2 * ROWS, min(round(FINE * frame.height / frame.width), FINE * _TALLEST)) // 2 * 2
    if isinstance(frame.picture, OnGpu):
        fine = scaled(frame.picture, FINE, height)
    else:  # the mean of two pixels is enough, and that of all would cost ten times as much
        large = cv2.resize(frame.picture, (2 * FINE, height), interpolation=cv2.INTER_NEAREST)
        fine = halved(np.asarray(large, np.uint8), height)
    colour = halved(fine, height // 2)
    grey = cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY)
    slopes = gradient(np.asarray(grey, np.uint8))
    lines = _lines(frame)
    counts = np.bincount(grey.ravel(), minlength=256).cumsum() / grey.size
    low, high = np.searchsorted(counts, (0.05, 0.95)).tolist()
    return Glance(
        at_s=frame.monotonic_ns / 1e9,
        at_us=frame.captured_ns // 1000,
        fine=np.asarray(cv2.cvtColor(fine, cv2.COLOR_BGR2GRAY), np.uint8),
        colour=colour,
        gradient=slopes,
        energy=blocks(slopes[0] * slopes[0] + slopes[1] * slopes[1]),
        means=blocks(np.asarray(grey, np.float32)),
        differences=(_difference(lines, 2), _difference(lines, 8), _difference(lines, 32)),
        lines=lines,
        brightness=float(grey.mean()),
        dark=float(counts[_DARK]),
        bright=float(1.0 - counts[_BRIGHT - 1]),
        spread=float(high - low),
    )


def halved(image: U8, height: int) -> U8:
    """An image of half the width and of a height that is the same or half; the mean of the pixels of each.

    Where sides are halved exactly, linear interpolation gives that mean, at a quarter of the cost of areas.
    """
    size = image.shape[1] // 2, height
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def gradient(grey: U8) -> F32:
    """The slopes of a grey picture to the right and down, ``(2, h, w)``, after a little smoothing."""
    smooth = cv2.GaussianBlur(grey, (3, 3), 0)
    slopes = np.stack([cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)])
    return np.asarray(slopes / 8.0, np.float32)


def blocks(values: F32) -> F32:
    """The mean of each block, ``(ROWS, COLUMNS)``."""
    return np.asarray(cv2.resize(values, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA), np.float32)


def _lines(frame: Frame) -> U8:
    """Some rows of the full picture: green where it is BGR, ``(n, width)``."""
    step = max(1, frame.height // _LINES)
    tops = range(step // 2, frame.height - 1, step)
    if isinstance(frame.picture, OnGpu):  # each row is a copy out of the GPU's memory: take fewer
        rows = [frame.part((0, top, frame.width, top + 1)) for top in tops[::4]]
        return np.ascontiguousarray(np.concatenate(rows)[:, :, 1])
    return np.ascontiguousarray(frame.picture[tops.start :: step, :, 1])


def _difference(lines: U8, apart: int) -> float:
    if lines.shape[1] <= apart:
        return 0.0
    wide = lines.astype(np.int16)
    change = wide[:, apart:] - wide[:, :-apart]
    return float(cv2.norm(change, cv2.NORM_L2SQR)) / change.size
