"""When the network last looked at each part of the picture, by how small an object it could see."""

from __future__ import annotations

import math

import numpy as np

from edge_node.pictures import Box
from shared.geometry import F64, Floats

_ACROSS = 96
"""Cells along the longer side: few, but smaller than what the tiles of a sweep share."""
_LEVELS = 6
"""Levels of detail: a look at level n shows the picture at 1 / 2**n of its size, or larger."""
NEVER = -1e9
"""The time of a look that never was, seconds."""


class Ages:
    """Times of looks in cells; all cells are as if never looked at until they are.

    Args:
        width: Of the area, pixels.
        height: Of the area, pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self._extent = (width, height)
        self._pixels = max(width, height) / _ACROSS
        self._columns = max(1, math.ceil(width / self._pixels - 1e-6))
        self._rows = max(1, math.ceil(height / self._pixels - 1e-6))
        self._tiles: tuple[Box, ...] = ()
        self._places = np.zeros((0, 1, 1), np.intp)
        self._at = np.full((_LEVELS, self._rows, self._columns), NEVER)

    def looked(self, box: Box, shrink: float, now_s: float) -> None:
        """Note a look.

        Args:
            box: What was looked at, in pixels of the area.
            shrink: Pixels of the picture for one of the network's input, across.
            now_s: When, seconds.
        """
        left, top, right, bottom = self._cells(box)
        self._at[_level(shrink) :, top:bottom, left:right] = now_s

    def at(self, centres: Floats, shrink: Floats) -> F64:
        """When places were last looked at with enough detail, seconds ``(N,)``.

        Args:
            centres: ``(N, 2)``, x and y in pixels of the area.
            shrink: ``(N,)``: most pixels of the picture for one of the network's input.
        """
        x = np.clip((centres[:, 0] / self._pixels).astype(np.intp), 0, self._columns - 1)
        y = np.clip((centres[:, 1] / self._pixels).astype(np.intp), 0, self._rows - 1)
        exact = np.ceil(np.log2(np.maximum(shrink, 1.0)) - 1e-6)
        levels = np.minimum(exact, _LEVELS - 1).astype(np.intp)
        return np.asarray(self._at[levels, y, x], np.float64)

    def oldest(self, tiles: tuple[Box, ...], shrink: float) -> F64:
        """When the part of each tile was looked at that has waited for longest, seconds ``(N,)``.

        Args:
            tiles: In pixels of the area; mostly the same ones as in the call before.
            shrink: Most pixels of the picture for one of the network's input.
        """
        if not tiles:
            return np.zeros(0)
        if tiles != self._tiles:
            self._tiles = tiles
            left, top, right, bottom = np.array([self._cells(tile) for tile in tiles]).T
            # Tiles differ by a cell: the last one stands for those that a tile lacks.
            rows = np.minimum(top[:, None] + np.arange((bottom - top).max()), bottom[:, None] - 1)
            columns = np.minimum(left[:, None] + np.arange((right - left).max()), right[:, None] - 1)
            self._places = rows[:, :, None] * self._columns + columns[:, None, :]
        return np.asarray(self._at[_level(shrink)].ravel()[self._places].min(axis=(1, 2)))

    def _cells(self, box: Box) -> tuple[int, int, int, int]:
        """The cells that are wholly in a box, at least one; what is beyond the area belongs to its edge."""
        left, top = (math.ceil(edge / self._pixels - 1e-6) for edge in box[:2])
        right, bottom = (math.floor(edge / self._pixels + 1e-6) for edge in box[2:])
        right = self._columns if box[2] >= self._extent[0] else right
        bottom = self._rows if box[3] >= self._extent[1] else bottom
        x, y = min(self._columns - 1, max(0, left)), min(self._rows - 1, max(0, top))
        return x, y, max(x + 1, min(self._columns, right)), max(y + 1, min(self._rows, bottom))


def _level(shrink: float) -> int:
    """The level of detail that a look is at least as good as."""
    return min(_LEVELS - 1, math.ceil(math.log2(max(1.0, shrink)) - 1e-6))
