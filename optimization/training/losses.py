"""How wrong a network's answers are, as one number that can be differentiated.

Sources: Zhang et al., "VarifocalNet" (2021), for scores; Rezatofighi et al., "Generalized Intersection over
Union" (2019), for boxes; Hinton et al., "Distilling the Knowledge in a Neural Network" (2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch's users know

from optimization.training.assign import area, assign, iou
from optimization.training.network.answers import Answers

_NEGATIVE, _FOCUS = 0.75, 2.0
"""Varifocal loss: weight of places without an object, and the power of their score."""
_BOX = 2.0
"""Weight of the boxes against the scores, as in TOOD."""
_SEEN = 0.3
"""From this score on, the boxes that the earlier network gave to other classes must stay."""
_TINY = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """What is in one picture, for training.

    Attributes:
        xyxy: ``(G, 4)``: the objects, pixels of the input.
        class_id: ``(G,)``.
        ignored: ``(I, 4)``: where there may be an object or not: nothing is learnt about it.
        ignored_class: ``(I,)``.
    """

    xyxy: Any
    class_id: Any
    ignored: Any
    ignored_class: Any

    def to(self, device: str) -> Objects:
        """The same on another device."""
        moved = (self.xyxy, self.class_id, self.ignored, self.ignored_class)
        return Objects(*(one.to(device) for one in moved))


def loss(said: Answers, truth: Sequence[Objects], taught: Any, before: Answers | None, every: int = 1) -> Any:
    """Loss of a batch, for each object in it; NaN where the network does not answer with numbers.

    Args:
        said: By the network that learns.
        truth: What is in each picture.
        taught: Ids of the classes that the truth is about.
        before: What the network said before it learnt; other classes must stay so. None: they need not.
        every: Of how many pictures one is in `before`, from the first on.
    """
    if not bool(said.scores.isfinite().all() and said.xyxy.isfinite().all()):
        return said.scores.sum() * float("nan")
    scores, total, quality_sum = said.scores[..., taught], said.xyxy.sum() * 0.0, said.xyxy.new_zeros(())
    target, weight = torch.zeros_like(scores), torch.ones_like(scores)
    columns = torch.full((said.scores.shape[2],), -1, device=scores.device).scatter_(
        0, taught, torch.arange(len(taught), device=scores.device)
    )
    for place, objects in enumerate(truth):
        column = columns[objects.class_id]
        found = assign(said.xyxy[place].detach(), scores[place].detach(), said.points, objects.xyxy, column)
        _ignore(weight[place], said.points, objects, columns)
        kind = column[found.object_]
        target[place, found.place, kind] = found.quality
        weight[place, found.place, kind] = 1.0
        off = 1 - giou(said.xyxy[place, found.place], objects.xyxy[found.object_])
        total = total + _BOX * (off * found.quality).sum()
        quality_sum = quality_sum + found.quality.sum()
    total = total + _varifocal(scores, target, weight)
    if before is not None:
        same = Answers(said.xyxy[::every], said.scores[::every], said.points)
        total = total + len(said.scores) / len(same.scores) * _unlike(same, before, taught)
    return total / quality_sum.clamp(min=1.0)


def giou(a: Any, b: Any) -> Any:
    """Generalised IoU of boxes ``(K, 4)``, -1..1."""
    hull = torch.cat([torch.minimum(a[:, :2], b[:, :2]), torch.maximum(a[:, 2:], b[:, 2:])], 1)
    whole = area(hull).clamp(min=_TINY)
    overlap = iou(a, b)
    union = (area(a) + area(b)) / (1 + overlap)
    return overlap - (whole - union) / whole


def _varifocal(scores: Any, target: Any, weight: Any) -> Any:
    there = target > 0
    focus = torch.where(there, target, _NEGATIVE * scores.detach() ** _FOCUS)
    return F.binary_cross_entropy(scores.clamp(0, 1), target.clamp(0, 1), focus * weight, reduction="sum")


def _ignore(weight: Any, points: Any, objects: Objects, columns: Any) -> None:
    """Take the places inside ignored boxes out of the loss of their class; `weight` is ``(A, taught)``."""
    if not len(objects.ignored):
        return
    x, y = points[:, :1], points[:, 1:]
    left, top, right, bottom = objects.ignored.T
    inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    for number, kind in enumerate(columns[objects.ignored_class].tolist()):
        if kind >= 0:
            weight[:, kind] = weight[:, kind].masked_fill(inside[:, number], 0.0)


def _unlike(said: Answers, before: Answers, taught: Any) -> Any:
    """How far the scores of the other classes, and the boxes of what they show, have moved."""
    others = torch.ones(said.scores.shape[2], dtype=torch.bool, device=said.scores.device)
    others[taught] = False
    if not others.any():
        return said.scores.sum() * 0.0
    now, then = (
        said.scores[..., others].clamp(1e-6, 1 - 1e-6),
        before.scores[..., others].clamp(1e-6, 1 - 1e-6),
    )
    entropy = F.binary_cross_entropy(then, then, reduction="none")
    apart = F.binary_cross_entropy(now, then, reduction="none") - entropy
    # Nearly all scores are nearly 0 in both; they are as many as leaves, and matter as little.
    moved = (apart * torch.maximum(now.detach(), then)).sum()
    best = then.amax(-1)
    seen = best > _SEEN
    boxes = ((1 - giou(said.xyxy[seen], before.xyxy[seen])) * best[seen]).sum()
    return moved + _BOX * boxes
