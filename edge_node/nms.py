"""Non-maximum suppression: of boxes that show the same object, only the best-scored stays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_node.frames import Detections
from shared.geometry import F32, F64, box_area

MAX_CANDIDATES = 30_000
"""The best-scored candidates that are looked at; a network that floods must not stall the pipeline."""


def nms(found: Detections, threshold: float, limit: int) -> Detections:
    """Greedy non-maximum suppression within each class, exact.

    The IoU of two boxes is at most that of their extents in x. So a box whose IoU with another is above t
    starts at most (1 - t) of that one's width to its right, or (1 - t) / t of it to its left. Laid out by
    class and left edge, a box that is kept meets only that stretch of its own class, not all the others; and
    what is suppressed is never compared with anything.

    Args:
        found: Candidates, finite, no score negative.
        threshold: A box whose IoU with a better one of its class is larger is suppressed.
        limit: Most boxes returned, the best ones.

    Returns:
        The survivors, best first; equal scores keep their order.
    """
    rank = best_first(found.score)
    if len(rank) > MAX_CANDIDATES:
        found = found[rank[:MAX_CANDIDATES]]
        rank = np.arange(MAX_CANDIDATES)
    if len(rank) == 0:
        return found
    left: F64 = found.xyxy[:, 0].astype(np.float64)
    right: F64 = found.xyxy[:, 2].astype(np.float64)
    # Classes farther apart than any two boxes of one class.
    step = 1.0 + 1.001 * (float(right.max()) - float(left.min()))
    floor: F64 = found.class_id.astype(np.float64) * step
    key = floor + (left - left.min())
    place = np.argsort(key)
    position = np.empty(len(place), np.intp)
    position[place] = np.arange(len(place))
    starts, ends = _stretches(key[place], floor[place], (right - left)[place], threshold)
    kept = _greedy(found.xyxy[place], position[rank].tolist(), starts, ends, threshold, limit)
    return found[place[kept]]


def best_first(score: F32) -> npt.NDArray[np.intp]:
    """Indices by falling score; equal scores keep their order.

    The bits of floats that are not negative sort like integers. With the index below them no two keys are
    equal, so numpy's fastest sort, which is not stable, does.

    Args:
        score: ``(N,)``, none negative.
    """
    bits = np.ascontiguousarray(score).view(np.int32).astype(np.int64)
    return np.argsort((-bits << 32) + np.arange(len(score)))


def _stretches(key: F64, floor: F64, width: F64, threshold: float) -> tuple[list[int], list[int]]:
    """First position, and last, exclusive, of what each box might suppress; see `nms`.

    Args:
        key: Left edges, classes apart, rising.
        floor: What was added to each for its class.
        width: Of each box.
        threshold: IoU.
    """
    slack = 4.0 * np.spacing(key[-1]) + 1e-4 * np.abs(width)  # rounding must not hide a rival
    to_left = width * ((1.0 - threshold) / max(threshold, 1e-6)) + slack
    first = np.searchsorted(key, np.maximum(key - to_left, floor - slack))
    last = np.searchsorted(key, key + (width * (1.0 - threshold) + slack), side="right")
    return first.tolist(), last.tolist()


def _greedy(
    xyxy: F32, order: list[int], starts: list[int], ends: list[int], threshold: float, limit: int
) -> list[int]:
    """Positions of the survivors, best first.

    Args:
        xyxy: Boxes ``(N, 4)`` as laid out.
        order: Their positions, best first.
        starts: Of the stretch that each might suppress.
        ends: Of the same.
        threshold: IoU.
        limit: Most survivors.
    """
    # x1, y1, -x2, -y2: the larger of two boxes' is their intersection's, in one step for all four.
    edges = np.ascontiguousarray(xyxy.T)
    edges[2:] *= -1
    own = np.ascontiguousarray(edges.T)[:, :, None]
    area = box_area(xyxy).astype(np.float32)
    alive = np.ones(len(order), np.bool_)
    is_alive = alive.data  # asking an array for one item is several times slower
    kept: list[int] = []
    with np.errstate(invalid="ignore", divide="ignore"):  # boxes of no area: 0 / 0 is above no threshold
        for index in order:
            if not is_alive[index]:
                continue
            kept.append(index)
            if len(kept) == limit:
                break
            stretch = slice(starts[index], ends[index])
            inner = np.maximum(edges[:, stretch], own[index])
            sides = inner[:2] + inner[2:]  # negative lengths: their product is the area
            np.minimum(sides, 0.0, out=sides)
            overlap = sides[0] * sides[1]
            union = area[stretch] + area[index]
            union -= overlap
            overlap /= union
            rivals = alive[stretch]
            np.greater(rivals, overlap > threshold, out=rivals)  # alive and not suppressed
    return kept
