"""What is in a dataset: classes, sizes of boxes, and how they are spread over pictures and splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_node.frames import I64
from optimization.dataset.labelled import Dataset
from shared.geometry import F64

SIZES = {"small": 32.0**2, "medium": 96.0**2, "large": float("inf")}
"""COCO's names of sizes: each ends below this area, square pixels."""
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class Stats:
    """The numbers of a dataset or of one split; crowds do not count.

    Attributes:
        names: Of the classes.
        pictures: How many there are.
        empty: Pictures without objects.
        crowds: Boxes of crowds.
        sides: ``(pictures, 2)``: width and height, pixels.
        each: ``(pictures,)``: objects in each picture.
        objects: ``(classes,)``: objects of each class.
        spread: ``(classes,)``: pictures that show each class.
        areas: ``(objects,)``: square pixels.
        aspects: ``(objects,)``: width divided by height; only boxes that have both.
        classes_by_size: ``(classes, 3)``: objects of each class that are small, medium and large.
    """

    names: tuple[str, ...]
    pictures: int
    empty: int
    crowds: int
    sides: I64
    each: I64
    objects: I64
    spread: I64
    areas: F64
    aspects: F64
    classes_by_size: I64

    def document(self) -> dict[str, Any]:
        """The numbers for a report."""
        by_size = dict(zip(SIZES, self.classes_by_size.sum(axis=0).tolist(), strict=True))
        classes = {
            name: {"objects": int(count), "pictures": int(spread), **dict(zip(SIZES, sizes, strict=True))}
            for name, count, spread, sizes in zip(
                self.names, self.objects, self.spread, self.classes_by_size.tolist(), strict=True
            )
        }
        return {
            "pictures": self.pictures,
            "empty_pictures": self.empty,
            "objects": int(self.objects.sum()),
            "crowds": self.crowds,
            "objects_per_picture": _summary(self.each.astype(np.float64)),
            "sizes": by_size,
            "aspect": _summary(self.aspects),
            "width": _summary(self.sides[:, 0].astype(np.float64)),
            "height": _summary(self.sides[:, 1].astype(np.float64)),
            "classes": classes,
        }


def _summary(values: F64) -> dict[str, float] | None:
    """Mean, extremes and quantiles; None of nothing."""
    if not len(values):
        return None
    found = {"mean": float(values.mean()), "min": float(values.min()), "max": float(values.max())}
    points = np.quantile(values, _QUANTILES).tolist()
    found |= {f"p{100 * share:.0f}": value for share, value in zip(_QUANTILES, points, strict=True)}
    return {name: round(value, 3) for name, value in found.items()}


def stats(dataset: Dataset) -> Stats:
    """Count what is in a dataset."""
    count = len(dataset.names)
    kept = [item.keep(~item.crowd) for item in dataset.items]
    boxes = np.concatenate([np.zeros((0, 4), np.float32), *(item.xyxy for item in kept)]).astype(np.float64)
    kinds = np.concatenate([np.zeros(0, np.int32), *(item.class_id for item in kept)])
    width, height = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0).T
    size = np.searchsorted(list(SIZES.values()), width * height, side="right")
    by_size = np.zeros((count, len(SIZES)), np.int64)
    np.add.at(by_size, (kinds, size), 1)
    spread = np.zeros(count, np.int64)
    for item in kept:
        spread[np.unique(item.class_id)] += 1
    whole = (width > 0) & (height > 0)
    each = np.array([len(item.class_id) for item in kept], np.int64)
    return Stats(
        dataset.names,
        len(kept),
        sum(not len(item.class_id) for item in dataset.items),
        sum(int(item.crowd.sum()) for item in dataset.items),
        np.array([(item.width, item.height) for item in kept], np.int64).reshape(-1, 2),
        each,
        by_size.sum(axis=1),
        spread,
        width * height,
        width[whole] / height[whole],
        by_size,
    )
