"""The rules by which detections are dropped: filters by their numbers, masks by their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge_node.frames import I32, Detections, Tracks
from edge_node.ignore.masks import Masks
from shared.definitions.consistent import in_force
from shared.geometry import F64, Bool, Floats
from shared.wire.messages import FilterDefinition, IgnoreReason, MaskDefinition

_KEPT = -1
# The order in which reasons are looked for: the first one counts.
REASONS: tuple[IgnoreReason, ...] = ("score", "min_size", "max_size", "min_aspect", "max_aspect", "mask")
_MASK = REASONS.index("mask")


@dataclass(frozen=True, slots=True, eq=False)
class Ignored:
    """The detections of one frame that were dropped.

    Attributes:
        detections: What was dropped.
        reason: Index into `REASONS` for each, ``(N,)``.
        mask: Index into `masks` for each, ``(N,)``; -1 where a filter dropped it.
        masks: Names of the camera's masks.
    """

    detections: Detections
    reason: I32
    mask: I32
    masks: Sequence[str]


class Rules:
    """The masks and filters of one camera, ready to be asked about many boxes at once.

    Args:
        masks: By name.
        filters: By class, or under "all".
        class_names: Names by class id.

    Attributes:
        masks: Names of the masks.
    """

    def __init__(
        self,
        masks: Mapping[str, MaskDefinition],
        filters: Mapping[str, FilterDefinition],
        class_names: Sequence[str],
    ) -> None:
        self.masks = tuple(masks)
        self._masks = Masks(masks, class_names) if masks else None
        self._bounds = _bounds(filters, class_names) if filters else None

    def drop(self, found: Detections, width: int, height: int) -> tuple[Detections, Ignored | None]:
        """Separate the detections of a frame.

        Args:
            found: What the network found, in pixels.
            width: Width of the frame, pixels.
            height: Height of the frame, pixels.

        Returns:
            The detections that nothing drops, and the others; None if there are no others.
        """
        reason, mask = self._judge(found.xyxy, found.score, found.class_id, width, height)
        kept = reason == _KEPT
        if kept.all():
            return found, None
        gone = ~kept
        return found[kept], Ignored(found[gone], reason[gone], mask[gone], self.masks)

    def drops(self, found: Detections | Tracks, width: int, height: int) -> Bool:
        """Which detections or tracks ``(N,)`` masks and filters would drop."""
        reason, _ = self._judge(found.xyxy, found.score, found.class_id, width, height)
        return np.asarray(reason != _KEPT)

    def masked(self, tracks: Tracks, width: int, height: int) -> Bool:
        """Which tracks ``(N,)`` are inside a mask."""
        if self._masks is None:
            return np.zeros(len(tracks), np.bool_)
        return np.asarray(self._masks.first(_fractions(tracks.xyxy, width, height), tracks.class_id) >= 0)

    def _judge(self, xyxy: Floats, score: Floats, class_id: I32, width: int, height: int) -> tuple[I32, I32]:
        """The first reason to drop each box, ``(N,)``, and the mask that does; -1 for none."""
        reason = np.full(len(score), _KEPT, np.int32)
        if self._bounds is not None:
            low, high = self._bounds[:, :, np.minimum(class_id, self._bounds.shape[2] - 1)]
            numbers = _numbers(xyxy, score, height)
            below, above = numbers < low, numbers > high
            # Rows in the order of REASONS: score, min_size, max_size, min_aspect, max_aspect.
            broken = np.stack((below[0], below[1], above[1], below[2], above[2]))
            reason = np.where(broken.any(axis=0), broken.argmax(axis=0), _KEPT).astype(np.int32)
        mask = np.full(len(score), -1, np.int32)
        if self._masks is not None:
            left = (reason == _KEPT).nonzero()[0]
            mask[left] = self._masks.first(_fractions(xyxy[left], width, height), class_id[left])
            reason[mask >= 0] = _MASK
        return reason, mask


def _bounds(filters: Mapping[str, FilterDefinition], class_names: Sequence[str]) -> F64:
    """Lower and upper bounds of score, size and aspect for each class, ``(2, 3, K + 1)``.

    The last column is for class ids without a name.
    """
    each = [in_force(filters, name) for name in (*class_names, "")]

    def row(key: str, otherwise: float) -> list[float]:
        values = (getattr(one, key) for one in each)
        return [otherwise if value is None else value for value in values]

    low = [row("score", 0.0), row("min_size", 0.0), row("min_aspect", 0.0)]
    high = [[np.inf] * len(each), row("max_size", np.inf), row("max_aspect", np.inf)]
    return np.array([low, high], np.float64)


def _numbers(xyxy: Floats, score: Floats, height: int) -> F64:
    """What filters look at: score, size and aspect of each box, ``(3, N)``."""
    boxes = np.asarray(xyxy, np.float64)
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    aspect = np.divide(wide, high, out=np.full(len(boxes), np.inf), where=high > 0)
    # Scores are 32 bits: 0.3 among them is a little more than 0.3, and 0.7 a little less.
    return np.stack((np.asarray(score, np.float64).round(6), np.maximum(wide, high) / height, aspect))


def _fractions(xyxy: Floats, width: int, height: int) -> F64:
    return np.asarray(xyxy / np.array([width, height, width, height], np.float64))
