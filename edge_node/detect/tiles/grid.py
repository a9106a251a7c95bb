"""Tiles of equal size that cover an area and share their borders."""

from __future__ import annotations

import math
from functools import lru_cache

from edge_node.pictures import Box


def starts(length: int, size: int, count: int) -> list[int]:
    """Where `count` spans of one size begin, so that they cover a length evenly.

    Args:
        length: Of what is covered, pixels.
        size: Of a span, pixels; at most the length.
        count: Number of spans.
    """
    if count == 1:
        return [(length - size) // 2]
    return [round(index * (length - size) / (count - 1)) for index in range(count)]


@lru_cache(maxsize=256)
def grid(area: Box, columns: int, rows: int, overlap: float) -> tuple[Box, ...]:
    """The tiles of a grid, row by row.

    All have one size, so that they can share a run of the network.

    Args:
        area: What the grid covers.
        columns: Tiles across.
        rows: Tiles down.
        overlap: Share of a tile that its neighbour shows, too.
    """
    left, top, right, bottom = area
    width = _side(right - left, columns, overlap)
    height = _side(bottom - top, rows, overlap)
    return _laid(area, (width, height), columns, rows)


@lru_cache(maxsize=256)
def covering(area: Box, size: tuple[int, int], overlap: float) -> tuple[Box, ...]:
    """As few tiles of a size as cover an area, row by row.

    Args:
        area: What the tiles cover.
        size: Width and height of a tile, pixels; a tile is never larger than the area.
        overlap: Least share of a tile that its neighbour shows, too.
    """
    left, top, right, bottom = area
    width, height = min(size[0], right - left), min(size[1], bottom - top)
    columns = _count(right - left, width, overlap)
    rows = _count(bottom - top, height, overlap)
    return _laid(area, (width, height), columns, rows)


def _laid(area: Box, size: tuple[int, int], columns: int, rows: int) -> tuple[Box, ...]:
    left, top, right, bottom = area
    width, height = size
    across, down = starts(right - left, width, columns), starts(bottom - top, height, rows)
    return tuple((left + x, top + y, left + x + width, top + y + height) for y in down for x in across)


def _side(length: int, count: int, overlap: float) -> int:
    return min(length, math.ceil(length / (count - (count - 1) * overlap)))


def _count(length: int, size: int, overlap: float) -> int:
    step = max(1.0, size * (1.0 - overlap))
    return 1 + math.ceil(max(0, length - size) / step)
