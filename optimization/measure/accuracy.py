"""How accurate a detector is on annotated pictures: COCO's average precision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.frames import Detections
from optimization import pictures

if TYPE_CHECKING:
    from optimization.measure.coco import Scores, Truth

CONFIDENCE = 0.001
"""Lowest score of a detection that is evaluated: precision is measured over all recalls."""


def evaluate(
    settings: ModelSettings, truth: Truth, classes: tuple[str, ...]
) -> tuple[Scores, dict[str, Any]]:
    """Score one detector.

    Args:
        settings: The detector's settings, with the thresholds of the evaluation.
        truth: What the detector should find.
        classes: Categories to score; none means all.

    Returns:
        The scores, and what ran: model, engine, device, input size and number of pictures.

    Raises:
        ModelError: The model cannot be used.
        SourceError: A picture cannot be read.
        ConfigError: A class is not among the categories.
    """
    found: list[Detections] = []
    with Detector(settings) as detector:
        category_ids = truth.match(detector.class_names, classes)
        for _, path in tqdm(truth.pictures, unit=" pictures", desc=Path(settings.name).name, disable=None):
            found.append(detector.detect(pictures.read(path))[0])
        target = detector.input_format
        ran = {
            "model": settings.name,
            "engine": detector.backend_name,
            "device": detector.device,
            "input": [target.width, target.height],
            "pictures": len(found),
        }
    return truth.score(found, category_ids), ran
