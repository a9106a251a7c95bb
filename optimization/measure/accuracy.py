"""How accurate a detector is on annotated pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.config.tile_settings import TileSettings
from edge_node.detect.detector import Detector
from edge_node.frames import Detections
from optimization import pictures
from optimization.measure.watching import detect_pictures

if TYPE_CHECKING:
    from optimization.measure.coco import Truth
    from optimization.measure.scores import Scores

CONFIDENCE = 0.001
"""Lowest score of a detection that is evaluated: precision is measured over all recalls."""
MAX_DETECTIONS = 300
"""Detections of one picture that are evaluated: COCO counts up to 100 of each class."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What a detector saw in annotated pictures.

    Attributes:
        found: Detections of each picture.
        category_ids: Category ids by class id; see `Truth.match`.
        ran: What ran: model, engine, device, input size and number of pictures.
    """

    found: list[Detections]
    category_ids: npt.NDArray[np.intp]
    ran: dict[str, Any]


def look(
    settings: ModelSettings, truth: Truth, classes: tuple[str, ...], tiles: TileSettings | None = None
) -> Seen:
    """Run one detector over the pictures.

    Args:
        settings: The detector's settings, with the thresholds of the evaluation.
        truth: What the detector should find.
        classes: Categories to score; none means all.
        tiles: A grid of parts that the network looks at; None: the whole picture.

    Raises:
        ModelError: The model cannot be used.
        SourceError: A picture cannot be read.
        ConfigError: A class is not among the categories.
    """
    found: list[Detections] = []
    with Detector(settings) as detector:
        category_ids = truth.match(detector.class_names, classes)
        bar = tqdm(truth.pictures, unit=" pictures", desc=Path(settings.name).name, disable=None)
        camera = CameraSettings(source="pictures", tiles=tiles)
        images = (pictures.read(path) for _, path in bar)
        found += detect_pictures(images, detector, camera, settings)
        target = detector.input_format
        ran = {
            "model": settings.name,
            "engine": detector.backend_name,
            "device": detector.device,
            "input": [target.width, target.height],
            "pictures": len(found),
        }
    return Seen(found, category_ids, ran)


def evaluate(
    settings: ModelSettings, truth: Truth, classes: tuple[str, ...], tiles: TileSettings | None = None
) -> Scores:
    """Score a detector with the thresholds of an evaluation; arguments and errors are those of `look`."""
    thorough = replace(settings, confidence=CONFIDENCE, max_detections=MAX_DETECTIONS)
    seen = look(thorough, truth, classes, tiles)
    return truth.score(seen.found, seen.category_ids)
