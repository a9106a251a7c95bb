"""Whether anything moved since the network last looked: where nothing did, it need not look again."""

from __future__ import annotations

import cv2
import numpy as np

from edge_node.frames import U8

_CELL = 8
_AGAIN_S = 2.0


class MotionGate:
    """Compares each frame with the one the network last looked at, in cells of 8x8 pixels.

    Against that frame and not the one before, so that slow motion adds up until it is seen. The mean of a
    cell averages the sensor's noise away; one cell is enough to count as motion, so that a small object far
    away is not missed. A light that is switched on counts as motion too: then the network looks once too
    often, never once too little. It looks every 2 s in any case.

    Args:
        threshold: Change of a cell's mean that is motion, grey levels of 255.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._seen: U8 | None = None
        self._seen_s = 0.0

    def moved(self, image: U8, now_s: float) -> bool:
        """Whether the network is to look; it is then taken to have done so.

        Args:
            image: u8 ``(H, W, 3)``, BGR.
            now_s: The frame's time, seconds.
        """
        height, width = image.shape[:2]
        size = (max(1, width // _CELL), max(1, height // _CELL))
        cells = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        seen = self._seen
        still = (
            seen is not None
            and seen.shape == cells.shape
            and 0 <= now_s - self._seen_s < _AGAIN_S
            and float(cv2.absdiff(cells, seen).max()) < self._threshold
        )
        if not still:
            self._seen, self._seen_s = cells, now_s
        return not still
