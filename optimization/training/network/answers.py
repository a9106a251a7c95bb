"""What a network says about each place of a picture, so that PyTorch can differentiate it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from edge_node.assets.names import Layout
from edge_node.detect.decode.dense import cells, grid
from shared.errors import ModelError

LAYOUTS: tuple[Layout, ...] = ("yolov8", "yolov5", "yolox_decoded", "yolox")
"""The layouts that are trained: every place has a box and scores after the sigmoid."""
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_ANCHORS = (1, 3)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a network says about N pictures.

    Attributes:
        xyxy: ``(N, A, 4)``: corners in pixels of the input, for each of A places.
        scores: ``(N, A, classes)``: 0..1.
        points: ``(A, 2)``: the middle of each place's cell, pixels of the input.
    """

    xyxy: Any
    scores: Any
    points: Any


def supported(layout: Layout) -> Layout:
    """The layout, if it can be trained.

    Raises:
        ModelError: It cannot.
    """
    if layout not in LAYOUTS:
        raise ModelError(
            f"the model has the layout {layout}, which cannot be trained; these can: {', '.join(LAYOUTS)}"
        )
    return layout


def read(layout: Layout, output: Any, width: int, height: int) -> Answers:
    """The answers in a network's single output.

    Args:
        layout: One of `LAYOUTS`.
        output: ``(N, ...)`` as the layout says.
        width: Of the input, pixels.
        height: Of the input, pixels.

    Raises:
        ModelError: The number of places is not that of a grid with the usual strides.
    """
    rows = output.transpose(1, 2) if layout == "yolov8" else output
    if layout == "yolov8":
        boxes, scores = rows[..., :4], rows[..., 4:]
    else:
        boxes, scores = rows[..., :4], rows[..., 4:5] * rows[..., 5:]
    corner, stride = _places(rows.shape[1], width, height, rows.device)
    centre, size = boxes[..., :2], boxes[..., 2:]
    if layout == "yolox":  # decoded as `dense.yolox` does
        centre, size = (centre + corner) * stride[:, None], size.exp() * stride[:, None]
    xyxy = torch.cat([centre - size / 2, centre + size / 2], 2)
    return Answers(xyxy, scores, (corner + 0.5) * stride[:, None])


def _places(count: int, width: int, height: int, device: Any) -> tuple[Any, Any]:
    """Corner in cells ``(count, 2)`` and stride ``(count,)`` of each place."""
    for strides in _STRIDES:
        for anchors in _ANCHORS:
            levels = cells(width, height, strides)
            if anchors * sum(levels) != count:
                continue
            corner, stride = (torch.from_numpy(one.copy()).to(device) for one in grid(width, height, strides))
            if anchors > 1:  # all cells of a level for the first anchor, then for the second
                corner = torch.cat([part.repeat(anchors, 1) for part in corner.split(levels)])
                stride = torch.cat([part.repeat(anchors) for part in stride.split(levels)])
            return corner, stride
    raise ModelError(
        f"the model scores {count} places of a picture of {width}x{height} pixels, no grid that training "
        "knows: strides of 8, 16, 32 and perhaps 64 pixels, with one or three boxes for each cell"
    )
