"""From a network's raw outputs to detections in input pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from edge_node.backends.interface import Array
from edge_node.backends.preprocess import InputFormat
from edge_node.detect.decode.families import Family
from edge_node.detect.decode.nms import best_first, nms
from edge_node.detect.decode.raw import Ids, Raw
from edge_node.frames import Detections
from shared.geometry import F32

_FEW = 10_000
"""Up to this many 16-bit floats, converting them is as fast as the table."""


def candidates(
    family: Family, outputs: Sequence[Array], target: InputFormat, wanted: Ids, confidence: float
) -> Detections:
    """Boxes in input pixels whose best wanted class scores at least `confidence`, before `suppress`.

    Args:
        family: Of the network.
        outputs: The network's outputs for one picture, without the batch axis, in the family's order.
        target: The network's input.
        wanted: Class ids to keep, ``(K,)``, K >= 1.
        confidence: Lowest score, 0..1.
    """
    arrays = [_single(output) for output in outputs]
    return family.read(Raw(arrays, (target.width, target.height), wanted, confidence))


def _single(output: Array) -> F32:
    """As 32-bit floats. A table is several times faster than converting very small numbers."""
    if output.dtype != np.float16 or output.size < _FEW:
        return np.asarray(output, np.float32)
    return _halves().take(np.ascontiguousarray(output).view(np.uint16))


@cache
def _halves() -> F32:
    """The value of each 16-bit float, by its bits."""
    return np.arange(65_536, dtype=np.uint16).view(np.float16).astype(np.float32)


def suppress(family: Family, found: Detections, threshold: float, limit: int) -> Detections:
    """The final detections, best first: by NMS where boxes overlap, else the ones with the best scores.

    Args:
        family: Of the network.
        found: From `candidates`.
        threshold: For `nms`.
        limit: Maximum number of detections returned.
    """
    if family.overlaps:
        return nms(found, threshold, limit)
    return found[best_first(found.score)[:limit]]
