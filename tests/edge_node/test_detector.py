"""The built-in model on a real picture, and models that cannot work."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_node.config import ModelSettings
from edge_node.detector import Detector
from edge_node.models import BUILT_IN
from shared.errors import ConfigError, ModelError
from shared.geometry import iou


@pytest.fixture(scope="module")
def street(shared_data: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    video = cv2.VideoCapture(str(shared_data / "data/video/vtest.avi"))
    good, image = video.read()
    assert good
    return image  # type: ignore[return-value]  # u8


def test_the_built_in_model_finds_the_people_of_the_ground_truth(
    shared_data: Path, street: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    rows = np.loadtxt(shared_data / "data/mot15/PETS09-S2L1/gt/gt.txt", delimiter=",")
    truth = rows[rows[:, 0] == 1][:, 2:6]
    truth[:, 2:] += truth[:, :2]
    with Detector(ModelSettings(classes=("person",), confidence=0.3)) as detector:
        found, timings = detector.detect(street)
    assert set(found.class_id.tolist()) == {0}
    assert (iou(truth, found.xyxy).max(axis=1) > 0.5).mean() >= 0.75
    assert set(timings) == {"preprocess", "inference", "decode"}
    assert min(timings.values()) > 0


def test_yolox_finds_them_as_well(
    shared_data: Path, street: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    boxes = {}
    for name in ("nanodet_g_416", str(shared_data / "models/yolox_nano.onnx")):
        with Detector(ModelSettings(name=name, classes=("person",), confidence=0.4)) as detector:
            boxes[name] = detector.detect(street)[0].xyxy
    ours, theirs = boxes.values()
    assert len(theirs) >= 4
    assert (iou(theirs, ours).max(axis=1) > 0.5).mean() >= 0.6


def test_the_metadata_names_the_classes_and_a_blank_picture_has_nothing() -> None:
    with Detector(ModelSettings()) as detector:
        assert detector.class_names[0] == "person"
        assert len(detector.class_names) == 80
        assert (detector.layout, detector.input_format.width) == ("yolov8", 416)
        found, _ = detector.detect(np.full((90, 160, 3), 114, np.uint8))
        assert len(found) == 0


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        pytest.param(
            ModelSettings(name="nanodet"), ModelError, "known models: nanodet_g_416", id="unknown name"
        ),
        pytest.param(ModelSettings(name="/no/x.onnx"), ModelError, "no such file", id="missing file"),
        pytest.param(ModelSettings(name=__file__), ModelError, "cannot load it", id="not a model"),
        pytest.param(
            ModelSettings(classes=("persn",)),
            ConfigError,
            "no class 'persn'; did you mean 'person'",
            id="class typo",
        ),
        pytest.param(
            ModelSettings(labels=("a", "b")), ModelError, "80 classes, not 2", id="wrong number of labels"
        ),
    ],
)
def test_a_model_that_cannot_work_is_one_clear_error(
    settings: ModelSettings, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says.replace("(", r"\(")), Detector(settings):
        pass


def test_a_model_can_be_named_by_path() -> None:
    with Detector(ModelSettings(name=str(BUILT_IN / "nanodet_g_416.onnx"))) as detector:
        assert detector.layout == "yolov8"
