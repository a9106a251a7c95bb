"""Whether anything moved since the network last ran: if nothing did, it need not run again."""

from __future__ import annotations

import cv2

from edge_node.pictures import U8, Picture, scaled

_CELL = 8
_AGAIN_S = 2.0


class MotionGate:
    """Compares each frame with the last one that went through the network, in cells of 8x8 pixels.

    It compares with that frame and not with the one before, so that slow motion adds up until it is found.
    The mean of a cell averages the sensor's noise away. A single cell is enough to count as motion, so that a
    small object far away is not missed. A light that is switched on counts as motion, too: the network then
    runs once too often, which is better than once too little. It runs every 2 s in any case.

    Args:
        threshold: The change of a cell's mean that counts as motion, in grey levels of 255.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._seen: U8 | None = None
        self._seen_s = 0.0

    def moved(self, picture: Picture, now_s: float) -> bool:
        """Whether the network has to run on this frame; if so, later frames are compared with this one.

        Args:
            picture: The frame's, or a part of it.
            now_s: The frame's time, seconds.
        """
        height, width = picture.shape[:2]
        cells = scaled(picture, max(1, width // _CELL), max(1, height // _CELL))
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
