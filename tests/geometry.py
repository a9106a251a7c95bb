"""Plain answers of geometry that tests compare ours with."""

from __future__ import annotations

import numpy as np

from shared.geometry import Bool, Floats, Polygons, side_of_line


def points_in_polygon(points: Floats, polygon: Floats) -> Bool:
    """Which points ``(N, 2)`` lie inside one polygon ``(K, 2)``; mask ``(N,)``. See `Polygons`."""
    p = np.asarray(points, dtype=np.float64).reshape(1, -1, 2)
    return np.asarray(Polygons([polygon]).contain(p)[0])


def segments_cross(start: Floats, end: Floats, line: Floats) -> Bool:
    """Which motion segments properly meet a line segment.

    A motion that starts on the line has not crossed it; one that ends on it has not crossed it yet: the side
    a point exactly on the line belongs to is "positive", so a crossing is counted once, in one frame.

    Args:
        start: Where each object was, ``(N, 2)``.
        end: Where it is now, ``(N, 2)``.
        line: ``(2, 2)``.

    Returns:
        Mask ``(N,)``.
    """
    before = side_of_line(start, line) >= 0
    after = side_of_line(end, line) >= 0
    s = np.asarray(start, dtype=np.float64).reshape(-1, 2)
    e = np.asarray(end, dtype=np.float64).reshape(-1, 2)
    a, b = np.asarray(line, dtype=np.float64)
    move = e - s
    # The line's two ends must lie on different sides of the motion (or on it).
    cross_a = move[:, 0] * (a[1] - s[:, 1]) - move[:, 1] * (a[0] - s[:, 0])
    cross_b = move[:, 0] * (b[1] - s[:, 1]) - move[:, 1] * (b[0] - s[:, 0])
    return np.asarray((before != after) & (cross_a * cross_b <= 0))
