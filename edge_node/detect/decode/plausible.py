"""Whether a network's outputs can be what its layout says: shapes alone do not tell a detector from others.

A pose or segmentation network has the shape of a detector with more classes. Its numbers tell: a detector's
scores lie in 0..1, and hardly any are high in a picture that shows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edge_node.assets.names import Layout
from edge_node.backends.interface import Array
from edge_node.detect.decode.dense import DFL_BINS
from edge_node.detect.decode.families import FAMILIES
from edge_node.detect.decode.raw import Raw
from edge_node.frames import Detections
from shared.errors import ModelError
from shared.geometry import F32

_ROUNDING = 0.05
"""How far a score may lie outside 0..1: networks in 8 bits are that imprecise."""
_DAMAGED = 0.01
"""Largest share of the scores that may be NaN or infinite."""
_HIGH, _MANY = 0.25, 0.5
"""A detector scores fewer than `_MANY` of the places in a picture without objects higher than `_HIGH`."""
_PIXELS = 1.5
"""At least one coordinate is larger than this if boxes are in pixels; none is if they are fractions."""

Arrays = Sequence[F32]


def _per_place(first: int) -> Callable[[Arrays], F32]:
    return lambda arrays: arrays[0][:, first:]


def _separate(arrays: Arrays) -> tuple[F32, F32]:
    count = int(arrays[3].ravel()[0]) if len(arrays) > 3 else None
    return arrays[1].ravel()[:count], arrays[2].ravel()[:count]


_DENSE: dict[Layout, Callable[[Arrays], F32]] = {
    "yolov5": _per_place(4),
    "yolov8": lambda arrays: arrays[0][4:].T,
    "yolox": _per_place(4),
    "yolox_decoded": _per_place(4),
    "nanodet": lambda arrays: arrays[0][:, : -4 * DFL_BINS],
    "picodet": lambda arrays: np.concatenate(arrays[: len(arrays) // 2]),
    "rtdetr_rows": _per_place(4),
}
"""The scores ``(places, classes)`` of layouts that score every place, of which nearly all are low."""
_SPARSE: dict[Layout, Callable[[Arrays], tuple[F32, F32]]] = {
    "yolov10": lambda arrays: (arrays[0][:, 4], arrays[0][:, 5]),
    "rtdetr_topk": lambda arrays: (arrays[0][:, 4], arrays[0][:, 5]),
    "paddle": lambda arrays: (arrays[0][:, 1], arrays[0][:, 0]),
    "rtmdet": lambda arrays: (arrays[0][:, 4], arrays[1].ravel()),
    "rtdetr": _separate,
    "ssd": _separate,
    "faster_rcnn": _separate,
    "tf_ssd": _separate,
    "efficient_nms": _separate,
}
"""The scores ``(boxes,)`` and classes of layouts that have chosen some boxes; rows that fill up have none."""


def check(layout: Layout, outputs: Sequence[Array], size: tuple[int, int], *, sure: bool) -> None:
    """Make sure that a network returns what its layout says.

    Args:
        layout: Of the network.
        outputs: For a picture that shows nothing, without the batch axis, in the family's order.
        size: Width and height of the network's input, pixels.
        sure: Whether the layout was named, or the file names as many classes as it has; then nothing is
            guessed, since a network without training sees objects everywhere.

    Raises:
        ModelError: It does not; the text says what may be wrong.
    """
    arrays = [np.asarray(output, np.float32) for output in outputs]
    if layout in _DENSE:
        scores = _DENSE[layout](arrays)
        _check_scores(layout, scores, -_ROUNDING)
        if not sure and scores.size:
            ids = np.arange(scores.shape[1])  # one too many with an objectness, which no box has
            _check_boxes(layout, FAMILIES[layout].read(Raw(arrays, size, ids, 0.0)), size, len(scores))
    elif layout in _SPARSE:
        score, classes = _SPARSE[layout](arrays)
        _check_scores(layout, score, -np.inf)
        odd = classes[(score > 0) & (classes != np.round(classes))]
        if odd.size:
            raise ModelError(
                f"{_read_as(layout)} has a class {odd[0]:.3g}, which is not a whole number; "
                "it may not be a detector, or may have another layout: see docs/reference/layouts.md"
            )


def _read_as(layout: Layout) -> str:
    return f"the model, read as {layout},"


_OTHER = (
    "it may be a network for poses, masks, rotated boxes or something else; Darner needs one that detects, "
    "exported with its sigmoid"
)


def _check_scores(layout: Layout, scores: F32, least: float) -> None:
    finite = scores[np.isfinite(scores)]
    if scores.size and finite.size < (1 - _DAMAGED) * scores.size:
        raise ModelError(
            f"{_read_as(layout)} returns scores that are no numbers (NaN); if it was exported with 16 bits, "
            "try it with 32"
        )
    low, high = (float(finite.min(initial=0.0)), float(finite.max(initial=0.0)))
    if low < least or high > 1 + _ROUNDING:
        raise ModelError(
            f"{_read_as(layout)} returns values from {low:.3g} to {high:.3g} where scores in 0..1 should be: "
            f"{_OTHER}"
        )


def _check_boxes(layout: Layout, found: Detections, size: tuple[int, int], places: int) -> None:
    share = float((found.score > _HIGH).sum()) / places
    if share > _MANY:
        raise ModelError(
            f"{_read_as(layout)} sees objects in {share:.0%} of all places of a test picture "
            f"that shows nothing: {_OTHER}"
        )
    if 0 < float(np.abs(found.xyxy).max(initial=0.0)) <= _PIXELS:
        raise ModelError(
            f"{_read_as(layout)} returns boxes of less than two pixels; export it with boxes in pixels "
            "of its input, not as fractions"
        )
    centre = (found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2 / size
    outside = float(((centre < -0.25) | (centre > 1.25)).any(axis=1).sum())
    if outside > _MANY * places:
        raise ModelError(
            f"{_read_as(layout)} returns {outside / places:.0%} of its boxes outside the picture: {_OTHER}"
        )
