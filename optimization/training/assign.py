"""Which places of a picture should answer for which object.

Source: Feng et al., "TOOD: Task-aligned One-stage Object Detection", ICCV 2021, section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

_SCORE_POWER, _IOU_POWER = 1.0, 6.0
"""TOOD's alpha and beta."""
_PLACES = 13
"""Most places that answer for one object, as in TOOD."""
_TINY = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Assigned:
    """Which places answer for an object of one picture.

    Attributes:
        place: ``(K,)``: index of each such place.
        object_: ``(K,)``: index of its object.
        quality: ``(K,)``: the score that the place should give to the object's class, 0..1.
    """

    place: Any
    object_: Any
    quality: Any


def assign(xyxy: Any, scores: Any, points: Any, boxes: Any, class_id: Any) -> Assigned:
    """The places whose score and box together fit an object best, among those whose cells lie in it.

    Args:
        xyxy: ``(A, 4)``: the boxes that the network gives, pixels; nothing is learnt through this function.
        scores: ``(A, classes)``: its scores.
        points: ``(A, 2)``: middle of each place's cell.
        boxes: ``(G, 4)``: the objects.
        class_id: ``(G,)``: their classes.
    """
    if not len(boxes):
        none = torch.zeros(0, dtype=torch.long, device=xyxy.device)
        return Assigned(none, none, torch.zeros(0, device=xyxy.device))
    inside = _inside(points, boxes)
    overlap = iou(boxes[:, None], xyxy[None]).clamp(min=0)
    fit = scores[:, class_id].T.clamp(min=_TINY) ** _SCORE_POWER * overlap**_IOU_POWER
    fit = torch.where(inside, fit + _TINY * inside, torch.full_like(fit, -1.0))
    best, place = fit.topk(min(_PLACES, fit.shape[1]), dim=1)
    chosen = torch.zeros_like(inside)
    chosen.scatter_(1, place, best > 0)
    # A place that fits several objects answers for the one that its box overlaps most.
    owner = torch.where(chosen, overlap, torch.full_like(overlap, -1.0)).argmax(0)
    found = chosen.any(0).nonzero()[:, 0]
    owner = owner[found]
    metric = fit[owner, found].clamp(min=0)
    most = torch.zeros(len(boxes), device=fit.device).scatter_reduce_(0, owner, metric, "amax")
    near = overlap[owner, found]
    nearest = torch.zeros(len(boxes), device=fit.device).scatter_reduce_(0, owner, near, "amax")
    return Assigned(found, owner, metric / most[owner].clamp(min=_TINY) * nearest[owner])


def _inside(points: Any, boxes: Any) -> Any:
    """Which points lie in which box ``(G, A)``; for a box without any, the point nearest to its middle."""
    x, y = points[:, 0], points[:, 1]
    left, top, right, bottom = (side[:, None] for side in boxes.T)
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    empty = (~inside.any(1)).nonzero()[:, 0]
    if len(empty):
        middle = (boxes[empty, :2] + boxes[empty, 2:]) / 2
        inside[empty, torch.cdist(middle, points).argmin(1)] = True
    return inside


def iou(a: Any, b: Any) -> Any:
    """Intersection over union of boxes ``(..., 4)``, which are broadcast."""
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    overlap = sides.prod(-1)
    return overlap / (area(a) + area(b) - overlap).clamp(min=_TINY)


def area(boxes: Any) -> Any:
    """Of boxes ``(..., 4)``; 0 where a side is negative."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
