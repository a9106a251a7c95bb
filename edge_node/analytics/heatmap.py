"""Where objects spend their time: a grid of seconds that fade."""

from __future__ import annotations

import math

import cv2
import numpy as np

from shared.geometry import F64


class Heatmap:
    """Seconds of presence per cell, halved every `half_life_s`.

    Args:
        columns: Cells across the frame.
        rows: Cells down the frame.
        half_life_s: Seconds until a presence weighs half.

    Attributes:
        seconds: f64 ``(rows, columns)``.
    """

    def __init__(self, columns: int, rows: int, half_life_s: float) -> None:
        self.seconds = np.zeros((rows, columns))
        self._flat = self.seconds.reshape(-1)  # the same memory
        self._size = np.array([columns, rows], np.float64)
        self._last, self._strides = np.array([columns - 1, rows - 1]), np.array([1, columns])
        self._life_s = half_life_s / math.log(2)

    def update(self, feet: F64, elapsed_s: float) -> None:
        """Add the time since the last frame.

        Args:
            feet: Where the objects stand that are in both this frame and the last, fractions of the frame,
                ``(N, 2)``.
            elapsed_s: Seconds between the two frames.
        """
        if elapsed_s <= 0:
            return
        kept = math.exp(-elapsed_s / self._life_s)
        self.seconds *= kept
        if not len(feet):
            return
        cell = (feet * self._size).astype(np.intp)
        cell = np.minimum(np.maximum(cell, 0), self._last)
        # A presence fades while it lasts. Its integral gives the same result at every frame rate. Numpy adds
        # at places in a flat array several times faster than at rows and columns.
        np.add.at(self._flat, cell @ self._strides, self._life_s * (1 - kept))

    def to_png(self) -> bytes:
        """A grey picture with one pixel a cell, 255 where objects spent most time."""
        seconds = self.seconds.copy()  # another thread may be adding to the grid
        most = seconds.max()
        grey = np.zeros(seconds.shape) if most <= 0 else seconds * (255 / most)
        return cv2.imencode(".png", np.rint(grey).astype(np.uint8))[1].tobytes()
