"""Boxes, anchors, polygons and segments in numpy: pure functions, any unit, y pointing down.

Boxes are ``(x1, y1, x2, y2)``. Everything is vectorised over objects; polygons and lines have few points.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]

Anchor = Literal["bottom_center", "center", "top_center", "center_left", "center_right"]

_ANCHORS: dict[Anchor, tuple[float, float]] = {
    "bottom_center": (0.5, 1.0),
    "center": (0.5, 0.5),
    "top_center": (0.5, 0.0),
    "center_left": (0.0, 0.5),
    "center_right": (1.0, 0.5),
}


def anchor_points(xyxy: Floats, anchor: Anchor = "bottom_center") -> F64:
    """The point of each box that decides where the object stands.

    Args:
        xyxy: Boxes, shape ``(N, 4)``.
        anchor: Which point of the box; the bottom centre is where a person's feet are.

    Returns:
        Points ``(N, 2)`` as x, y.
    """
    fx, fy = _ANCHORS[anchor]
    boxes = np.asarray(xyxy, dtype=np.float64).reshape(-1, 4)
    low, high = boxes[:, :2], boxes[:, 2:]
    return np.asarray(low + (high - low) * (fx, fy))


def iou(a: Floats, b: Floats) -> F64:
    """Intersection over union of every box of `a` with every box of `b`.

    Args:
        a: Boxes ``(N, 4)``.
        b: Boxes ``(M, 4)``.

    Returns:
        Matrix ``(N, M)`` in 0..1; a box of no area overlaps nothing.
    """
    a = np.asarray(a, dtype=np.float64)
    b = np.asarray(b, dtype=np.float64)
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    overlap = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    union = box_area(a)[:, None] + box_area(b)[None, :] - overlap
    return np.asarray(np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0))


def box_area(xyxy: Floats) -> F64:
    """Area of each box ``(N, 4)``; an inverted box has none."""
    boxes = np.asarray(xyxy, dtype=np.float64)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return np.asarray(sides[:, 0] * sides[:, 1])


def points_in_polygon(points: Floats, polygon: Floats) -> Bool:
    """Which points lie inside a polygon (even-odd rule, ray casting to the right).

    Each edge owns its upper end and not its lower one, so polygons that share an edge never both claim a
    point and never both refuse it. Source: Franklin, "PNPOLY - Point Inclusion in Polygon Test".

    Args:
        points: ``(N, 2)``.
        polygon: Corners ``(K, 2)``, K >= 3, closed implicitly.

    Returns:
        Mask ``(N,)``.
    """
    p = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    corners = np.asarray(polygon, dtype=np.float64)
    start, end = corners, np.roll(corners, -1, axis=0)
    x, y = p[:, 0, None], p[:, 1, None]
    straddles = (start[:, 1] > y) != (end[:, 1] > y)
    rise = end[:, 1] - start[:, 1]
    slope = np.divide(end[:, 0] - start[:, 0], rise, out=np.zeros_like(rise), where=rise != 0)
    left_of_edge = x < start[:, 0] + slope * (y - start[:, 1])
    return np.asarray((straddles & left_of_edge).sum(axis=1) % 2 == 1)


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
        ``(N,)``: positive on the right hand of somebody walking from start to end on the screen.
    """
    p = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    (ax, ay), (bx, by) = np.asarray(line, dtype=np.float64)
    length = float(np.hypot(bx - ax, by - ay))
    return np.asarray(((bx - ax) * (p[:, 1] - ay) - (by - ay) * (p[:, 0] - ax)) / length)


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
