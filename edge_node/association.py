"""Which detection belongs to which track: candidate pairs and their optimal one-to-one assignment.

Of all pairs of tracks and detections few overlap at all, so everything after one cheap test works on the list
of pairs that do: arrays ``(P,)`` instead of matrices ``(N, M)``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from shared.geometry import F64, Bool, Floats

Index = npt.NDArray[np.intp]

OTHER_CLASS = 0.3
"""What a pair of different classes loses in similarity."""
_ENLARGED, _ENLARGED_PER_S = 0.4, 0.5  # by how many sides a box grows on each side, and per second unseen
_SECOND_CHANCE = 0.3  # least similarity of the enlarged boxes


def overlapping(a: Floats, b: Floats) -> tuple[Index, Index]:
    """Pairs of boxes that share some area.

    Args:
        a: Corners ``(N, 4)``.
        b: Corners ``(M, 4)``.

    Returns:
        Indices into `a` and into `b`, each ``(P,)``, ordered by the first.
    """
    # float32 halves the memory this reads and writes, and rounding to it keeps the order of coordinates.
    ax1, ay1, ax2, ay2 = a.T.astype(np.float32, order="C")
    bx1, by1, bx2, by2 = b.T.astype(np.float32, order="C")
    touch = ax1[:, None] < bx2
    touch &= ax2[:, None] > bx1
    touch &= ay1[:, None] < by2
    touch &= ay2[:, None] > by1
    # Searching the flat array is several times faster than asking numpy for two-dimensional indices.
    flat = np.flatnonzero(touch)
    rows = flat // max(len(b), 1)
    return rows, flat - rows * len(b)


def pair_iou(a: Floats, b: Floats) -> F64:
    """Intersection over union of each box with the one in the same place.

    Args:
        a: Corners ``(P, 4)``.
        b: Corners ``(P, 4)``.

    Returns:
        ``(P,)``, 0..1; a pair without area overlaps nothing.
    """
    shared, union = _shared_and_union(a, b, a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2])
    fit: F64 = shared / np.maximum(union, 1e-9)
    return fit


def _shared_and_union(a: Floats, b: Floats, size_a: Floats, size_b: Floats) -> tuple[F64, F64]:
    """Areas ``(P,)`` of intersection and union, from corners and sides ``(P, 4)`` and ``(P, 2)``."""
    sides = np.minimum(a[:, 2:], b[:, 2:])
    sides -= np.maximum(a[:, :2], b[:, :2])
    np.maximum(sides, 0.0, out=sides)
    shared = sides[:, 0] * sides[:, 1]
    union = size_a[:, 0] * size_a[:, 1]
    union += size_b[:, 0] * size_b[:, 1]
    union -= shared
    return shared, union


def assign(rows: Index, columns: Index, gain: Floats) -> tuple[Index, Index]:
    """Choose pairs, each row and each column at most once, so that the sum of gains is greatest.

    Pairs that are each other's only choice are taken straight away: no assignment can do better without them,
    and mostly nothing is left for the solver (scipy's Jonker-Volgenant; it releases the GIL).

    Args:
        rows: Of the allowed pairs, ``(P,)``.
        columns: Of the allowed pairs, ``(P,)``; no pair is listed twice.
        gain: ``(P,)``: similarity minus the least accepted; pairs of no positive gain are never made.

    Returns:
        Rows and columns of the chosen pairs, each ``(K,)``, in no particular order.
    """
    allowed = gain > 0
    if not allowed.all():
        rows, columns, gain = rows[allowed], columns[allowed], gain[allowed]
    if not len(rows):
        return rows, columns
    contested = (np.bincount(rows)[rows] > 1) | (np.bincount(columns)[columns] > 1)
    if not contested.any():
        return rows, columns
    row_names, i = _numbered(rows[contested])
    column_names, j = _numbered(columns[contested])
    matrix = np.zeros((len(row_names), len(column_names)))
    matrix[i, j] = gain[contested]
    i, j = linear_sum_assignment(matrix, maximize=True)
    made = matrix[i, j] > 0
    return (
        np.concatenate((rows[~contested], row_names[i[made]])),
        np.concatenate((columns[~contested], column_names[j[made]])),
    )


def _numbered(index: Index) -> tuple[Index, Index]:
    """The distinct values, sorted, and the place of each value among them; cheaper than `numpy.unique`."""
    names = np.flatnonzero(np.bincount(index))
    place = np.empty(names[-1] + 1, np.intp)
    place[names] = np.arange(len(names))
    return names, place[index]


class Matching:
    """Matches made in stages: what one stage pairs is taken for the next.

    Args:
        rows: How many tracks there are.
        columns: How many detections.

    Attributes:
        free_rows: Mask ``(N,)`` of the tracks not matched yet.
        free_columns: Mask ``(M,)`` of the detections not matched yet.
    """

    def __init__(self, rows: int, columns: int) -> None:
        self.free_rows: Bool = np.ones(rows, np.bool_)
        self.free_columns: Bool = np.ones(columns, np.bool_)
        self._made: list[tuple[Index, Index]] = []

    def stage(self, rows: Index, columns: Index, gain: Floats) -> None:
        """Assign among these pairs, see `assign`; all of them must be free."""
        if not len(rows):
            return
        r, c = assign(rows, columns, gain)
        if len(r):
            self.free_rows[r] = False
            self.free_columns[c] = False
            self._made.append((r, c))

    def pairs(self) -> tuple[Index, Index]:
        """Rows and columns of all matches made, each ``(K,)``."""
        if not self._made:
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        if len(self._made) == 1:
            return self._made[0]
        rows, columns = zip(*self._made, strict=True)
        return np.concatenate(rows), np.concatenate(columns)


def similarity(predicted: Floats, seen: Floats, same_class: Bool) -> F64:
    """How well boxes fit, pair by pair: IoU times the root of the ratio of heights.

    Heights tell people apart who stand one before the other (Yang et al., "Hybrid-SORT", 2024). Another class
    makes a pair less likely but not impossible, for detectors waver between car and truck.

    Args:
        predicted: Corners ``(P, 4)``.
        seen: Corners ``(P, 4)``; each box overlaps the one in its place.
        same_class: ``(P,)``.

    Returns:
        ``(P,)``, at most 1.
    """
    size, size_seen = predicted[:, 2:] - predicted[:, :2], seen[:, 2:] - seen[:, :2]
    shared, union = _shared_and_union(predicted, seen, size, size_seen)
    height, height_seen = size[:, 1], size_seen[:, 1]
    ratio = np.minimum(height, height_seen) / np.maximum(height, height_seen)
    fit: F64 = shared / union * np.sqrt(ratio)
    if not same_class.all():
        fit -= OTHER_CLASS * ~same_class
    return fit


def second_chance(matching: Matching, tracks: Floats, unseen: Floats, seen: Floats, allowed: Bool) -> None:
    """Match tracks and detections left over within a gate that widens with the time a track was not seen.

    Both boxes are enlarged, as in C-BIoU (Yang et al., "Hard to Track Objects with Irregular Motions and
    Similar Appearances?", WACV 2023), and compared as if of one size, and their heights must fit.

    Args:
        matching: Where to find what is left over and to put the matches.
        tracks: Predicted centres and sides ``(N, 4)``.
        unseen: Seconds since each track was matched, ``(N,)``; negative: the track gets no second chance.
        seen: Detected centres and sides ``(M, 4)``.
        allowed: Detections that may be matched, ``(M,)``.
    """
    rows = np.flatnonzero(matching.free_rows & (unseen >= 0))
    columns = np.flatnonzero(matching.free_columns & allowed)
    if not len(rows) or not len(columns):
        return
    a, b = tracks[rows][:, None], seen[columns][None]
    scale = 1.0 + 2.0 * (_ENLARGED + _ENLARGED_PER_S * unseen[rows])
    offset = np.abs(a[..., :2] - b[..., :2]) / (0.5 * (a[..., 2:] + b[..., 2:]) * scale[:, None, None])
    shared = np.maximum(1.0 - offset, 0.0).prod(axis=2)
    heights = np.minimum(a[..., 3], b[..., 3]) / np.maximum(a[..., 3], b[..., 3])
    gain = shared / (2.0 - shared) * heights - _SECOND_CHANCE
    i, j = np.nonzero(gain > 0)
    matching.stage(rows[i], columns[j], gain[i, j])
