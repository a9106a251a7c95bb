"""What every reader of a network's outputs takes, and what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_node.frames import Detections
from shared.geometry import F32

Ids = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Raw:
    """A network's outputs for one picture, and which detections are wanted.

    Attributes:
        arrays: The outputs without the batch axis, in the family's order. Networks that score every anchor
            may have floats of 16 bits; of others, they are converted.
        size: Width and height of the network's input, pixels.
        wanted: Class ids to keep, ``(K,)``, K >= 1.
        confidence: Lowest score, 0..1.
    """

    arrays: Sequence[Any]
    size: tuple[int, int]
    wanted: Ids
    confidence: float


def build(xyxy: F32, score: F32, class_id: npt.NDArray[np.generic]) -> Detections:
    """Detections of the rows whose numbers are all finite."""
    numbers = np.isfinite(xyxy)
    if not (numbers.all() and np.isfinite(score).all()):
        finite = numbers.all(axis=1) & np.isfinite(score)
        xyxy, score, class_id = xyxy[finite], score[finite], class_id[finite]
    return Detections(
        xyxy.astype(np.float32, copy=False), score.astype(np.float32, copy=False), class_id.astype(np.int32)
    )
