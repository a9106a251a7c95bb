"""From a network's raw outputs to detections in input pixels."""

from __future__ import annotations

from collections.abc import Sequence

from edge_node.backends.interface import Array
from edge_node.backends.preprocess import InputFormat
from edge_node.detect.decode.families import Family
from edge_node.detect.decode.floats import single
from edge_node.detect.decode.nms import best_first, nms
from edge_node.detect.decode.raw import Ids, Raw
from edge_node.frames import Detections


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
    # Readers of anchors convert the few numbers that they need.
    arrays = outputs if family.anchors else [single(output) for output in outputs]
    return family.read(Raw(arrays, (target.width, target.height), wanted, confidence))


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
