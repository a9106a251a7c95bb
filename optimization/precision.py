"""Which nodes of a network lose too much in low precision, found out by looking at pictures."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
from tqdm import tqdm

from edge_node.config import ModelSettings
from edge_node.detector import Detector
from edge_node.frames import Detections
from optimization import coco, graphs, pictures
from optimization.evaluate_detector import CONFIDENCE

SURE = 0.3
"""What the float network sees with this score is taken for true."""
TOLERANCE = 0.02
"""A level that agrees this much less than the best one is as good."""


@dataclasses.dataclass(frozen=True, slots=True)
class Level:
    """One choice of nodes kept in float.

    Attributes:
        kept: Their names.
        agreement: COCO's AP of the result against the float network's sure detections, 0..1.
    """

    kept: list[str]
    agreement: float


def compare_levels(
    settings: ModelSettings,
    levels: Sequence[list[str]],
    convert: Callable[[list[str]], onnx.ModelProto],
    shown: Sequence[Path],
) -> list[Level]:
    """How well each choice agrees with the float network.

    Args:
        settings: The float network.
        levels: Names of nodes to keep in float, by choice.
        convert: Makes the network in low precision that keeps these nodes.
        shown: Pictures.

    Raises:
        DarnerError: The detector cannot read the network, or a picture.
    """
    settings = dataclasses.replace(settings, confidence=CONFIDENCE)
    images = [pictures.read(path) for path in shown]
    with Detector(settings) as detector:
        names, layout = detector.class_names, detector.layout
        expected = [detector.detect(image)[0] for image in images]
    truth = coco.truth_of(expected, shown, names, SURE)
    category_ids = truth.match(names)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for index, kept in enumerate(
            tqdm(levels, unit=" choices", desc="what to keep in float", disable=None)
        ):
            path = Path(folder) / f"level{index}.onnx"
            graphs.save(convert(kept), path)
            low = dataclasses.replace(settings, name=str(path), layout=layout, labels=names)
            found: list[Detections] = []
            with Detector(low) as detector:
                found = [detector.detect(image)[0] for image in images]
            results.append(Level(kept, truth.score(found, category_ids).ap))
    return results


def choose(levels: Sequence[Level]) -> int:
    """Index of the first level, the one with the fewest nodes in float, that agrees as well as any."""
    best = max(level.agreement for level in levels)
    return next(index for index, level in enumerate(levels) if level.agreement >= best - TOLERANCE)
