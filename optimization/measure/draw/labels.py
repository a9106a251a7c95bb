"""Places for names beside points, so that no name lies on another name, a point or a line."""

from __future__ import annotations

import numpy as np

from shared.geometry import F64

_STEP = 4.0
"""Pixels between two places that are tried."""
_RADII = (24.0, 60.0, 150.0, np.inf)
"""Pixels around a point within which a free place is looked for, one after the other."""
_AROUND = np.array([-2.0, -2.0, 2.0, 2.0])
"""Pixels around a name that stay free."""


def place(points: F64, sizes: F64, obstacles: F64, frame: tuple[float, float, float, float]) -> F64:
    """Lower left corners for names: the free place that is nearest to each point.

    The names at crowded points are placed first. A name for which the frame has no room left goes where it
    covers the least.

    Args:
        points: Where the points are, ``(N, 2)``, pixels.
        sizes: Width and height of each name, ``(N, 2)``, pixels.
        obstacles: Boxes to keep free, ``(M, 4)``: left, bottom, right, top.
        frame: The box that holds all names.
    """
    left, bottom, right, top = frame
    corners = np.zeros((len(points), 2))
    taken = np.asarray(obstacles, np.float64).reshape(-1, 4)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    for index in np.argsort(np.sort(distance, axis=1)[:, : min(4, len(points))].sum(axis=1), kind="stable"):
        width, height = sizes[index]
        xs = np.arange(left, max(right - width, left) + 1, _STEP)
        ys = np.arange(bottom, max(top - height, bottom) + 1, _STEP)
        tried = np.stack(np.meshgrid(xs, ys), axis=2).reshape(-1, 2)
        corners[index] = _best(points[index], sizes[index], tried, taken)
        taken = np.concatenate([taken, [[*corners[index], *(corners[index] + sizes[index])]]])
    return corners


def _best(point: F64, size: F64, tried: F64, taken: F64) -> F64:
    """Of the corners that are tried, the nearest free one; where none is, that which covers least."""
    away = np.linalg.norm(np.clip(point, tried, tried + size) - point, axis=1)
    chosen = tried[0]
    for radius in _RADII:
        near = tried[away <= radius]
        if not len(near):
            continue
        covered = _covered(np.concatenate([near, near + size], axis=1) + _AROUND, taken)
        # Of places that are equally near, beside the point is where people look first.
        off = np.abs(near[:, 1] + size[1] / 2 - point[1])
        best = np.lexsort((off, np.round(away[away <= radius] / _STEP), covered))[0]
        chosen = near[best]
        if covered[best] == 0:
            break
    return np.asarray(chosen)


def _covered(boxes: F64, taken: F64) -> F64:
    """How much of what is taken each box covers, in square pixels."""
    low = np.maximum(boxes[:, None, :2], taken[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], taken[None, :, 2:])
    return np.asarray(np.maximum(high - low, 0.0).prod(axis=2).sum(axis=1))
