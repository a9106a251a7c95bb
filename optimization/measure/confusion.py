"""Which classes a detector takes for which: a confusion matrix of its detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_node.frames import I64, Detections
from optimization.measure.coco import NOT_SCORED, Truth
from shared.geometry import F64, Bool, box_area, iou

OVERLAP = 0.5
"""Lowest intersection over union of a detection and the object that it shows."""


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """How often objects of one class were detected as another.

    Attributes:
        names: Of the classes, K.
        counts: ``(K + 1, K + 1)``: rows are what was there, columns what was detected. The last row counts
            detections where nothing was, the last column objects that were missed.
        confidence: Lowest score of a detection that counts, 0..1.
    """

    names: Sequence[str]
    counts: I64
    confidence: float

    def document(self) -> dict[str, Any]:
        """The matrix for a report: its cells that are not 0, by class."""
        rows, columns = [*self.names, "nothing"], [*self.names, "missed"]
        cells = {
            name: {columns[k]: int(values[k]) for k in np.flatnonzero(values)}
            for name, values in zip(rows, self.counts, strict=True)
        }
        found = {"confidence": self.confidence, "iou": OVERLAP}
        return found | {"counts": {name: cell for name, cell in cells.items() if cell}}


def confusion(
    truth: Truth, found: Sequence[Detections], category_ids: npt.NDArray[np.intp], confidence: float
) -> Confusion:
    """Compare detections with ground truth.

    An object and a detection of its class belong together before those of different classes do, and better
    overlaps before worse ones; each belongs to at most one. Detections inside crowds count for nothing.

    Args:
        truth: The ground truth.
        found: Detections of each of its pictures.
        category_ids: What `truth.match` returned.
        confidence: Lowest score of a detection that counts, 0..1.
    """
    scored = sorted({int(category) for category in category_ids} - {NOT_SCORED})
    place = {category: index for index, category in enumerate(scored)}
    by_id = {id_: name for name, id_ in truth.categories.items()}
    nothing = len(scored)
    counts = np.zeros((nothing + 1, nothing + 1), np.int64)
    for (image, _), seen in zip(truth.pictures, found, strict=True):
        categories = category_ids[seen.class_id]
        sure = np.flatnonzero((categories != NOT_SCORED) & (seen.score >= confidence))
        detected = np.array([place[category] for category in categories[sure].tolist()], np.intp)
        boxes, ids, crowds = truth.objects(image)
        wanted = np.isin(ids, scored)
        boxes, ids, crowds = boxes[wanted], ids[wanted], crowds[wanted]
        there = np.array([place[category] for category in ids[~crowds].tolist()], np.intp)
        xyxy = seen.xyxy[sure].astype(np.float64)
        pairs = _pairs(iou(boxes[~crowds], xyxy), there[:, None] == detected)
        np.add.at(counts, (there[pairs[:, 0]], detected[pairs[:, 1]]), 1)
        np.add.at(counts[:, nothing], np.delete(there, pairs[:, 0]), 1)
        alone = np.delete(np.arange(len(detected)), pairs[:, 1])
        alone = alone[~_inside(xyxy[alone], boxes[crowds])]
        np.add.at(counts[nothing], detected[alone], 1)
    return Confusion([by_id[category] for category in scored], counts, confidence)


def _pairs(overlap: F64, same: Bool) -> npt.NDArray[np.intp]:
    """Objects and detections that belong together, ``(P, 2)``.

    Args:
        overlap: ``(objects, detections)``.
        same: Whether their classes are the same, ``(objects, detections)``.
    """
    objects, detections = np.nonzero(overlap >= OVERLAP)
    order = np.lexsort((-overlap[objects, detections], ~same[objects, detections]))
    taken: tuple[set[int], set[int]] = set(), set()
    chosen = []
    for one, other in zip(objects[order].tolist(), detections[order].tolist(), strict=True):
        if one not in taken[0] and other not in taken[1]:
            chosen.append((one, other))
            taken[0].add(one)
            taken[1].add(other)
    return np.array(chosen, np.intp).reshape(-1, 2)


def _inside(boxes: F64, crowds: F64) -> Bool:
    """Which boxes lie in a crowd with at least half of their area."""
    if not len(crowds):
        return np.zeros(len(boxes), np.bool_)
    low = np.maximum(boxes[:, None, :2], crowds[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], crowds[None, :, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=2)
    return np.asarray((shared >= OVERLAP * box_area(boxes)[:, None]).any(axis=1), np.bool_)
