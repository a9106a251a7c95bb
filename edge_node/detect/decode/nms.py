"""Non-maximum suppression: of boxes that show the same object, only the best-scored stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_node.detect.decode.compiled import compiled
from edge_node.frames import Detections
from shared.geometry import F32, F64, Bool

Ids = npt.NDArray[np.intp]

MAX_CANDIDATES = 30_000
"""Only this many of the best candidates are considered, so that a flood does not stall the pipeline."""

FEW = 400
"""Up to this number of boxes, the one-by-one search is the fastest."""
_SORTED_STABLY = 200
"""Up to this number of scores, a stable sort is faster than making keys for the fastest one."""
_ROUNDS, _NARROW = 3, 64
"""With more boxes, rounds take many at once, while each box has few others within reach."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """Boxes by class and left edge.

    Attributes:
        xyxy: ``(N, 4)``.
        area: ``(N,)``.
        rank: By score, 0 is the best.
        starts: For each box, the first position of the boxes within its reach: those that it may suppress or
            that may suppress it.
        ends: The last such position, exclusive.
    """

    xyxy: F32
    area: F32
    rank: Ids
    starts: Ids
    ends: Ids

    def only(self, alive: Bool) -> _Placed:
        """The boxes that are alive, without gaps."""
        closed = np.concatenate([[0], np.cumsum(alive)])
        starts, ends = closed[self.starts[alive]], closed[self.ends[alive]]
        return _Placed(self.xyxy[alive], self.area[alive], self.rank[alive], starts, ends)


def nms(found: Detections, threshold: float, limit: int) -> Detections:
    """Greedy non-maximum suppression within each class, exact: by compiled code where it can, else by numpy.

    Args:
        found: Candidates, finite, no score negative.
        threshold: A box whose IoU with a better one of its class is larger is suppressed; 0..1.
        limit: Maximum number of boxes returned, the best ones.

    Returns:
        The survivors, best first; equal scores keep their order.
    """
    operator = (
        compiled()
    )  # also for no boxes: the first run, on a blank picture, makes it, and no frame waits
    if len(found) == 0:
        return found
    if len(found) > MAX_CANDIDATES:
        found = found[best_first(found.score)[:MAX_CANDIDATES]]
    chosen = operator.survivors(found, threshold, limit) if operator else None
    if chosen is None:
        return found[survivors(found, threshold, limit)]
    chosen.sort()
    return found[chosen[best_first(found.score[chosen])[:limit]]]


def survivors(found: Detections, threshold: float, limit: int) -> Ids:
    """What `nms` keeps, by numpy.

    The IoU of two boxes A and B is at most that of their extents in x. If it is above t, A's left edge is at
    most (1 - t) times B's width to the right of B's, or (1 - t) / t times B's width to the left. Boxes are
    sorted by class and left edge, so each is compared only with the boxes in that stretch.

    A box that is the best in its stretch stays, whatever happens elsewhere. A few rounds take all such boxes
    at once and drop the boxes that they suppress. The remaining boxes are taken one by one, best first.

    Args:
        found: Candidates, at least one and at most `MAX_CANDIDATES`.
        threshold: See `nms`.
        limit: Maximum number of boxes returned.

    Returns:
        Their indices, best first.
    """
    order = best_first(found.score)
    # Boxes of no or infinite area have an IoU that is no number; that is above no threshold.
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        boxes = _lay_out(found, order, threshold)
        taken = np.zeros(0, np.intp)
        for _ in range(_ROUNDS):
            if len(boxes.rank) <= FEW or (boxes.ends - boxes.starts).mean() > _NARROW:
                break
            best = _best_within_reach(boxes)
            taken = np.concatenate([taken, boxes.rank[best]])
            boxes = boxes.only(~(best | _suppressed(boxes, best, threshold)))
        if len(taken) >= limit:  # boxes worse than the last of these come too late
            boxes = boxes.only(boxes.rank < np.sort(taken)[limit - 1])
        rest = boxes.rank[_one_by_one(boxes, threshold, limit)]
    kept: Ids = order[np.sort(np.concatenate([taken, rest]))[:limit]]
    return kept


def best_first(score: F32) -> Ids:
    """Indices by falling score; equal scores keep their order.

    The bits of floats that are not negative sort like integers. With the index in the lower bits no two keys
    are equal, so numpy's fastest sort, which is not stable, suffices for many.

    Args:
        score: ``(N,)``, none negative.
    """
    bits = np.ascontiguousarray(score).view(np.int32)
    if len(score) <= _SORTED_STABLY:
        return (~bits).argsort(kind="stable")
    return np.argsort((-bits.astype(np.int64) << 32) + np.arange(len(score)))


def _lay_out(found: Detections, order: Ids, threshold: float) -> _Placed:
    """Sort boxes by class and left edge; see `nms`.

    Args:
        found: Candidates.
        order: Their indices, best first.
        threshold: Of the IoU.
    """
    # Among a few boxes, all of a class count as within reach.
    few = len(order) <= FEW
    key, first, last = (found.class_id,) * 3 if few else _reach(found, threshold)
    place = np.argsort(key)
    key = key[place]
    starts = np.searchsorted(key, first[place])
    ends = np.searchsorted(key, last[place], side="right")
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    xyxy = found.xyxy[place]
    sides = np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0.0)
    return _Placed(xyxy, sides[:, 0] * sides[:, 1], rank[place], starts, ends)


def _reach(found: Detections, threshold: float) -> tuple[F64, F64, F64]:
    """A key of class and left edge for each box, and the least and largest key within its reach."""
    left: F64 = found.xyxy[:, 0].astype(np.float64)
    width: F64 = found.xyxy[:, 2] - left
    # Keys of two classes are farther apart than those of any two boxes of one class.
    step = 1.0 + 1.001 * (float(found.xyxy[:, 2].max()) - float(left.min()))
    floor: F64 = found.class_id.astype(np.float64) * step
    key: F64 = floor + (left - left.min())
    slack = 4.0 * np.spacing(key.max()) + 1e-4 * np.abs(width)  # rounding must not hide a box within reach
    to_left = width * ((1.0 - threshold) / max(threshold, 1e-6)) + slack
    return key, np.maximum(key - to_left, floor - slack), key + (width * (1.0 - threshold) + slack)


def _best_within_reach(boxes: _Placed) -> Bool:
    """Which boxes are the best within their reach.

    Two boxes with an IoU above the threshold are within each other's reach.
    """
    bounds = np.column_stack([boxes.starts, boxes.ends]).ravel()
    # The last stretch may end after the last rank, and reduceat needs a value there.
    best = np.minimum.reduceat(np.append(boxes.rank, MAX_CANDIDATES), bounds)[::2]
    return np.asarray(best == boxes.rank)


def _suppressed(boxes: _Placed, by: Bool, threshold: float) -> Bool:
    """Which boxes the boxes `by` suppress."""
    owner = np.flatnonzero(by)
    count = boxes.ends[owner] - boxes.starts[owner]
    first = np.cumsum(count) - count
    member = np.arange(count.sum()) + np.repeat(boxes.starts[owner] - first, count)
    owner = np.repeat(owner, count)
    ours, theirs = boxes.xyxy[owner], boxes.xyxy[member]
    sides = np.minimum(ours[:, 2:], theirs[:, 2:]) - np.maximum(ours[:, :2], theirs[:, :2])
    np.maximum(sides, 0.0, out=sides)
    overlap = sides[:, 0] * sides[:, 1]
    union = boxes.area[owner] + boxes.area[member] - overlap
    gone = np.zeros(len(by), np.bool_)
    gone[member[overlap / union > threshold]] = True
    return gone


def _one_by_one(boxes: _Placed, threshold: float, limit: int) -> list[int]:
    """Positions of the survivors, best first; a suppressed box is never compared with another."""
    # x1, y1, -x2, -y2: the maximum of two boxes' edges is their intersection's, in one step for all four.
    edges = np.ascontiguousarray(boxes.xyxy.T)
    edges[2:] *= -1
    own = np.ascontiguousarray(edges.T)[:, :, None]
    area, starts, ends = boxes.area, boxes.starts.tolist(), boxes.ends.tolist()
    alive = np.ones(len(area), np.bool_)
    is_alive = alive.data  # several times faster than reading one item of the array
    kept: list[int] = []
    for position in np.argsort(boxes.rank).tolist():
        if not is_alive[position]:
            continue
        kept.append(position)
        if len(kept) == limit:
            break
        stretch = slice(starts[position], ends[position])
        inner = np.maximum(edges[:, stretch], own[position])
        sides = inner[:2] + inner[2:]  # negative lengths; their product is the area
        np.minimum(sides, 0.0, out=sides)
        overlap = sides[0] * sides[1]
        union = area[stretch] + area[position]
        union -= overlap
        overlap /= union
        rivals = alive[stretch]
        np.greater(rivals, overlap > threshold, out=rivals)  # still alive and not suppressed
    return kept
