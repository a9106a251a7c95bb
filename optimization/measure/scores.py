"""What pycocotools' evaluation says: COCO's twelve numbers, those of each class, and the curves behind them.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", and its evaluation code, `pycocotools`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.geometry import F64

SIZES = ("all", "small", "medium", "large")
"""Of objects: an area below 32x32 pixels is small, one from 96x96 on is large."""
_THRESHOLDS = {"0.50": 0, "0.75": 5}
"""Index of an IoU threshold among 0.50, 0.55 ... 0.95."""


@dataclass(frozen=True, slots=True)
class ClassScores:
    """The scores of one class, 0..1; None where there is no such object.

    Attributes:
        objects: Number of objects in the ground truth, without crowds.
        ap: Average precision, as the mean over IoU thresholds 0.50 to 0.95.
        ap50: Average precision at IoU 0.50.
        ap75: Average precision at IoU 0.75.
        ap_small: `ap` of small objects.
        ap_medium: `ap` of medium objects.
        ap_large: `ap` of large objects.
        ar_100: Average recall with at most 100 detections of the class in a picture.
    """

    objects: int
    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ar_100: float | None


@dataclass(frozen=True, slots=True)
class Scores:
    """COCO's twelve numbers, 0..1, as means over classes; None where no object has that size.

    Attributes:
        ap: Average precision, as the mean over IoU thresholds 0.50 to 0.95.
        ap50: Average precision at IoU 0.50.
        ap75: Average precision at IoU 0.75.
        ap_small: `ap` of small objects.
        ap_medium: `ap` of medium objects.
        ap_large: `ap` of large objects.
        ar_1: Average recall with one detection of each class in a picture.
        ar_10: The same with ten detections.
        ar_100: The same with a hundred detections.
        ar_small: `ar_100` of small objects.
        ar_medium: `ar_100` of medium objects.
        ar_large: `ar_100` of large objects.
        per_class: `ap` by class name, for the classes with ground truth.
        classes: All scores by class name, for the same classes.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ar_1: float | None
    ar_10: float | None
    ar_100: float | None
    ar_small: float | None
    ar_medium: float | None
    ar_large: float | None
    per_class: dict[str, float]
    classes: dict[str, ClassScores]


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Precision at 101 recalls, 0.00 to 1.00.

    Attributes:
        objects: Number of objects by class, for the classes with ground truth.
        mean: ``(3, 101)``: means over classes at IoU 0.50, at IoU 0.75, and over IoU 0.50 to 0.95.
        by_class: ``(101,)`` by class name, at IoU 0.50.
    """

    objects: dict[str, int]
    mean: F64
    by_class: dict[str, F64]

    def document(self) -> dict[str, Any]:
        """The curves for a report."""
        named = zip((*_THRESHOLDS, "0.50:0.95"), self.mean, strict=True)
        return {
            "recall": np.linspace(0, 1, 101).round(2).tolist(),
            "precision": {iou: values.round(4).tolist() for iou, values in named},
            "precision_by_class_at_0.50": {
                name: values.round(4).tolist() for name, values in self.by_class.items()
            },
        }


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The arrays that pycocotools accumulates; -1 stands where there is no ground truth.

    Attributes:
        names: Of the scored classes, K.
        objects: Number of objects of each, without crowds.
        precision: ``(10, 101, K, 4, 3)``: IoU thresholds, recalls, classes, `SIZES`, and limits of 1, 10
            and 100 detections.
        recall: The same without recalls, ``(10, K, 4, 3)``.
    """

    names: Sequence[str]
    objects: Sequence[int]
    precision: F64
    recall: F64

    def scores(self) -> Scores:
        """The twelve numbers, and those of each class."""
        best, most = self.precision[..., -1], self.recall[..., -1]
        classes = {name: self._of(k) for k, name in self._with_truth()}
        return Scores(
            ap=_mean(best[:, :, :, 0]) or 0.0,
            ap50=_mean(best[0, :, :, 0]) or 0.0,
            ap75=_mean(best[5, :, :, 0]) or 0.0,
            ap_small=_mean(best[:, :, :, 1]),
            ap_medium=_mean(best[:, :, :, 2]),
            ap_large=_mean(best[:, :, :, 3]),
            ar_1=_mean(self.recall[:, :, 0, 0]),
            ar_10=_mean(self.recall[:, :, 0, 1]),
            ar_100=_mean(most[:, :, 0]),
            ar_small=_mean(most[:, :, 1]),
            ar_medium=_mean(most[:, :, 2]),
            ar_large=_mean(most[:, :, 3]),
            per_class={name: one.ap or 0.0 for name, one in classes.items()},
            classes=classes,
        )

    def curves(self) -> Curves:
        """Precision over recall, of all classes and of each."""
        there = self._with_truth()
        best = self.precision[:, :, [k for k, _ in there], 0, -1]
        if not there:
            return Curves({}, np.zeros((3, 101)), {})
        at = [best[index] for index in _THRESHOLDS.values()]
        mean = np.stack([values.mean(axis=1) for values in (*at, best.mean(axis=0))])
        return Curves(
            {name: self.objects[k] for k, name in there},
            mean,
            {name: best[0, :, index] for index, (_, name) in enumerate(there)},
        )

    def _with_truth(self) -> list[tuple[int, str]]:
        """Index and name of the classes with ground truth."""
        highest = self.precision[:, :, :, 0, -1].max(axis=(0, 1))
        return [(k, name) for k, name in enumerate(self.names) if highest[k] >= 0]

    def _of(self, k: int) -> ClassScores:
        best = self.precision[:, :, k, :, -1]
        return ClassScores(
            objects=self.objects[k],
            ap=_mean(best[:, :, 0]),
            ap50=_mean(best[0, :, 0]),
            ap75=_mean(best[5, :, 0]),
            ap_small=_mean(best[:, :, 1]),
            ap_medium=_mean(best[:, :, 2]),
            ap_large=_mean(best[:, :, 3]),
            ar_100=_mean(self.recall[:, k, 0, -1]),
        )


def _mean(values: F64) -> float | None:
    there = values[values > -1]
    return round(float(there.mean()), 4) if there.size else None
