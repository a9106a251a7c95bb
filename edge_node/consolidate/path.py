"""The path of a track, in few points.

Points are chosen as they arrive: when there are too many, the point whose loss moves the path least is
dropped. Places are compared at equal times, so the times of the path are as exact as its shape.

At any moment there is a bound on how far the path is from the dropped points. It is the sum of what was
accepted at each loss, as in SQUISH-E, or, where that is less, the diagonal of all places between two points.
Without the diagonal, the bound would grow for ever while the box of a parked car trembles. The car's last
metres would then be dropped, because their loss would seem to cost less than the bound.

Source: Muckell et al., "Compression of trajectory data: a comprehensive evaluation and new approach",
GeoInformatica 18, 2014.
"""

from __future__ import annotations

import math

from shared import limits

Point = tuple[float, float, float]
"""Time in seconds, then x and y as fractions of the frame."""
_Area = tuple[float, float, float, float]

TOLERANCE = 0.005
"""How far, in fractions of the frame, the path may be from where the object was, to save points."""


class Path:
    """Points in the order of their times, at most `most` of them.

    Args:
        most: Number of points, at least 2.

    Attributes:
        error: How far the path is at most from any point that was added, at that point's time.
    """

    __slots__ = ("_areas", "_costs", "_most", "_points", "_strayed", "error")

    def __init__(self, most: int = limits.PATH_POINTS) -> None:
        self._most = most
        self._points: list[Point] = []
        # For the way from each point to the next: how far it may be from what was left out there, and the
        # area in which all of it lies.
        self._strayed: list[float] = []
        self._areas: list[_Area] = []
        self._costs: list[float] = []  # for each point: how far the way would be that its loss makes
        self.error = 0.0

    def add(self, seconds: float, x: float, y: float) -> None:
        """Go on to a point; one that is not later than the last is left out."""
        points = self._points
        if points:
            at, before_x, before_y = points[-1]
            if seconds <= at:
                return
            self._strayed.append(0.0)
            self._areas.append((min(before_x, x), min(before_y, y), max(before_x, x), max(before_y, y)))
        points.append((seconds, x, y))
        self._costs.append(math.inf)
        self._weigh(len(points) - 2)
        if len(points) > self._most:
            self._remove(self._costs.index(min(self._costs)))

    def points(self) -> list[Point]:
        """The path, without the points that `TOLERANCE` makes superfluous."""
        while len(self._points) > 2 and (least := min(self._costs)) <= TOLERANCE:
            self._remove(self._costs.index(least))
        return list(self._points)

    def _weigh(self, place: int) -> None:
        """Work out what the loss of a point would cost; the ends are kept."""
        if 0 < place < len(self._points) - 1:
            before, point, after = self._points[place - 1 : place + 2]
            strayed = max(self._strayed[place - 1], self._strayed[place]) + _aside(before, point, after)
            left, top, right, bottom = _around(self._areas[place - 1], self._areas[place])
            self._costs[place] = min(strayed, math.hypot(right - left, bottom - top))

    def _remove(self, place: int) -> None:
        cost = self._costs[place]
        self.error = max(self.error, cost)
        self._strayed[place - 1] = cost
        self._areas[place - 1] = _around(self._areas[place - 1], self._areas[place])
        del self._points[place], self._costs[place], self._strayed[place], self._areas[place]
        self._weigh(place - 1)
        self._weigh(place)


def _around(one: _Area, other: _Area) -> _Area:
    """The smallest area around two."""
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _aside(before: Point, point: Point, after: Point) -> float:
    """How far a point is from where a straight way from `before` to `after` would be at its time."""
    share = (point[0] - before[0]) / (after[0] - before[0])
    return math.hypot(
        before[1] + share * (after[1] - before[1]) - point[1],
        before[2] + share * (after[2] - before[2]) - point[2],
    )
