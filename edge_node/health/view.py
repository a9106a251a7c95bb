"""The view that a camera's pictures are compared with, and where it lies in a picture of now.

Slopes of grey levels are compared block by block, by their correlation: light scales slopes, and leaves their
correlation. Where too few blocks agree, keypoints of both pictures (SIFT, Lowe 2004) are matched, and RANSAC
(Fischler and Bolles 1981) finds the shift, turn and scale on which most of them agree. It counts only if the
picture, put back by it, agrees with the view again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from edge_node.health.glance import COLUMNS, FINE, ROWS, WIDTH, Glance, blocks, gradient
from edge_node.pictures import U8
from shared.geometry import F32, F64, Bool
from shared.wire.messages import ViewShift

LIKE = 0.35
"""The least correlation of a block that shows what it showed before."""
_SURELY = 0.75  # of another view, hardly any block is as like as that
TEXTURE = 4.0
"""The least mean square slope of a block that shows something."""
_FEWEST = 5  # blocks that must show something for a view to be of use
_KEYPOINTS = 400
_RATIO = 0.8  # how much nearer the best match must be than the second (Lowe)
_INLIERS, _SPREAD = 10, 0.12  # matches that agree, and the share of the picture's sides that they span
_WITHIN = 3.0  # pixels of the fine picture by which a match may be off
_AGREES, _GAIN = 0.45, 0.1  # share of blocks that agree once the picture is put back, and how much that adds
_SURE = 0.75  # share of blocks from which a picture shows the view, however much it showed before
_WHOLE = 250  # of 255: how much of a block lies inside the picture
_DULL = 0.16  # of the energy that a block had; four tenths of the contrast
_BRIGHTER = 4.0
_WIDTHS = 1.0, 2.0, 6.0  # standard deviations, pixels of the fine picture, that part its structure
IN_PLACE = 0.012
"""How far a corner of a picture at the same place may seem to have moved, as a fraction of the width."""
_RENEW = 0.1  # of the new picture, each time that a view is renewed


@dataclass(frozen=True, slots=True)
class Likeness:
    """How a glance compares with a view.

    Attributes:
        share: Of the blocks that show something in the view, how many show the same now.
        lost_dull: Of the blocks that show something else, how many show nothing now.
        trace: Correlation of all slopes: above 0.1, what was there is still to be seen.
        agree: The blocks that show the same, ``(ROWS, COLUMNS)``.
        surely: Those of them that show it so clearly that it is no chance.
        lost: The blocks that show something else.
        flat: Those of them that show nothing now.
    """

    share: float
    lost_dull: float
    trace: float
    agree: Bool
    surely: Bool
    lost: Bool
    flat: Bool


class _Look:
    """The slopes of a view in one light, f32 ``(2, h, w)``."""

    def __init__(self, slopes: F32) -> None:
        self.slopes = slopes
        self.energy = blocks(slopes[0] ** 2 + slopes[1] ** 2)
        self.shows: Bool = np.asarray(self.energy > TEXTURE)
        self.length = math.sqrt(float(np.vdot(slopes, slopes))) + 1e-6

    def likeness(self, slopes: F32, energy: F32, inside: Bool | None = None) -> Likeness:
        shows = self.shows if inside is None else self.shows & inside
        product = slopes[0] * self.slopes[0] + slopes[1] * self.slopes[1]
        alike = blocks(product) / np.sqrt(energy * self.energy + 1e-6)
        lost = shows & (alike < LIKE)
        flat = lost & (energy < _DULL * self.energy)
        length = math.sqrt(float(energy.mean()) * slopes[0].size) + 1e-6
        missing, count = int(lost.sum()), int(shows.sum())
        return Likeness(
            share=1.0 - missing / count if count else 0.0,
            lost_dull=int(flat.sum()) / max(missing, 1),
            trace=float(product.sum()) / (length * self.length) if count else 0.0,
            agree=shows & ~lost,
            surely=shows & (alike >= _SURELY),
            lost=lost,
            flat=flat,
        )


class View:
    """How a camera's picture is when it is right.

    Args:
        fine: Grey picture, u8 ``(h, FINE)``.
        at_us: When it was taken, microseconds since 1970.
        lately: Another picture at the same place, as it looks in the light of lately; None: the same.
    """

    def __init__(self, fine: U8, at_us: int, lately: U8 | None = None) -> None:
        self.fine, self.at_us = fine, at_us
        self._first = _Look(_slopes(fine))
        self._lately = self._first if lately is None else _Look(_slopes(lately))

    @property
    def useful(self) -> bool:
        """Whether it shows enough to compare with: a blank wall does not."""
        return min(int(look.shows.sum()) for look in (self._first, self._lately)) >= _FEWEST

    def likeness(self, seen: Glance) -> Likeness:
        """How like the view a glance of the same size is."""
        return self._lately.likeness(seen.gradient, seen.energy)

    def renew(self, seen: Glance) -> None:
        """Take over a little of how the view looks now: its light, from a picture at the same place.

        The mean of two pictures that are not quite the same has weaker slopes than either. It is scaled to
        the strength of the first one, or the view would fade within the hour.
        """
        lately, first = self._lately, self._first
        gain = math.sqrt(float(lately.energy.mean()) / max(float(seen.energy.mean()), 1e-3))
        mixed = (1.0 - _RENEW) * lately.slopes + _RENEW * min(gain, _BRIGHTER) * seen.gradient
        scale = first.length / max(float(np.linalg.norm(mixed)), 1e-3)
        self._lately = _Look(np.asarray(mixed * scale, np.float32))

    def fineness(self, seen: Glance, like: Likeness) -> float:
        """How much of the view's fine structure is left, as a share of what is left of its coarse one.

        Each is projected on the view's, in the blocks that agree, so that what lies over the view does not
        count: streaks of rain and glare are soft, and the view behind them is sharp.
        """
        size = self.fine.shape[1], self.fine.shape[0]
        agree = cv2.resize(like.agree.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        mask = np.asarray(agree, np.uint8)
        gains = [
            float(np.vdot(now, was)) / (float(np.vdot(was, was)) + 1e-6)
            for now, was in zip(_bands(seen.fine, mask), _bands(self.fine, mask), strict=True)
        ]
        return gains[0] / max(gains[1], 1e-3)

    @cached_property
    def _keypoints(self) -> tuple[F32, F32]:
        return _described(self.fine)

    def find(self, seen: Glance) -> ViewShift | None:
        """Where the view lies in a picture of now: 15 to 30 ms. None: it is not found there."""
        points, words = self._keypoints
        now, now_words = _described(seen.fine)
        if len(points) < _INLIERS or len(now) < _INLIERS:
            return None
        pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(words, now_words, k=2)
        good = [one[0] for one in pairs if len(one) == 2 and one[0].distance < _RATIO * one[1].distance]
        if len(good) < _INLIERS:
            return None
        before = points[[one.queryIdx for one in good]]
        after = now[[one.trainIdx for one in good]]
        matrix, agree = _similarity(before, after)
        if matrix is None or not agree.any():
            return None
        inliers = before[agree]
        spans = np.ptp(inliers, axis=0) / (FINE, self.fine.shape[0])
        if len(inliers) < _INLIERS or spans.min() < _SPREAD or not self._fits(matrix, seen):
            return None
        return _shift(matrix, self.fine.shape[0])

    def _fits(self, matrix: F64, seen: Glance) -> bool:
        """Whether the picture, put back, shows the view: as it was first, or as it looks lately."""
        height = self.fine.shape[0]
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        back = cv2.warpAffine(seen.fine, matrix, (FINE, height), flags=how)
        whole = cv2.warpAffine(np.full_like(seen.fine, 255), matrix, (FINE, height), flags=how)
        small = cv2.resize(back, (WIDTH, height // 2), interpolation=cv2.INTER_AREA)
        slopes = gradient(np.asarray(small, np.uint8))
        inside = blocks(np.asarray(whole, np.float32)) > _WHOLE
        if inside.sum() < ROWS * COLUMNS // 5:
            return False
        shift = _shift(matrix, height)
        gain = _GAIN if shift is None or displacement(shift, height) > IN_PLACE else -_GAIN
        energy = blocks(slopes[0] * slopes[0] + slopes[1] * slopes[1])
        return any(
            put_back >= max(_AGREES, min(look.likeness(seen.gradient, seen.energy).share + gain, _SURE))
            for look in (self._first, self._lately)
            for put_back in [look.likeness(slopes, energy, inside).share]
        )


def displacement(shift: ViewShift, height: int) -> float:
    """How far the corner that moves most moves, as a fraction of the frame's width.

    Args:
        shift: The movement.
        height: Of the fine picture, pixels.
    """
    middle = complex(FINE, height) / 2
    turn = shift.scale * complex(math.cos(math.radians(shift.degrees)), math.sin(math.radians(shift.degrees)))
    moves = complex(shift.dx * FINE, shift.dy * height)
    corners = (middle, middle.conjugate(), -middle, -middle.conjugate())
    return max(abs(turn * corner + moves - corner) for corner in corners) / FINE


def steady(one: Glance, other: Glance) -> float:
    """How alike two looks are in most places that show something: the middle correlation of their slopes."""
    product = blocks(one.gradient[0] * other.gradient[0] + one.gradient[1] * other.gradient[1])
    shows = np.maximum(one.energy, other.energy) > TEXTURE
    if not shows.any():
        return 0.0
    return float(np.median((product / np.sqrt(one.energy * other.energy + 1e-6))[shows]))


def _similarity(before: F32, after: F32) -> tuple[F64 | None, Bool]:
    """The shift, turn and scale on which most pairs of points agree, ``(2, 3)``; and which do."""
    found: tuple[Any, Any] = cv2.estimateAffinePartial2D(  # OpenCV's types do not know that it may be None
        before, after, method=cv2.RANSAC, ransacReprojThreshold=_WITHIN, maxIters=500, confidence=0.99
    )
    matrix, agree = found
    if matrix is None:
        return None, np.zeros(len(before), np.bool_)
    return np.asarray(matrix, np.float64), np.asarray(agree.ravel() > 0)


def _slopes(fine: U8) -> F32:
    small = cv2.resize(fine, (WIDTH, fine.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return gradient(np.asarray(small, np.uint8))


def _bands(fine: U8, mask: U8) -> tuple[F32, F32]:
    """The finest structure of a picture, and that which is some pixels wide, where a mask is not 0."""
    soft, softer, softest = (cv2.GaussianBlur(fine.astype(np.float32), (0, 0), width) for width in _WIDTHS)
    return np.asarray((fine - soft) * mask, np.float32), np.asarray((softer - softest) * mask, np.float32)


def _described(fine: U8) -> tuple[F32, F32]:
    finder = cv2.SIFT.create(_KEYPOINTS, contrastThreshold=0.015)
    found, words = finder.detectAndCompute(cv2.equalizeHist(fine), None)
    if not found:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
    return np.array([one.pt for one in found], np.float32), np.asarray(words, np.float32)


def _shift(matrix: F64, height: int) -> ViewShift | None:
    scale = math.hypot(matrix[0, 0], matrix[1, 0])
    if not 0.3 <= scale <= 3:
        return None
    x, y = FINE / 2, height / 2
    moved = matrix @ np.array([x, y, 1.0])
    dx, dy = (moved - (x, y)) / (FINE, height)
    if max(abs(dx), abs(dy)) > 1:
        return None
    degrees = math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
    return ViewShift(
        dx=round(float(dx), 4), dy=round(float(dy), 4), degrees=round(degrees, 2), scale=round(scale, 4)
    )
