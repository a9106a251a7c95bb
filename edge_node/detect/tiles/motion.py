"""Which parts of the picture have changed since the network looked there."""

from __future__ import annotations

import cv2
import numpy as np

from edge_node.pictures import U8, Box, OnGpu, Picture, scaled
from shared.geometry import F64, Bool

_ACROSS = 960
"""Pixels of the longer side that are read: of a 4K picture every fourth, across and down."""
_CELL = 4
"""Pixels read for a cell, across and down; their mean averages the sensor's noise away."""
_CHANGE = 10.0
"""Change of a cell's mean that counts as motion, grey levels, unless `motion_gate` says otherwise."""
_MOST = 32
"""Most moving regions of one frame; the largest are taken."""


class ChangedCells:
    """Compares each frame, in cells, with what was there when the network last looked.

    Args:
        threshold: The change of a cell's mean that counts as motion, grey levels of 255; 0 for the default.
    """

    def __init__(self, threshold: float = 0.0) -> None:
        self._threshold = threshold or _CHANGE
        self._seen: U8 | None = None
        self._now: U8 = np.zeros((1, 1), np.uint8)
        self._pixels = 1.0

    def take(self, picture: Picture, *, afresh: bool) -> None:
        """Read a frame.

        Args:
            picture: The frame's, or a part of it.
            afresh: Whether earlier frames say nothing about this one.
        """
        height, width = picture.shape[:2]
        step = max(1, max(width, height) // _ACROSS)
        size = (max(1, -(-width // step) // _CELL), max(1, -(-height // step) // _CELL))
        # Green carries most of the brightness, and one channel is a third of the bytes.
        if isinstance(picture, OnGpu):
            self._now = np.ascontiguousarray(scaled(picture, *size)[:, :, 1])
        else:
            thinned = np.ascontiguousarray(picture[::step, ::step, 1])
            self._now = np.asarray(cv2.resize(thinned, size, interpolation=cv2.INTER_AREA), np.uint8)
        self._pixels = width / size[0]
        if afresh or self._seen is None or self._seen.shape != self._now.shape:
            self._seen = self._now.copy()

    def looked(self, box: Box) -> None:
        """Note that the network looks at a part of the newest frame.

        Args:
            box: In pixels of what `take` was given.
        """
        assert self._seen is not None  # noqa: S101 - a frame was taken
        left, top, right, bottom = (round(edge / self._pixels) for edge in box)
        self._seen[top:bottom, left:right] = self._now[top:bottom, left:right]

    def regions(self, known: F64) -> F64:
        """The parts that moved, the largest first, ``(N, 4)`` in pixels.

        Args:
            known: Boxes of objects that are followed anyway, ``(M, 4)``: what changes there is no news.
        """
        assert self._seen is not None  # noqa: S101 - a frame was taken
        changed = (cv2.absdiff(self._now, self._seen) >= self._threshold).astype(np.uint8)
        for left, top, right, bottom in np.rint(known / self._pixels).astype(int).tolist():
            changed[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = 0
        if not changed.any():
            return np.zeros((0, 4))
        # What is one object falls apart where its parts look like what is behind them.
        joined = cv2.dilate(changed, np.ones((3, 3), np.uint8))
        count, _, found, _ = cv2.connectedComponentsWithStats(joined)
        stats = np.asarray(found, np.int64)[1:count]
        order = np.argsort(-stats[:, cv2.CC_STAT_AREA], kind="stable")[:_MOST]
        # The joining has widened each by a cell on every side.
        left, top = stats[order, cv2.CC_STAT_LEFT] + 1, stats[order, cv2.CC_STAT_TOP] + 1
        right, bottom = left + stats[order, cv2.CC_STAT_WIDTH] - 2, top + stats[order, cv2.CC_STAT_HEIGHT] - 2
        return np.stack((left, top, right, bottom), axis=1) * self._pixels

    def changed(self, boxes: F64) -> Bool:
        """In which boxes something has changed since the network looked there, ``(N,)``."""
        assert self._seen is not None  # noqa: S101 - a frame was taken
        cells = cv2.absdiff(self._now, self._seen) >= self._threshold
        edges = np.maximum(np.rint(boxes / self._pixels).astype(int), 0).tolist()
        return np.array(
            [cells[top : bottom + 1, left : right + 1].any() for left, top, right, bottom in edges], bool
        )
