"""Boxes, anchors, polygons and segments in numpy: pure functions, any unit, y pointing down.

Boxes are ``(x1, y1, x2, y2)``. Functions are vectorised over objects; polygons and lines have few points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]

HAIR = 1e-12
"""Places that are closer, in fractions of the frame, are the same; rounding errors are far smaller."""

_EDGE = 1 - 1e-9

Anchor = Literal["bottom_center", "center", "top_center", "center_left", "center_right"]

_ANCHORS: dict[Anchor, F64] = {
    "bottom_center": np.array([0.5, 1.0]),
    "center": np.array([0.5, 0.5]),
    "top_center": np.array([0.5, 0.0]),
    "center_left": np.array([0.0, 0.5]),
    "center_right": np.array([1.0, 0.5]),
}


def anchor_points(xyxy: Floats, anchor: Anchor = "bottom_center") -> F64:
    """The point of each box that stands for the object's place.

    Args:
        xyxy: Boxes, shape ``(N, 4)``.
        anchor: Which point of the box; the bottom centre is where a person's feet are.

    Returns:
        Points ``(N, 2)`` as x, y.
    """
    boxes = np.asarray(xyxy, dtype=np.float64).reshape(-1, 4)
    low, high = boxes[:, :2], boxes[:, 2:]
    return np.asarray(low + (high - low) * _ANCHORS[anchor])


def standing_points(boxes: Floats, anchor: Anchor) -> F64:
    """Where objects stand: the anchors of their boxes, moved into the frame.

    Args:
        boxes: Fractions of the frame, ``(N, 4)``.
        anchor: Which point of the box.

    Returns:
        Points ``(N, 2)`` in 0..1, below 1. The frame's last row and column belong to it: a box at the bottom
        stands in a zone that ends there.
    """
    return np.asarray(np.minimum(np.maximum(anchor_points(boxes, anchor), 0.0), _EDGE))


def iou(a: Floats, b: Floats) -> F64:
    """Intersection over union of every box of `a` with every box of `b`.

    Args:
        a: Boxes ``(N, 4)``.
        b: Boxes ``(M, 4)``.

    Returns:
        Matrix ``(N, M)`` in 0..1; a box without area overlaps nothing.
    """
    a = np.asarray(a, dtype=np.float64)
    b = np.asarray(b, dtype=np.float64)
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    overlap = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    union = box_area(a)[:, None] + box_area(b)[None, :] - overlap
    return np.asarray(np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0))


def box_area(xyxy: Floats) -> F64:
    """Area of each box ``(N, 4)``; 0 for an inverted box."""
    boxes = np.asarray(xyxy, dtype=np.float64)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return np.asarray(sides[:, 0] * sides[:, 1])


def overlap_areas(polygon: Floats, boxes: Floats) -> F64:
    """The area of each box that lies inside a polygon, which may be concave but must not cross itself.

    It is exact: Green's theorem makes the area a sum over the polygon's edges. An edge contributes the
    integral, over the part of its height that the box has, of how far it lies to the right of the box's left
    side, at most the box's width.

    Args:
        polygon: Corners ``(K, 2)``, closed implicitly.
        boxes: ``(N, 4)`` in the same unit.

    Returns:
        ``(N,)``, never negative.
    """
    start = np.asarray(polygon, np.float64).reshape(-1, 1, 2)
    end = np.roll(start, -1, axis=0)
    left, top, right, bottom = np.asarray(boxes, np.float64).reshape(-1, 4).T
    rise = end[..., 1] - start[..., 1]
    slope = np.divide(end[..., 0] - start[..., 0], rise, out=np.zeros_like(rise), where=rise != 0)
    y1 = np.minimum(np.maximum(start[..., 1], top), bottom)
    y2 = np.minimum(np.maximum(end[..., 1], top), bottom)
    x1 = start[..., 0] + slope * (y1 - start[..., 1])
    x2 = start[..., 0] + slope * (y2 - start[..., 1])
    width = np.maximum(right - left, 0.0)

    def reach(x: F64) -> F64:
        return np.asarray(np.minimum(np.maximum(x - left, 0.0), width))

    def below(x: F64) -> F64:  # the integral of `reach` up to x
        inside = reach(x)
        return np.asarray(inside * inside / 2 + width * np.maximum(x - left - width, 0.0))

    across = x2 - x1
    flat = np.abs(across) < HAIR * 1e3  # upright, where the quotient would be one of rounding errors
    mean = np.where(flat, reach((x1 + x2) / 2), (below(x2) - below(x1)) / np.where(flat, 1.0, across))
    return np.asarray(np.abs((mean * (y2 - y1)).sum(axis=0)))


class Polygons:
    """Several polygons, tested together for the points they contain (even-odd rule, ray to the right).

    An edge includes its upper end and excludes its lower one. So of two polygons that share an edge exactly
    one contains a point on it. Source: Franklin, "PNPOLY - Point Inclusion in Polygon Test".

    Args:
        polygons: Corners of each, ``(K, 2)``, K >= 3, closed implicitly.
    """

    def __init__(self, polygons: Sequence[Floats]) -> None:
        corners = [np.asarray(polygon, dtype=np.float64).reshape(-1, 2) for polygon in polygons]
        starts = np.concatenate([*corners, np.zeros((0, 2))])
        ends = np.concatenate([*(np.roll(one, -1, axis=0) for one in corners), np.zeros((0, 2))])
        # Every edge is computed from its upper end, so that polygons that share it round alike.
        upside_down = (starts[:, 1] > ends[:, 1])[:, None]
        top, bottom = np.where(upside_down, ends, starts), np.where(upside_down, starts, ends)
        rise = bottom[:, 1] - top[:, 1]
        slope = np.divide(bottom[:, 0] - top[:, 0], rise, out=np.zeros_like(rise), where=rise > 0)
        # A hair further to the left, which rounding never is: so a point on a border that one polygon has as
        # one edge, and its neighbours as several, is on the same side of each.
        self._top_x, self._top_y, self._bottom_y = top[:, 0, None] - HAIR, top[:, 1, None], bottom[:, 1, None]
        self._slope = slope[:, None]
        lengths = [len(one) for one in corners]
        self._owner = np.repeat(np.arange(len(corners)), lengths)
        self._first = np.cumsum([0, *lengths[:-1]])
        self._count = len(corners)

    def contain(self, points: Floats) -> Bool:
        """Which points lie inside.

        Args:
            points: ``(Z, N, 2)``, N points for each of the Z polygons.

        Returns:
            Mask ``(Z, N)``.
        """
        if self._count == 0:
            return np.zeros(points.shape[:2], np.bool_)
        x, y = points[self._owner, :, 0], points[self._owner, :, 1]
        straddles = (self._top_y <= y) & (y < self._bottom_y)
        hit = straddles & (x < self._top_x + self._slope * (y - self._top_y))
        return np.asarray(np.logical_xor.reduceat(hit, self._first, axis=0))


def polygon_crosses_itself(polygon: Floats) -> bool:
    """Whether two edges of a polygon ``(K, 2)`` cross; touching and overlapping is not crossing."""
    p = np.asarray(polygon, dtype=np.float64)
    q = np.roll(p, -1, axis=0)

    def side(of: F64) -> F64:
        # [i, j]: on which side of edge i the point j lies.
        edge, reach = (q - p)[:, None], of[None] - p[:, None]
        return np.asarray(np.sign(edge[..., 0] * reach[..., 1] - edge[..., 1] * reach[..., 0]))

    separated = side(p) * side(q) < 0
    return bool((separated & separated.T).any())


def clip_to_frame(points: Floats) -> F64:
    """The part of a polygon (or of a segment) inside the unit square.

    Source: Sutherland and Hodgman, "Reentrant Polygon Clipping", 1974.

    Args:
        points: Corners ``(K, 2)``, K >= 2, closed implicitly.

    Returns:
        Corners ``(M, 2)``; none when all of it lies outside.
    """
    corners = np.asarray(points, dtype=np.float64)
    for axis, limit, sign in ((0, 0.0, 1.0), (0, 1.0, -1.0), (1, 0.0, 1.0), (1, 1.0, -1.0)):
        kept: list[F64] = []
        for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            a_in, b_in = sign * (a[axis] - limit), sign * (b[axis] - limit)
            if a_in >= 0:
                kept.append(a)
            if a_in * b_in < 0:
                kept.append(a + (b - a) * (a_in / (a_in - b_in)))
        corners = np.array(kept).reshape(-1, 2)
    return corners


def polygon_area(polygon: Floats) -> float:
    """Area enclosed by a polygon ``(K, 2)`` (shoelace formula), never negative."""
    p = np.asarray(polygon, dtype=np.float64)
    q = np.roll(p, -1, axis=0)
    return float(abs(np.sum(p[:, 0] * q[:, 1] - q[:, 0] * p[:, 1])) / 2)


def side_of_line(points: Floats, line: Floats) -> F64:
    """Signed distance of points from the infinite line through two points, in the points' unit.

    Args:
        points: ``(N, 2)``.
        line: ``(2, 2)``, start and end, not the same point.

    Returns:
        ``(N,)``: positive on the right of somebody who walks from start to end on the screen.
    """
    p = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    (ax, ay), (bx, by) = np.asarray(line, dtype=np.float64)
    length = float(np.hypot(bx - ax, by - ay))
    return np.asarray(((bx - ax) * (p[:, 1] - ay) - (by - ay) * (p[:, 0] - ax)) / length)
