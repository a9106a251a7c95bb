"""Networks that have a detector's shape and are none: each is refused at the start, with what it may be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_node.backends.interface import Array
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from shared.errors import ModelError
from shared.geometry import F32
from tests.edge_node.detect.decode.families import SIDE, Export, save

GRID = 2100
"""Cells of strides 8, 16 and 32 in the picture."""
RANDOM = np.random.default_rng(0)


def cells() -> F32:
    """The centre of each cell, pixels, ``(GRID, 2)``."""
    grids = [np.meshgrid(*[np.arange(stride / 2, SIDE, stride)] * 2) for stride in (8, 16, 32)]
    return np.concatenate([np.stack(grid, axis=-1).reshape(-1, 2) for grid in grids]).astype(np.float32)


def uniform(low: float, high: float, *shape: int) -> F32:
    return RANDOM.uniform(low, high, shape).astype(np.float32)


def dense(*more: F32, scores: int = 1) -> F32:
    """What a network returns for every cell: box, scores of a blank, and more; ``(1, GRID, columns)``."""
    box = np.concatenate([cells(), np.full((GRID, 2), 20, np.float32)], axis=1)
    return np.concatenate([box, uniform(0, 0.02, GRID, scores), *more], axis=1)[None]


def turned(found: F32) -> dict[str, Array]:
    """As YOLOv8 has it: a row for each value."""
    return {"output0": np.ascontiguousarray(found.transpose(0, 2, 1))}


def anchors(found: F32) -> dict[str, Array]:
    """As YOLOv5 has it: three anchors in each cell."""
    return {"output0": np.tile(found, (1, 3, 1))}


def keypoints(count: int = 17, values: int = 3) -> F32:
    """Places of joints in pixels, and how sure each is."""
    sure = np.full((GRID, values - 2), 0.4, np.float32)
    return np.tile(np.concatenate([cells(), sure], axis=1), count)


def softmax(*shape: int) -> F32:
    wild = np.exp(uniform(-3, 3, *shape))
    return np.asarray(wild / wild.sum(axis=-1, keepdims=True), np.float32)


Outputs = Callable[[], dict[str, Array]]
STRANGERS: dict[str, tuple[Outputs, str]] = {
    "pose, like YOLOv8": (lambda: turned(dense(keypoints())), "poses"),
    "pose of few points": (lambda: turned(dense(keypoints(4, 2))), "poses"),
    "masks, like YOLOv8, without their prototypes": (
        lambda: turned(dense(uniform(-1, 1, GRID, 32), scores=80)),
        "masks",
    ),
    "masks, like YOLOv8": (
        lambda: {
            **turned(dense(uniform(-1, 1, GRID, 32), scores=80)),
            "output1": uniform(-1, 1, 1, 32, 80, 80),
        },
        "it segments",
    ),
    "rotated boxes": (lambda: turned(dense(uniform(-0.8, 2.3, GRID, 1), scores=15)), "rotated boxes"),
    "rotated boxes that are not rotated": (
        lambda: turned(dense(uniform(0.77, 0.8, GRID, 1), scores=15)),
        "sees objects in 100% of all places",
    ),
    "pose, like YOLOv5": (lambda: anchors(dense(keypoints(), scores=2)), "poses"),
    "faces, like YOLOv5": (lambda: anchors(dense(keypoints(5, 2), scores=2)), "poses"),
    "masks, like YOLOv5": (lambda: anchors(dense(uniform(-1, 1, GRID, 32), scores=81)), "masks"),
    "scores before the sigmoid, like YOLOv8": (
        lambda: turned(dense(uniform(-9, -2, GRID, 80), scores=0)),
        "exported with its sigmoid",
    ),
    "scores before the sigmoid, like YOLOX": (
        lambda: {"output": np.concatenate([uniform(-1, 1, 1, GRID, 4), uniform(-9, -2, 1, GRID, 81)], 2)},
        "exported with its sigmoid",
    ),
    "scores before the sigmoid, like NanoDet": (
        lambda: {"output": uniform(-9, -2, 1, 2125, 112)},
        "exported with its sigmoid",
    ),
    "boxes as fractions": (
        lambda: turned(np.divide(dense(), [SIDE] * 4 + [1], dtype=np.float32)),
        "not as fractions",
    ),
    "boxes far outside": (
        lambda: turned(dense() + np.array([4000] * 4 + [0], np.float32)),
        "outside the picture",
    ),
    "no numbers": (lambda: turned(np.full((1, GRID, 84), np.nan, np.float32)), "no numbers"),
    "classification": (lambda: {"output0": softmax(1, 1000)}, "it classifies"),
    "classification of six classes": (lambda: {"output0": softmax(1, 6)}, "not a whole number"),
    "an embedding": (lambda: {"embedding": uniform(-0.1, 0.1, 1, 512)}, "it classifies, or describes"),
    "an embedding with three axes": (
        lambda: {"embedding": uniform(-0.1, 0.1, 1, 1, 512)},
        "does not recognise",
    ),
    "patches of a transformer": (lambda: {"last_hidden_state": uniform(-1, 1, 1, 197, 768)}, "masks"),
    "depth": (lambda: {"depth": uniform(0, 1, 1, SIDE, SIDE)}, "sees objects in"),
    "depth in metres": (lambda: {"depth": uniform(2, 80, 1, SIDE, SIDE)}, "does not recognise"),
    "depth with four axes": (lambda: {"depth": uniform(0, 1, 1, 1, SIDE, SIDE)}, "measures depth"),
    "a wide map of classes": (lambda: {"classes": np.zeros((1, SIDE, 1280), np.int64)}, "it segments"),
    "a wide map of numbers": (lambda: {"map": uniform(0, 1, 1, SIDE, 1280)}, "something else"),
    "letters": (lambda: {"text": softmax(1, 80, 6625)}, "not as fractions"),
    "six numbers for each of many things": (
        lambda: {"output0": uniform(0, 200, 1, 300, 6)},
        "scores in 0..1",
    ),
    "six shares for each of many things": (
        lambda: {"output0": uniform(0, 1, 1, 300, 6)},
        "not a whole number",
    ),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_network_that_is_no_detector_is_refused_with_what_it_may_be(name: str, tmp_path: Path) -> None:
    outputs, said = STRANGERS[name]
    model = save(Export("yolov8", outputs), tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=said) as refused, Detector(ModelSettings(name=str(model))):
        pass
    assert "correct model.labels" not in str(refused.value)


@pytest.mark.parametrize("name", ["pose, like YOLOv8", "no numbers"])
def test_naming_the_layout_or_the_classes_does_not_make_it_a_detector(name: str, tmp_path: Path) -> None:
    outputs, said = STRANGERS[name]
    named = Export("yolov8", outputs, metadata={"names": "{0: 'person'}"})
    model = str(save(named, tmp_path / "model.onnx"))
    for settings in (ModelSettings(name=model), ModelSettings(name=model, layout="yolov8")):
        with pytest.raises(ModelError, match=said), Detector(settings):
            pass


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        pytest.param(0.0, 0.02, id="sees nothing"),
        pytest.param(-0.01, 0.01, id="scores rounded to below 0"),
        pytest.param(0.0, 1.02, id="scores rounded to above 1, in a few places"),
    ],
)
def test_a_detector_is_taken_for_one(lower: float, higher: float, tmp_path: Path) -> None:
    found = dense(scores=80)
    found[0, ::10, 4:] = uniform(lower, higher, GRID // 10, 80)
    model = save(Export("yolov8", lambda: turned(found)), tmp_path / "model.onnx")
    with Detector(ModelSettings(name=str(model))) as detector:
        assert detector.layout == "yolov8"


def test_a_user_who_names_the_layout_vouches_for_what_can_only_be_guessed(tmp_path: Path) -> None:
    eager = turned(dense(uniform(0.3, 0.6, GRID, 2), scores=0))
    model = str(save(Export("yolov8", lambda: eager), tmp_path / "model.onnx"))
    with pytest.raises(ModelError, match="sees objects in 100%"), Detector(ModelSettings(name=model)):
        pass
    with Detector(ModelSettings(name=model, layout="yolov8")) as detector:
        assert len(detector.class_names) == 2
