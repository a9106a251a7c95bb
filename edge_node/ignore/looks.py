"""How places in a camera's picture look: small grey pictures, and whether two of them show the same thing."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge_node.pictures import U8, OnGpu, Picture, scaled
from shared.geometry import F32, F64, Bool, Floats

Index = npt.NDArray[np.intp]

WIDTH, HEIGHT = 320, 180
"""Size of the grey picture in which places are compared; its sides do not keep the camera's aspect."""
SIDE = 12
"""A look has this many pixels down and across."""
_MARGIN = 0.1  # of the box's sides: a thing is also told by the edge between it and what is around
_RIM = 0.05  # of the box's sides; motion that close to the border may be somebody else's
_FLAT = 4.0  # grey levels: a look with a smaller standard deviation shows nothing, such as a dark corner
_MOVED = 10.0  # grey levels that are more than light and noise
_AROUND = 41  # pixels; the mean change in a square of this side counts as light
_STIRS = 0.02  # share of a box's pixels that must change for something to have moved in it
_NOISES = 3.0  # times the usual difference, by which a change must stand out from noise
_OTHER = 6.0  # grey levels, at a usual contrast, by which a block of the picture differs in another light
_LIGHT = 0.5  # share of the picture's blocks that change together when the light does, or the camera


def shrink(picture: Picture) -> U8:
    """The grey picture of a frame, ``(HEIGHT, WIDTH)``."""
    if not isinstance(picture, OnGpu):
        step = max(1, min(picture.shape[1] // (2 * WIDTH), picture.shape[0] // (2 * HEIGHT)))
        picture = np.ascontiguousarray(picture[::step, ::step])
    small = scaled(picture, WIDTH, HEIGHT)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)


def looks(picture: U8, boxes: F64) -> F32:
    """How the picture looks in each box.

    Args:
        picture: From `shrink`.
        boxes: Fractions of the frame, ``(N, 4)``.

    Returns:
        Grey levels, ``(N, SIDE * SIDE)``.
    """
    low, high = _pixels(boxes, _MARGIN)
    found = np.zeros((len(boxes), SIDE, SIDE), np.float32)
    for index, ((x1, y1), (x2, y2)) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        found[index] = cv2.resize(picture[y1:y2, x1:x2], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return found.reshape(len(boxes), SIDE * SIDE)


def _pixels(boxes: F64, margin: float) -> tuple[Index, Index]:
    """First and last corners ``(N, 2)`` of boxes in a grey picture; the margin is a share of their sides."""
    sides = boxes[:, 2:] - boxes[:, :2]
    grown = np.hstack((boxes[:, :2] - margin * sides, boxes[:, 2:] + margin * sides))
    pixels = grown * (WIDTH, HEIGHT, WIDTH, HEIGHT)
    low = np.clip(np.floor(pixels[:, :2]), 0, (WIDTH - 2, HEIGHT - 2)).astype(np.intp)
    high = np.clip(np.ceil(pixels[:, 2:]), low + 2, (WIDTH, HEIGHT)).astype(np.intp)
    return low, high


def likeness(some: F32, others: F32) -> F64:
    """How much pairs of looks are alike, whatever the light: their correlation.

    Args:
        some: ``(N, SIDE * SIDE)``.
        others: As many.

    Returns:
        ``(N,)``: 1 for the same, about 0 for different things; NaN where one of both shows nothing.
    """
    a = some - some.mean(axis=1, keepdims=True)
    b = others - others.mean(axis=1, keepdims=True)
    deviation = np.sqrt((a * a).mean(axis=1)), np.sqrt((b * b).mean(axis=1))
    shown = np.minimum(*deviation) >= _FLAT
    product = np.where(shown, deviation[0] * deviation[1], np.nan)
    return np.asarray((a * b).mean(axis=1) / product, np.float64)


def changes(before: U8, now: U8, noise: float) -> F64:
    """Where two pictures differ by more than light and noise, as sums from the upper left corner.

    Args:
        before: From `shrink`.
        now: The same, a moment later.
        noise: From `noise_of` the two pictures.

    Returns:
        Numbers of pixels, ``(HEIGHT + 1, WIDTH + 1)``.
    """
    change = now.astype(np.float32) - before
    # The mean change around a pixel counts as light. Motion nearby shifts that mean, too, so the pixel itself
    # must also have changed.
    locally = change - cv2.blur(change, (_AROUND, _AROUND))
    least = np.minimum(np.abs(change), np.abs(locally))
    return np.asarray(cv2.integral((least > _MOVED + _NOISES * noise).astype(np.uint8)), np.float64)


def moved(sums: F64, boxes: F64) -> Bool:
    """In which boxes ``(N, 4)``, fractions of the frame, something has moved; `sums` are from `changes`.

    A rim inside each box does not count: somebody who passes close to a thing does not move it.
    """
    low, high = _pixels(boxes, -_RIM)
    left, top = low[:, 0], low[:, 1]
    right, bottom = high[:, 0], high[:, 1]
    pixels = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return np.asarray(pixels > _STIRS * (right - left) * (bottom - top))


def noise_of(before: U8, now: U8) -> float:
    """The usual difference between two pictures, grey levels: most of what a camera sees stands still."""
    change = now[::4, ::4].astype(np.float32) - before[::4, ::4]
    return float(np.median(np.abs(change - np.median(change))))


def light_changed(before: U8, now: U8, noise: float) -> bool:
    """Whether most of the picture is another one: the light was switched, or the camera was turned."""
    size = (WIDTH // 16, HEIGHT // 15)
    a, b = (cv2.resize(one, size, interpolation=cv2.INTER_AREA).astype(np.float32) for one in (before, now))
    change = np.abs(_standard(a) - _standard(b)) * 40.0
    return bool((change > _OTHER + _NOISES * noise).mean() > _LIGHT)


def _standard(values: Floats) -> F32:
    centred = values - np.median(values)
    return np.asarray(centred / max(float(np.abs(centred).mean()), _FLAT), np.float32)
