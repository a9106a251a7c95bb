"""Masks: polygons in which objects are never reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edge_node.frames import I32
from shared.geometry import F64, Anchor, Bool, Floats, Polygons, box_area, overlap_areas, standing_points
from shared.wire.messages import MaskDefinition

# A share that was computed is the share that was meant, but for rounding.
_ROUNDING = 1e-9


class Masks:
    """All masks of a camera, asked together.

    Args:
        definitions: By name.
        class_names: Names by class id.
    """

    def __init__(self, definitions: Mapping[str, MaskDefinition], class_names: Sequence[str]) -> None:
        masks = list(definitions.values())
        labels = (*class_names, None)  # the last column is for class ids without a name
        self._wanted = np.array(
            [[not mask.classes or label in mask.classes for label in labels] for mask in masks], np.bool_
        ).reshape(len(masks), len(labels))
        self._by_anchor = [m for m, mask in enumerate(masks) if mask.by == "anchor"]
        self._by_overlap = [m for m, mask in enumerate(masks) if mask.by == "overlap"]
        self._anchors: list[Anchor] = [masks[m].anchor for m in self._by_anchor]
        self._polygons = Polygons([np.asarray(masks[m].polygon) for m in self._by_anchor])
        self._shapes = [np.asarray(masks[m].polygon, np.float64) for m in self._by_overlap]
        self._shares = [masks[m].overlap - _ROUNDING for m in self._by_overlap]
        self._low = np.array([np.min(mask.polygon, axis=0) for mask in masks]).reshape(-1, 2, 1) - _ROUNDING
        self._high = np.array([np.max(mask.polygon, axis=0) for mask in masks]).reshape(-1, 2, 1) + _ROUNDING

    def first(self, boxes: F64, class_id: I32) -> I32:
        """The first mask that covers each box.

        Args:
            boxes: Fractions of the frame, ``(N, 4)``.
            class_id: ``(N,)``.

        Returns:
            Index of the mask in the order of `definitions`, ``(N,)``; -1 where no mask covers the box.
        """
        found = np.full(len(boxes), -1, np.int32)
        # Most objects are nowhere near a mask, and a comparison of rectangles is enough for them.
        low, high = np.minimum(boxes.T[:2], 1.0), np.maximum(boxes.T[2:], 0.0)
        near = ((low <= self._high) & (high >= self._low)).all(axis=1)
        near &= self._wanted[:, np.minimum(class_id, self._wanted.shape[1] - 1)]
        some = near.any(axis=0).nonzero()[0]
        if len(some):
            covered = self._covered(near[:, some], boxes[some])
            found[some] = np.where(covered.any(axis=0), covered.argmax(axis=0), -1)
        return found

    def _covered(self, near: Bool, boxes: F64) -> Bool:
        """Which masks cover which boxes, ``(M, N)``, of those that are near."""
        covered: Bool = near.copy()
        if self._by_anchor:
            covered[self._by_anchor] &= self._polygons.contain(_standing(boxes, self._anchors))
        areas = box_area(boxes)
        for m, shape, share in zip(self._by_overlap, self._shapes, self._shares, strict=True):
            asked = near[m].nonzero()[0]
            if len(asked):
                inside = overlap_areas(shape, boxes[asked])
                covered[m, asked] = (inside >= share * areas[asked]) & (areas[asked] > 0)
        return covered


def _standing(boxes: Floats, anchors: Sequence[Anchor]) -> F64:
    """Where boxes ``(N, 4)`` stand by each anchor: points ``(M, N, 2)``."""
    points = {anchor: standing_points(boxes, anchor) for anchor in set(anchors)}
    return np.array([points[anchor] for anchor in anchors])
