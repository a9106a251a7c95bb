"""Whether a model has become better by more than noise, and has kept what it knew.

Sources: Lin et al., "Microsoft COCO" (2014), for the average precision; Efron, "Bootstrap Methods" (1979),
and Künsch, "The Jackknife and the Bootstrap for General Stationary Observations" (1989), for blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_node.frames import Detections
from optimization.training.augment import Boxes
from optimization.training.fusion import overlaps

_IOUS = np.arange(0.5, 0.951, 0.05)
_RECALLS = np.linspace(0, 1, 101)
_ROUNDS, _LOW, _HIGH = 400, 5.0, 95.0
_BLOCKS = 16
"""Neighbouring frames show the same, so they are drawn together: a video has as many draws as this."""
_SURE, _AGAIN = 0.4, 0.25
OFTEN = 0.1
"""A class that is seen in a smaller share of the pictures is more often a mistake than there."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How two models did on the same pictures, in points of average precision (0..100).

    Attributes:
        before: Of the model as it was.
        after: Of the model as it is.
        low: The gain that it has at least, by the pictures' chance: the 5th percentile of the bootstrap.
        high: The 95th percentile.
    """

    before: float
    after: float
    low: float
    high: float

    @property
    def better(self) -> bool:
        """Whether the gain is more than noise."""
        return self.low > 0


@dataclass(frozen=True, slots=True, eq=False)
class _Matches:
    """Detections of one class, best first, matched with the truth.

    Attributes:
        frame: ``(D,)``: the picture of each.
        hit: ``(10, D)``: whether it shows an object, by required IoU.
        counted: ``(10, D)``: whether it counts at all.
        objects: ``(pictures,)``: objects in each picture.
    """

    frame: np.ndarray
    hit: np.ndarray
    counted: np.ndarray
    objects: np.ndarray

    def precision(self, weight: np.ndarray) -> float:
        """Average precision with each picture counted so often, 0..1; NaN without an object."""
        there = float((self.objects * weight).sum())
        if not there:
            return float("nan")
        counted = self.counted * weight[self.frame]
        hits = np.cumsum(self.hit * counted, axis=1)
        precision = hits / np.maximum(np.cumsum(counted, axis=1), 1e-9)
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = hits / there
        padded = np.concatenate([precision, np.zeros((len(precision), 1))], axis=1)
        return float(np.mean([p[np.searchsorted(r, _RECALLS)] for r, p in zip(recall, padded, strict=True)]))


def compare(
    before: Sequence[Detections],
    after: Sequence[Detections],
    truth: Sequence[Boxes],
    classes: Sequence[int],
    *,
    video: bool,
    seed: int = 0,
) -> Verdict:
    """Judge a new model against the old one, picture by picture.

    Args:
        before: What the old model saw in each picture.
        after: What the new one saw.
        truth: What is there.
        classes: Class ids that count; each has an object in the truth.
        video: Whether neighbours show the same scene.
        seed: Of the bootstrap.
    """
    count = len(truth)
    pairs = [(_match(before, truth, kind), _match(after, truth, kind)) for kind in classes]

    def means(weight: np.ndarray) -> tuple[float, float]:
        values = np.array([[one.precision(weight) for one in pair] for pair in pairs])
        values = values[~np.isnan(values[:, 0])]
        old, new = values.mean(axis=0) if len(values) else (0.0, 0.0)
        return 100 * float(old), 100 * float(new)

    chance = np.random.default_rng(seed)
    length = max(count // _BLOCKS, 1) if video else 1
    gains = []
    for _ in range(_ROUNDS):
        starts = chance.integers(0, count - length + 1, -(-count // length))
        drawn = (starts[:, None] + np.arange(length)).ravel()
        old, new = means(np.bincount(drawn, minlength=count).astype(np.float64))
        gains.append(new - old)
    low, high = np.percentile(gains, [_LOW, _HIGH])
    return Verdict(*means(np.ones(count)), float(low), float(high))


def agreement(
    before: Sequence[Detections], after: Sequence[Detections], classes: Sequence[int]
) -> tuple[int, float]:
    """How many objects of some classes the old model was sure of, and the share that both models see.

    Args:
        before: What the old model saw in each picture.
        after: What the new one saw.
        classes: Class ids.

    Returns:
        The number of objects either model is sure of, and the share of these that the other one sees, too.
    """
    total = both = 0
    for old, new in zip(before, after, strict=True):
        for one, other in ((old, new), (new, old)):
            sure = one[np.flatnonzero((one.score >= _SURE) & np.isin(one.class_id, classes))]
            seen = other[np.flatnonzero(other.score >= _AGAIN)]
            same = sure.class_id[:, None] == seen.class_id[None]
            total += len(sure)
            both += int(((overlaps(sure.xyxy, seen.xyxy) * same) >= 0.5).any(axis=1).sum())
    return total, both / total if total else 1.0


def often(found: Sequence[Detections], classes: Sequence[int]) -> list[int]:
    """The classes among these that a model is sure of in enough pictures not to be mistaken each time."""
    seen = [set(one.class_id[one.score >= _SURE].tolist()) for one in found]
    return [kind for kind in classes if sum(kind in one for one in seen) >= OFTEN * len(found)]


def _match(found: Sequence[Detections], truth: Sequence[Boxes], kind: int) -> _Matches:
    frames, scores, hits, counted, objects = [], [], [], [], []
    for number, (seen, there) in enumerate(zip(found, truth, strict=True)):
        mine = seen[np.flatnonzero(seen.class_id == kind)]
        of_kind = np.asarray(there.class_id == kind)
        sure = np.logical_and(of_kind, there.sure > 0)
        unsure = np.logical_and(of_kind, there.sure == 0)
        order = np.argsort(-mine.score, kind="stable").astype(np.intp)
        hit, counts = _match_picture(mine.xyxy[order], there.xyxy[sure], there.xyxy[unsure])
        frames.append(np.full(len(mine), number))
        scores.append(mine.score[order])
        hits.append(hit)
        counted.append(counts)
        objects.append(int(sure.sum()))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return _Matches(
        np.concatenate(frames).astype(np.intp)[order],
        np.concatenate(hits, axis=1)[:, order],
        np.concatenate(counted, axis=1)[:, order],
        np.array(objects),
    )


def _match_picture(xyxy: np.ndarray, sure: np.ndarray, unsure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes, best first, hit an object that no better box has hit; and which count."""
    hit = np.zeros((len(_IOUS), len(xyxy)), bool)
    overlap = overlaps(xyxy, sure)
    for level, least in enumerate(_IOUS):
        free = np.ones(len(sure), bool)
        for box in range(len(xyxy)):
            near = np.where(free, overlap[box], 0.0)
            if len(near) and near.max() >= least:
                free[near.argmax()] = False
                hit[level, box] = True
    doubtful = np.zeros(len(xyxy), bool)
    if len(unsure):
        doubtful = np.asarray((overlaps(xyxy, unsure) >= 0.5).any(axis=1))
    return hit, np.logical_or(hit, ~doubtful[None])
