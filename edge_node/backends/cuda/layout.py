"""How the outputs of a network lie in memory, for the kernels of `nms.cu` that decode them.

A network has levels, each of them a grid of anchors. Scores and boxes are in one output for all levels, or in
two outputs for each. Where boxes do not depend on the anchor's place, one level has all anchors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_node.backends.interface import Anchors

LEVELS, BINS = 8, 8
"""Maximum levels of a network whose outputs are decoded here, and the length of a distribution."""
LEVEL = np.dtype(
    [("scores", "<u8"), ("boxes", "<u8")]
    + [(name, "<i4") for name in ("score_picture", "box_picture", "first", "across")]
    + [("stride", "<f4"), ("unused", "<i4")]
)
LAYOUT = np.dtype(
    [(name, "<i4") for name in ("anchors", "score_stride", "box_stride", "row_stride", "objectness", "boxes")]
    + [(name, "<f4") for name in ("place", "width", "height")]
    + [("levels", "<i4"), ("level", LEVEL, LEVELS)]
)
_BOXES = ("centres", "offsets", "distances")


@dataclass(frozen=True, slots=True)
class _Level:
    """A level of a network: where its anchors are.

    Attributes:
        scores: Output with the scores, and the index of the first in a picture's part.
        boxes: Likewise of the boxes.
        first: Number of the first anchor.
        across: Anchors in a row.
        stride: Pixels from one anchor to the next.
    """

    scores: tuple[int, int]
    boxes: tuple[int, int]
    first: int
    across: int
    stride: int


@dataclass(frozen=True, slots=True)
class FilterLayout:
    """How the outputs of a network lie in memory.

    Attributes:
        kind: What the values are.
        size: Width and height of the input, pixels.
        outputs: Shape of each output for one picture.
        classes: How many classes the network knows.
        levels: Where its anchors are.
        anchors: How many there are.
    """

    kind: Anchors
    size: tuple[int, int]
    outputs: tuple[tuple[int, ...], ...]
    classes: int
    levels: tuple[_Level, ...]
    anchors: int

    @classmethod
    def of(
        cls, anchors: Anchors | None, outputs: Sequence[tuple[int, ...]], size: tuple[int, int]
    ) -> FilterLayout | None:
        """The layout of a network's outputs ``(N, ...)``; None if they must be copied whole.

        Args:
            anchors: What the values are.
            outputs: The shapes.
            size: Width and height of the input, pixels.
        """
        if anchors is None or len(outputs) != len(anchors.order) or any(len(one) != 3 for one in outputs):
            return None
        shapes = tuple(shape[1:] for shape in outputs)
        found = _maps(anchors, shapes, size) if len(shapes) > 1 else _single(anchors, shapes[0], size)
        return found if found and found.classes > 0 and len(found.levels) <= LEVELS else None

    def to_bytes(self, addresses: Sequence[int], itemsize: int) -> bytes:
        """The structure `Layout`.

        Args:
            addresses: Of the outputs.
            itemsize: Bytes of a number.
        """
        kind, shapes = self.kind, self.outputs
        made = np.zeros((), LAYOUT)
        row, score_stride, box_stride = self.anchors, 1, 1
        if kind.by_anchor:
            (scores, _), (boxes, _) = self.levels[0].scores, self.levels[0].boxes
            row, score_stride, box_stride = 1, shapes[scores][1], shapes[boxes][1]
        for name, value in (
            ("anchors", self.anchors),
            ("score_stride", score_stride),
            ("box_stride", box_stride),
            ("row_stride", row),
            ("objectness", kind.objectness),
            ("boxes", _BOXES.index(kind.boxes)),
            ("place", kind.place),
            ("width", self.size[0]),
            ("height", self.size[1]),
            ("levels", len(self.levels)),
        ):
            made[name] = value
        for index, level in enumerate(self.levels):
            (scores, scores_at), (boxes, boxes_at) = level.scores, level.boxes
            made["level"][index] = (
                addresses[scores] + scores_at * itemsize,
                addresses[boxes] + boxes_at * itemsize,
                math.prod(shapes[scores]),
                math.prod(shapes[boxes]),
                level.first,
                level.across,
                level.stride,
                0,
            )
        return made.tobytes()


def _single(kind: Anchors, shape: tuple[int, ...], size: tuple[int, int]) -> FilterLayout | None:
    """The layout of one output with boxes and scores; None if it is not that of the levels."""
    count, rows = shape if kind.by_anchor else shape[::-1]
    sides = 4 * BINS if kind.boxes == "distances" else 4
    classes = rows - sides - kind.objectness
    step, anchor = (1, rows) if kind.by_anchor else (count, 1)
    boxes_at, scores_at = (classes, 0) if kind.boxes == "distances" else (0, 4 + kind.objectness)
    grid = _grid(kind.strides, size) if kind.strides else [(count, count, 1)]
    if sum(cells for cells, _, _ in grid) != count:
        return None
    levels, first = [], 0
    for cells, across, stride in grid:
        start = first * anchor
        levels.append(
            _Level((0, start + scores_at * step), (0, start + boxes_at * step), first, across, stride)
        )
        first += cells
    return FilterLayout(kind, size, (shape,), classes, tuple(levels), count)


def _maps(kind: Anchors, shapes: tuple[tuple[int, ...], ...], size: tuple[int, int]) -> FilterLayout | None:
    """The layout of two outputs for each level; None if they are not those of the levels."""
    half = len(shapes) // 2
    scores, boxes = kind.order[:half], kind.order[half:]
    grid, classes = _grid([8 << level for level in range(half)], size), shapes[scores[0]][1]
    levels, first = [], 0
    for (cells, across, stride), score, box in zip(grid, scores, boxes, strict=True):
        if shapes[score] != (cells, classes) or shapes[box] != (cells, 4 * BINS):
            return None
        levels.append(_Level((score, 0), (box, 0), first, across, stride))
        first += cells
    return FilterLayout(kind, size, shapes, classes, tuple(levels), first)


def _grid(strides: Sequence[int], size: tuple[int, int]) -> list[tuple[int, int, int]]:
    """For each level the number of its anchors, of those in a row, and the stride."""
    across = [-(-size[0] // stride) for stride in strides]
    return [
        (wide * -(-size[1] // stride), wide, stride) for wide, stride in zip(across, strides, strict=True)
    ]
