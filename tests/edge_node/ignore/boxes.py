"""Detections and frames for tests of what is ignored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edge_node.config.saved.definitions import Definitions
from edge_node.frames import Detections, Frame
from shared.wire.messages import FilterDefinition, MaskDefinition
from tests.edge_node.scenes import CLASSES

WIDTH, HEIGHT = 200, 100
Box = tuple[float, float, float, float]


def frame(at_s: float = 0.0) -> Frame:
    return Frame("door", 0, 0, int(at_s * 1e9), np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def detections(*boxes: Box, score: float | Sequence[float] = 0.9, label: str = "person") -> Detections:
    """Boxes in pixels, all of one class."""
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.broadcast_to(score, n).astype(np.float32),
        np.full(n, CLASSES.index(label), np.int32),
    )


def rules(
    masks: Mapping[str, MaskDefinition] | None = None,
    filters: Mapping[str, FilterDefinition] | None = None,
) -> Definitions:
    return Definitions(version=1, zones={}, lines={}, masks=dict(masks or {}), filters=dict(filters or {}))
