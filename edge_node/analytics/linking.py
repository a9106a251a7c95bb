"""Decides which new track is an object lost under another id: one that begins where the object can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_node.analytics.happenings import TICK_S
from edge_node.frames import Tracks
from shared.geometry import F64, iou

_STANDING = 0.25
"""An object that moves by less than this many of its sizes per second stands still."""
_SAME_PLACE = 0.5
"""Two boxes with at least this IoU are in the same place."""


@dataclass(frozen=True, kw_only=True)
class LinkGates:
    """How near a new track must be to a lost one; see `AnalyticsSettings`."""

    within_s: float
    distance: float
    size_ratio: float


def continuations(
    tracks: Tracks,
    boxes: F64,
    new: Sequence[int],
    objects: npt.NDArray[np.void],
    lost: npt.NDArray[np.intp],
    now_s: float,
    aspect: float,
    gates: LinkGates,
) -> dict[int, int]:
    """Decide which new tracks continue which lost objects: nearest pair first, each at most once.

    Args:
        tracks: The frame's tracks.
        boxes: Their boxes in fractions of the frame, ``(N, 4)``.
        new: Rows of the tracks that have no slot yet.
        objects: `Roster.objects`.
        lost: Slots of the objects that may be continued.
        now_s: The frame's time.
        aspect: The frame's width over its height.
        gates: How near a new track must be.

    Returns:
        The slot that each continuing row takes over.
    """
    if len(lost) == 0 or len(new) == 0 or gates.within_s == 0:
        return {}
    rows, before = np.asarray(new), objects[lost]
    born_s = now_s - tracks.age_s[rows].astype(np.float64)
    cost = _misfit(boxes[rows], before, now_s, aspect, gates)
    cost[tracks.class_id[rows, None] != before["class_id"]] = np.inf
    # Two boxes seen at the same moment are two objects; 1 ms covers the rounding of 32-bit ages.
    cost[born_s[:, None] < before["seen_s"] - 1e-3] = np.inf
    pairs: dict[int, int] = {}
    while np.isfinite(least := cost.min()):
        i, j = np.argwhere(cost == least)[0]
        pairs[int(rows[i])] = int(lost[j])
        cost[i, :] = cost[:, j] = np.inf
    return pairs


def _misfit(boxes: F64, lost: npt.NDArray[np.void], now_s: float, aspect: float, gates: LinkGates) -> F64:
    """How far each new box is from where each lost object can be by now: 0..1, infinite beyond the gates.

    A lost object may have stopped or gone on. It can be anywhere on the way from where it was last seen to
    where its velocity would have taken it. After `within_s`, only an object that stood still can be
    continued, by a track in the same place.

    Args:
        boxes: New boxes, fractions of the frame, ``(N, 4)``.
        lost: Rows of `Roster.objects`, ``(M,)``.
        now_s: The frame's time.
        aspect: The frame's width over its height; distances are in frame heights.
        gates: How near a new track must be.

    Returns:
        Costs ``(N, M)``.
    """
    unit = np.array([aspect, 1.0])

    def centre_and_size(xyxy: F64) -> tuple[F64, F64]:
        low, high = xyxy[:, :2] * unit, xyxy[:, 2:] * unit
        return (low + high) / 2, np.asarray(np.sqrt(np.prod(np.maximum(high - low, 1e-6), axis=1)))

    at, size = centre_and_size(boxes)
    last, last_size = centre_and_size(lost["box"])
    gap_s = now_s - lost["seen_s"]
    way = lost["velocity"] * np.minimum(gap_s, gates.within_s)[:, None]
    length2 = np.maximum((way**2).sum(axis=1), 1e-12)
    offset = at[:, None] - last
    along = np.clip((offset * way).sum(axis=2) / length2, 0.0, 1.0)
    distance = np.linalg.norm(offset - along[..., None] * way, axis=2)
    larger, smaller = np.maximum(size[:, None], last_size), np.minimum(size[:, None], last_size)
    cost: F64 = distance / np.maximum(gates.distance * larger, 1e-9)
    end = (last + way) / unit
    left_the_frame = ((end < 0) | (end > 1)).any(axis=1)
    stood = np.linalg.norm(lost["velocity"], axis=1) < _STANDING * last_size
    gone = (gap_s > gates.within_s + TICK_S) & ~(stood & (iou(boxes, lost["box"]) >= _SAME_PLACE))
    cost[(cost > 1) | (larger > gates.size_ratio * smaller) | left_the_frame | gone] = np.inf
    return cost
