"""What a detector sees in a video becomes labels: objects are followed, forwards and backwards in time.

A weak sight of an object that was seen well before and after is sure, too; and a box is a weighted mean of
its object's boxes shortly before and after, because an object's size changes slowly and a detector's
mistakes do not. Source of the mean: Cleveland, "Robust Locally Weighted Regression and Smoothing
Scatterplots" (1979); the line through the centres goes along with the object's motion.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_node.config.settings import TrackerSettings
from edge_node.frames import I64, Detections, Tracks
from edge_node.track.tracker import create
from optimization.training.fusion import overlaps
from shared.geometry import F32, F64, Bool

SURE, UNSURE = 0.4, 0.15
"""From the first score on, a box is an object; below the second it is nothing; between, it is ignored."""
_TRACKED_SURE, _TRACKED_FRAMES, _SAME = 0.35, 4, 0.5
"""A weak box is sure, too, where its object was seen so well in the mean of so many frames, both ways."""
_WINDOW_S, _FEWEST = 0.6, 3
"""Sights count less the further away they are in time, and nothing from so many seconds on: about one step of
a walker. A box with fewer sights stays as it is."""


def settled(found: Sequence[Detections], seconds: Sequence[float]) -> tuple[list[F32], list[Bool]]:
    """The boxes of each frame as they are over time, and which of them are sure.

    Args:
        found: Of each frame, in order.
        seconds: When each frame was taken.
    """
    ahead, back = _owners(found, seconds), _owners(found[::-1], [-second for second in seconds[::-1]])[::-1]
    before, after = _supported(found, ahead), _supported(found, back)
    sure = [
        np.logical_or(one.score >= SURE, (one.score >= UNSURE) & first & second)
        for one, first, second in zip(found, before, after, strict=True)
    ]
    return _steadied(found, seconds, ahead), sure


def _owners(found: Sequence[Detections], seconds: Sequence[float]) -> list[I64]:
    """The track that each box of each frame belongs to; 0: none."""
    steps = np.diff(seconds, prepend=seconds[0] - 0.1).clip(1e-3).tolist()
    tracker = create(TrackerSettings(lost_s=max(1.5, 4 * float(np.median(steps)))))
    frames: list[Tracks] = [tracker.update(one, dt) for one, dt in zip(found, steps, strict=True)]
    owners: list[I64] = []
    for one, tracks in zip(found, frames, strict=True):
        owner = np.zeros(len(one), np.int64)
        if len(one) and len(tracks.track_id):
            overlap = overlaps(one.xyxy, tracks.xyxy) * (one.class_id[:, None] == tracks.class_id[None])
            best = overlap.argmax(1)
            # Two boxes that overlap one track are two objects: the nearer one is it.
            nearest = overlap.argmax(0)[best] == np.arange(len(one))
            near = (overlap[np.arange(len(one)), best] > _SAME) & nearest
            owner[near] = tracks.track_id[best[near]]
        owners.append(owner)
    return owners


def _supported(found: Sequence[Detections], owners: Sequence[I64]) -> list[Bool]:
    """Which boxes of each frame belong to a track that is long and well seen on the mean."""
    scores: dict[int, list[float]] = {}
    for one, owner in zip(found, owners, strict=True):
        for identity, score in zip(owner.tolist(), one.score.tolist(), strict=True):
            scores.setdefault(identity, []).append(score)
    good = [
        identity
        for identity, seen in scores.items()
        if identity and len(seen) >= _TRACKED_FRAMES and float(np.mean(seen)) >= _TRACKED_SURE
    ]
    return [np.isin(owner, good) for owner in owners]


def _steadied(found: Sequence[Detections], seconds: Sequence[float], owners: Sequence[I64]) -> list[F32]:
    frame = np.repeat(np.arange(len(found)), [len(one) for one in found])
    owner = np.concatenate(owners)
    boxes = np.concatenate([one.xyxy for one in found]).astype(np.float64)
    score = np.concatenate([one.score for one in found]).astype(np.float64)
    time = np.asarray(seconds, np.float64)[frame]
    made = boxes.copy()
    for identity in np.unique(owner[owner > 0]).tolist():
        mine = np.flatnonzero(owner == identity)
        made[mine] = _over_time(boxes[mine], score[mine], time[mine])
    same = _overlap(made, boxes)
    made[same < _SAME] = boxes[same < _SAME]  # it turned or jumped, or two objects were taken for one
    ends = np.cumsum([len(one) for one in found])[:-1]
    return [np.asarray(part, np.float32) for part in np.split(made, ends)]


def _over_time(boxes: F64, score: F64, time: F64) -> F64:
    """The boxes of one object: mean sizes, and centres on a line through those nearby."""
    apart = time[None] - time[:, None]
    weight = (1 - (apart / _WINDOW_S) ** 2).clip(0) * score
    enough = (weight > 0).sum(1) >= _FEWEST
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    whole, first, second = (np.sum(weight * apart**power, axis=1)[:, None] for power in range(3))
    spread = np.maximum(whole * second - first**2, 1e-12)
    line = (second * (weight @ centre) - first * ((weight * apart) @ centre)) / spread
    mean = (weight @ size) / whole
    made = np.concatenate([line - mean / 2, line + mean / 2], axis=1)
    return np.where(enough[:, None], made, boxes)


def _overlap(a: F64, b: F64) -> F64:
    """IoU of each box with the one at its place."""
    sides = (np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])).clip(0)
    shared = sides.prod(1)
    areas = [(one[:, 2:] - one[:, :2]).clip(0).prod(1) for one in (a, b)]
    return np.asarray(shared / np.maximum(areas[0] + areas[1] - shared, 1e-9))
