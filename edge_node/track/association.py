"""Which detection belongs to which track: candidate pairs and their optimal one-to-one assignment.

Few pairs of tracks and detections overlap at all. After one cheap test, everything works on the list of pairs
that do: arrays ``(P,)`` instead of matrices ``(N, M)``. The pairs of several cameras fit into one list, and
only an assignment that is not obvious is made camera by camera.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from edge_node.frames import I64
from edge_node.track.rows import Index
from shared.geometry import F64, Bool, Floats

OTHER_CLASS = 0.3
"""By how much a difference in class lowers a pair's similarity."""
_ENLARGED, _ENLARGED_PER_S = (
    0.4,
    0.5,
)  # growth of a box at each edge, in sides: at once, and per second unseen
_SECOND_CHANCE = 0.3  # least similarity of the enlarged boxes
_SPARSE, _BLOCK = 4, 2000  # blocks of all cameras may hold so many times as many pairs as there are, and more


def overlapping(a: Floats, b: Floats) -> tuple[Index, Index]:
    """Find the pairs of boxes that share some area.

    Args:
        a: Corners ``(4, N)``, or ``(4, cameras, N)``.
        b: Corners ``(4, M)``, or ``(4, cameras, M)``.

    Returns:
        Indices into `a` and into `b`, each ``(P,)``, ordered by the first. With cameras, the first is
        ``camera * N`` more.
    """
    # float32 halves the memory traffic, and rounding to it keeps the order of coordinates.
    a, b = np.asarray(a, np.float32)[..., None], np.asarray(b, np.float32)[..., None, :]
    touch = a[:2] < b[2:]
    touch &= a[2:] > b[:2]
    both = touch[0] & touch[1]
    # Searching the flat array is several times faster than asking numpy for two-dimensional indices.
    rows, columns = np.divmod(both.ravel().nonzero()[0], max(b.shape[-1], 1))
    return rows, columns


def overlapping_within(
    a: Floats, b: Floats, camera_a: Index | I64, camera_b: Index | I64, cameras: int
) -> tuple[Index, Index]:
    """Find the pairs of boxes of one camera that share some area; see `overlapping`.

    Args:
        a: Corners ``(4, N)``.
        b: Corners ``(4, M)``.
        camera_a: Place of the camera of each, ``(N,)``, ascending.
        camera_b: Place of the camera of each, ``(M,)``, ascending.
        cameras: Number of cameras.
    """
    if cameras == 1:
        return overlapping(a, b)
    count_a, count_b = (np.bincount(one, minlength=cameras) for one in (camera_a, camera_b))
    many_a, many_b = int(count_a.max()), int(count_b.max())
    first_a, first_b = np.cumsum(count_a) - count_a, np.cumsum(count_b) - count_b
    if cameras * many_a * many_b > _SPARSE * (_BLOCK + int((count_a * count_b).sum())):
        found = [
            overlapping(a[:, x : x + n], b[:, y : y + m])
            for x, n, y, m in zip(first_a, count_a, first_b, count_b, strict=True)
        ]
        rows = np.concatenate([i + x for (i, _), x in zip(found, first_a, strict=True)])
        columns = np.concatenate([j + y for (_, j), y in zip(found, first_b, strict=True)])
        return rows, columns
    block, column = overlapping(
        _blocks(a, camera_a * many_a + np.arange(len(camera_a)) - first_a[camera_a], cameras, many_a),
        _blocks(b, camera_b * many_b + np.arange(len(camera_b)) - first_b[camera_b], cameras, many_b),
    )
    camera, row = np.divmod(block, max(many_a, 1))
    return first_a[camera] + row, first_b[camera] + column


def _blocks(boxes: Floats, place: Index | I64, cameras: int, many: int) -> Floats:
    """Corners ``(4, N)`` at `place` in ``(4, cameras, many)``; elsewhere NaN, which overlaps nothing."""
    blocks = np.full((4, cameras * many), np.nan, np.float32)
    blocks[:, place] = boxes
    return blocks.reshape(4, cameras, many)


def pair_iou(a: Floats, b: Floats) -> F64:
    """Intersection over union, pair by pair.

    Args:
        a: Corners of the first boxes, ``(4, P)``.
        b: Corners of the second boxes, ``(4, P)``.

    Returns:
        ``(P,)``, 0..1; 0 for two boxes without area.
    """
    shared, union = _shared_and_union(a, b, a[2:] - a[:2], b[2:] - b[:2])
    fit: F64 = shared / np.maximum(union, 1e-9)
    return fit


