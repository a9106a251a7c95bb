"""Several detectors' boxes of one picture become one list.

Source: Solovyev, Wang and Gabruseva, "Weighted boxes fusion: Ensembling boxes from different object detection
models", Image and Vision Computing 107 (2021), section 3.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from edge_node.frames import Detections
from shared.geometry import F32

_SAME = 0.55
"""Boxes of one class that overlap by more than this (IoU) show one object, as in the paper."""


def fuse(found: Sequence[Detections], knows: Sequence[Collection[int]] | None = None) -> Detections:
    """The mean of the boxes that show one object, weighted by their scores.

    The score falls where few detectors agree.

    Args:
        found: What each detector saw, pixels of the same picture, class ids of the same names.
        knows: The classes that each detector can see; None: each sees all. A class's score falls only where
            detectors that know the class do not see the object.

    Returns:
        Best first.
    """
    boxes: list[F32] = []
    scores: list[float] = []
    classes: list[int] = []
    for kind in sorted({int(kind) for one in found for kind in one.class_id}):
        voters = len(found) if knows is None else sum(kind in one for one in knows)
        of_kind = [one[np.flatnonzero(one.class_id == kind)] for one in found]
        xyxy = np.concatenate([one.xyxy for one in of_kind]).astype(np.float64)
        score = np.concatenate([one.score for one in of_kind]).astype(np.float64)
        voter = np.concatenate([np.full(len(one), place) for place, one in enumerate(of_kind)])
        for members in _clusters(xyxy, score, voter):
            weight = score[members]
            boxes.append(np.asarray((xyxy[members] * weight[:, None]).sum(0) / weight.sum(), np.float32))
            scores.append(float(weight.sum()) / max(voters, 1))  # the mean, times the share that agrees
            classes.append(kind)
    order = np.argsort(-np.array(scores), kind="stable").astype(np.intp)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4)[order],
        np.array(scores, np.float32)[order],
        np.array(classes, np.int32)[order],
    )


def _clusters(xyxy: np.ndarray, score: np.ndarray, voter: np.ndarray) -> list[list[int]]:
    """Indices of the boxes that show the same object, beginning with the best box.

    Unlike in the paper, a cluster has one box of each detector, whose NMS says that others are other objects.
    """
    members: list[list[int]] = []
    middle = np.zeros((0, 4))
    for index in np.argsort(-score, kind="stable").tolist():
        if score[index] <= 0:
            continue
        overlap = overlaps(xyxy[index : index + 1], middle)[0] if len(middle) else np.zeros(0)
        overlap[[voter[index] in voter[one] for one in members]] = 0.0
        best = int(overlap.argmax()) if len(overlap) else -1
        if best < 0 or overlap[best] <= _SAME:
            members.append([index])
            middle = np.concatenate([middle, xyxy[index : index + 1]])
            continue
        members[best].append(index)
        weight = score[members[best]]
        middle[best] = (xyxy[members[best]] * weight[:, None]).sum(0) / weight.sum()
    return members


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of boxes ``(N, 4)`` with boxes ``(M, 4)``: ``(N, M)``."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = sides.clip(0).prod(-1)
    areas = [(one[:, 2:] - one[:, :2]).clip(0).prod(-1) for one in (a, b)]
    return np.asarray(shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9))