def _shared_and_union(a: Floats, b: Floats, size_a: Floats, size_b: Floats) -> tuple[F64, F64]:
    """Areas ``(P,)`` of intersection and union, from corners ``(4, P)`` and sides ``(2, P)``."""
    sides = np.minimum(a[2:], b[2:])
    sides -= np.maximum(a[:2], b[:2])
    np.maximum(sides, 0.0, out=sides)
    shared: F64 = sides[0] * sides[1]
    union: F64 = size_a[0] * size_a[1]
    union += size_b[0] * size_b[1]
    union -= shared
    return shared, union


def assign(
    rows: Index, columns: Index, gain: Floats, camera: Index | I64 | None = None
) -> tuple[Index, Index]:
    """Choose pairs with the greatest sum of gains, each row and each column at most once.

    Pairs that are each other's only choice are taken at once: no assignment can do better without them. That
    seldom leaves anything for the solver (scipy's Jonker-Volgenant, which releases the GIL).

    Args:
        rows: Rows of the allowed pairs, ``(P,)``.
        columns: Columns of the allowed pairs, ``(P,)``; no pair is listed twice.
        gain: Similarity minus the least that is accepted, ``(P,)``. Only pairs of positive gain are chosen.
        camera: Place of the camera of each row, ``(N,)``; the pairs stand in its order. None: all have one.

    Returns:
        Rows and columns of the chosen pairs, each ``(K,)``, in no particular order.
    """
    allowed = (gain > 0).nonzero()[0]
    if len(allowed) < len(gain):
        rows, columns, gain = rows[allowed], columns[allowed], gain[allowed]
    if not len(rows):
        return rows, columns
    in_row, in_column = np.bincount(rows), np.bincount(columns)
    if np.count_nonzero(in_row) == np.count_nonzero(in_column) == len(rows):
        return rows, columns
    free = in_row[rows] * in_column[columns] == 1
    contested = ~free
    chosen = [(rows[free], columns[free])]
    rows, columns, gain = rows[contested], columns[contested], gain[contested]
    cuts = [0, len(rows)]
    if camera is not None:
        cuts[1:1] = changes(camera[rows]).tolist()
    for start, stop in pairwise(cuts):
        chosen.append(_solve(rows[start:stop], columns[start:stop], gain[start:stop]))
    chosen_rows, chosen_columns = zip(*chosen, strict=True)
    return np.concatenate(chosen_rows), np.concatenate(chosen_columns)


def changes(values: Index | I64) -> Index:
    """Where a value is another than the one before it."""
    place: Index = (values[1:] != values[:-1]).nonzero()[0] + 1
    return place


def _solve(rows: Index, columns: Index, gain: Floats) -> tuple[Index, Index]:
    """Choose among pairs by the solver."""
    row_names, i = _numbered(rows)
    column_names, j = _numbered(columns)
    matrix = np.zeros((len(row_names), len(column_names)))
    matrix[i, j] = gain
    i, j = linear_sum_assignment(matrix, maximize=True)
    made = matrix[i, j] > 0
    return row_names[i[made]], column_names[j[made]]


def _numbered(index: Index) -> tuple[Index, Index]:
    """The distinct values, sorted, and the index of each value among them; cheaper than `numpy.unique`."""
    names = np.bincount(index).nonzero()[0]
    place = np.empty(names[-1] + 1, np.intp)
    place[names] = np.arange(len(names))
    return names, place[index]


class Matching:
    """Matches made in stages: a stage cannot use what an earlier one matched.

    Args:
        rows: Number of tracks, N.
        columns: Number of detections, M.
        cameras: Places of the cameras of rows and of columns, ascending; None: all have one camera.

    Attributes:
        taken_rows: Mask ``(N,)`` of the tracks already matched.
        taken_columns: Mask ``(M,)`` of the detections already matched.
    """

    def __init__(
        self, rows: int, columns: int, cameras: tuple[Index | I64, Index | I64] | None = None
    ) -> None:
        self._cameras = cameras
        self.taken_rows: Bool = np.zeros(rows, np.bool_)
        self.taken_columns: Bool = np.zeros(columns, np.bool_)
        self._left = min(rows, columns)
        self._made: list[tuple[Index, Index]] = []

    @property
    def complete(self) -> bool:
        """Whether all tracks or all detections are taken, so that no stage can match anything more."""
        return self._left == 0

    def stage(self, rows: Index, columns: Index, gain: Floats) -> None:
        """Assign among these pairs, see `assign`. No pair of positive gain may hold a taken row or column."""
        if not len(rows):
            return
        r, c = assign(rows, columns, gain, self._cameras and self._cameras[0])
        if len(r):
            self.taken_rows[r] = True
            self.taken_columns[c] = True
            self._left -= len(r)
            self._made.append((r, c))

    def candidates(self, rows: Index, columns: Index) -> tuple[Index, Index]:
        """Indices of all pairs of these rows and columns that have one camera, ordered by the first."""
        if self._cameras is None:
            i, j = np.divmod(np.arange(len(rows) * len(columns)), max(len(columns), 1))
            return i, j
        of_row, of_column = self._cameras[0][rows], self._cameras[1][columns]
        i, j = (of_row[:, None] == of_column).nonzero()
        return i, j

    def pairs(self) -> tuple[Index, Index]:
        """Rows and columns of all matches, each ``(K,)``."""
        if len(self._made) == 1:
            return self._made[0]
        if not self._made:
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        rows, columns = zip(*self._made, strict=True)
        return np.concatenate(rows), np.concatenate(columns)


def similarity(predicted: Floats, seen: Floats, same_class: Bool) -> F64:
    """How well boxes fit, pair by pair: IoU times the square root of the ratio of heights.

    Heights tell apart people who stand one behind the other (Yang et al., "Hybrid-SORT", 2024). A different
    class makes a pair less likely but not impossible, because detectors waver between car and truck.

    Args:
        predicted: Corners of the tracks, ``(4, P)``.
        seen: Corners of the detections, ``(4, P)``. The boxes of each pair overlap.
        same_class: Whether the classes are equal, ``(P,)``.

    Returns:
        ``(P,)``, at most 1.
    """
    size, size_seen = predicted[2:] - predicted[:2], seen[2:] - seen[:2]
    shared, union = _shared_and_union(predicted, seen, size, size_seen)
    height, height_seen = size[1], size_seen[1]
    ratio = np.minimum(height, height_seen) / np.maximum(height, height_seen)
    fit: F64 = shared / union * np.sqrt(ratio)
    if np.count_nonzero(same_class) < len(same_class):
        fit -= OTHER_CLASS * ~same_class
    return fit


def second_chance(matching: Matching, tracks: Floats, unseen: Floats, seen: Floats, allowed: Bool) -> None:
    """Match remaining tracks and detections within a gate that widens while a track is unseen.

    Both boxes are enlarged, as in C-BIoU (Yang et al., "Hard to Track Objects with Irregular Motions and
    Similar Appearances?", WACV 2023), and compared as if they were equally large. Their heights must fit.

    Args:
        matching: The matches so far; new ones are added to it.
        tracks: Predicted centres and sides ``(4, N)``.
        unseen: Seconds since each track was matched, ``(N,)``. A negative number excludes the track.
        seen: Detected centres and sides ``(4, M)``.
        allowed: Mask ``(M,)`` of the detections that may be matched.
    """
    rows = (~matching.taken_rows & (unseen >= 0)).nonzero()[0]
    columns = (~matching.taken_columns & allowed).nonzero()[0]
    if not len(rows) or not len(columns):
        return
    i, j = matching.candidates(rows, columns)
    rows, columns = rows[i], columns[j]
    a, b = tracks.take(rows, axis=1), seen.take(columns, axis=1)
    scale = 1.0 + 2.0 * (_ENLARGED + _ENLARGED_PER_S * unseen[rows])
    offset = np.abs(a[:2] - b[:2]) / (0.5 * (a[2:] + b[2:]) * scale)
    near = np.maximum(1.0 - offset, 0.0)
    shared = near[0] * near[1]
    heights = np.minimum(a[3], b[3]) / np.maximum(a[3], b[3])
    matching.stage(rows, columns, shared / (2.0 - shared) * heights - _SECOND_CHANCE)
