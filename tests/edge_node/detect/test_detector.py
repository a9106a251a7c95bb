"""The built-in model on a real picture, and models that cannot work."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_node.assets.models import BUILT_IN
from edge_node.assets.names import Layout
from edge_node.backends.interface import Array, Inference, Pending, Wanted
from edge_node.backends.onnx.backend import OnnxBackend
from edge_node.backends.preprocess import InputFormat
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector
from edge_node.machine.hardware import usable_cores
from edge_node.pictures import U8, Picture
from shared.errors import ConfigError, ModelError
from shared.geometry import iou
from tests.edge_node.backends import networks
from tests.edge_node.backends.cuda.on_cpu import run_on_cpu
from tests.edge_node.backends.cuda.outputs import anchors_of, arranged, crowd, in_picture
from tests.edge_node.detect.decode.families import SIDE, Export, save


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
        assert (detector.layout, detector.input_format.width) == ("yolov8", 512)
        found, _ = detector.detect(np.full((90, 160, 3), 114, np.uint8))
        assert len(found) == 0


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        pytest.param(
            ModelSettings(name="nanodet"), ModelError, "of that name: nanodet_g,", id="unknown name"
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
    with Detector(ModelSettings(name=str(BUILT_IN / "nanodet_g.onnx"))) as detector:
        assert detector.layout == "yolov8"


def cells(folder: Path, **settings: Any) -> ModelSettings:
    """A network of any size whose boxes are 32x32 cells, scored by brightness."""
    path = networks.detector(folder / "cells.onnx", names='["bright", "a", "b", "c"]')
    return ModelSettings(name=str(path), layout="yolov8", confidence=0.9, **settings)


@pytest.mark.parametrize(
    ("size", "settings", "expected"),
    [
        pytest.param((1280, 720), {}, (640, 384), id="16:9"),
        pytest.param((720, 1280), {}, (384, 640), id="9:16"),
        pytest.param((640, 480), {}, (640, 480), id="4:3"),
        pytest.param((500, 500), {}, (640, 640), id="square"),
        pytest.param((4000, 30), {}, (640, 32), id="almost a line"),
        pytest.param((1280, 720), {"input_size": 320}, (320, 192), id="by option"),
        pytest.param((1280, 720), {"rectangular": False}, (640, 640), id="not wanted"),
    ],
)
def test_a_network_of_any_size_gets_the_aspect_of_the_picture(
    tmp_path: Path, size: tuple[int, int], settings: dict[str, Any], expected: tuple[int, int]
) -> None:
    with Detector(cells(tmp_path, **settings)) as detector:
        target = detector.target(*size)
        assert (target.width, target.height) == expected


def test_boxes_are_where_the_light_is_whatever_the_shapes_in_a_batch(tmp_path: Path) -> None:
    places = [
        ((1280, 720), (600, 300)),
        ((480, 640), (100, 500)),
        ((1280, 720), (900, 600)),
        ((320, 320), (10, 10)),
    ]
    images = []
    for (width, height), (x, y) in places:
        image = np.zeros((height, width, 3), np.uint8)
        image[y : y + height // 4, x : x + width // 4] = 255
        images.append(image)
    with Detector(cells(tmp_path)) as detector:
        assert detector.max_batch >= 4
        together, _ = detector.detect_batch(images, [None] * 4)
        for image, found in zip(images, together, strict=True):
            alone, _ = detector.detect(image)
            np.testing.assert_array_equal(alone.xyxy, found.xyxy)
            assert len(found)
            for left, top, right, bottom in found.xyxy.astype(int):
                assert image[top:bottom, left:right].mean() >= 0.8 * 255


def test_a_box_in_the_bars_around_the_picture_is_not_reported(tmp_path: Path) -> None:
    white = np.full((360, 640, 3), 255, np.uint8)
    settings = replace(cells(tmp_path, rectangular=False), confidence=0.3, max_detections=1000)
    with Detector(settings) as detector:
        assert (detector.input_format.width, detector.input_format.height) == (640, 640)
        found, _ = detector.detect(white)
    assert len(found) == 20 * 12, "twelve rows of cells reach into the picture; the bars are grey"
    assert (found.xyxy[:, 2:] > found.xyxy[:, :2]).all()


def test_a_size_that_the_network_does_not_take_is_one_clear_error() -> None:
    with (
        pytest.raises(ConfigError, match="input_size=640: the model takes 416x416"),
        Detector(ModelSettings(name="nanodet_g_416", input_size=640)),
    ):
        pass


def test_the_old_name_of_the_built_in_model_gives_what_it_gave(shared_data: Path) -> None:
    before = str(shared_data / "models" / "nanodet_g_416.onnx")
    paths = sorted((shared_data / "data" / "coco_mini_val" / "images").glob("*.jpg"))[:6]
    images = [np.asarray(cv2.imread(str(path)), np.uint8) for path in paths]
    found = {}
    for name in (before, "nanodet_g_416"):
        with Detector(ModelSettings(name=name)) as detector:
            target = detector.target(1280, 720)
            assert (target.width, target.height) == (416, 416)
            found[name] = [detector.detect(image)[0] for image in images]
    for old, new in zip(*found.values(), strict=True):
        assert len(old) > 0
        np.testing.assert_allclose(new.score, old.score, atol=1e-5)
        np.testing.assert_allclose(new.xyxy, old.xyxy, atol=2e-3)  # of up to 640 pixels


def test_the_built_in_model_says_the_same_alone_and_in_a_batch_of_any_aspects(street: U8) -> None:
    tall = np.ascontiguousarray(street[:, 200:500])
    images = [street, tall, street[:, ::-1].copy(), street]
    with Detector(ModelSettings(confidence=0.3)) as detector:
        together, _ = detector.detect_batch(images, [None] * 4)
        alone = [detector.detect(image)[0] for image in images]
        shapes = {(one.width, one.height) for one in (detector.target(768, 576), detector.target(300, 576))}
    assert shapes == {(512, 384), (288, 512)}
    assert min(map(len, alone)) > 0
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.xyxy, other.xyxy, atol=0.01)
        np.testing.assert_allclose(one.score, other.score, atol=1e-4)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        pytest.param({"threads": 3}, 3, id="a picture for each thread"),
        pytest.param({}, usable_cores(), id="of all cores"),
        pytest.param({"threads": 3, "backend": "tensorrt"}, 0, id="the CPU is only a stopgap"),
    ],
)
def test_on_a_cpu_a_batch_has_a_picture_for_each_thread(keys: dict[str, Any], expected: int) -> None:
    def open_backend(settings: ModelSettings, index: int) -> OnnxBackend:
        return OnnxBackend(BUILT_IN / "nanodet_g.onnx", settings, index)

    with Detector(ModelSettings(input_size=64, **keys), open_backend=open_backend) as detector:
        assert detector.usual_batch == expected


def test_the_network_is_warm_and_timed_at_the_aspect_of_most_cameras() -> None:
    seen: list[tuple[int, int]] = []

    class Spied(OnnxBackend):
        def submit(
            self, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
        ) -> Pending[Inference]:
            seen.append((target.width, target.height))
            return super().submit(images, target, wanted)

    def open_backend(settings: ModelSettings, index: int) -> OnnxBackend:
        return Spied(BUILT_IN / "nanodet_g.onnx", settings, index)

    with Detector(ModelSettings(), open_backend=open_backend) as detector:
        assert seen[-2:] == [(512, 288)] * 2
        assert detector.run_s > 0


@pytest.mark.parametrize("size", [320, 512, 608])
def test_the_built_in_model_finds_people_where_they_are_at_any_size(street: U8, size: int) -> None:
    with Detector(ModelSettings(classes=("person",), confidence=0.4)) as detector:
        expected = detector.detect(street)[0]
    with Detector(ModelSettings(classes=("person",), confidence=0.2, input_size=size)) as detector:
        found = detector.detect(street)[0]
    assert len(expected) >= 3
    assert (iou(expected.xyxy, found.xyxy).max(axis=1) > 0.6).mean() >= 0.7


@pytest.mark.parametrize(
    ("metadata", "side"),
    [({"imgsz": "[480, 320]"}, 480), ({"imgsz": "256"}, 256), ({"imgsz": "large"}, 640), ({}, 640)],
)
def test_the_size_of_the_training_is_taken_from_the_file(
    tmp_path: Path, metadata: dict[str, str], side: int
) -> None:
    path = networks.detector(tmp_path / "cells.onnx", names='["bright", "a", "b", "c"]', **metadata)
    with Detector(ModelSettings(name=str(path), layout="yolov8")) as detector:
        assert (detector.input_format.width, detector.input_format.height) == (side, side)


class Beside:
    """An engine that works by itself, as one on a GPU does: ONNX Runtime in a thread of its own.

    Attributes:
        most: Most batches that were submitted and not collected.
    """

    in_flight, pictures = 2, None

    def __init__(self, path: Path) -> None:
        self._engine = OnnxBackend(path)
        self.name, self.device, self.letterboxes = "beside", "cpu", False
        self.model, self.max_batch = self._engine.model, self._engine.max_batch
        self._thread = ThreadPoolExecutor(1)
        self._flying, self.most = 0, 0

    def submit(
        self, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
    ) -> Pending[Inference]:
        self._flying += 1
        self.most = max(self.most, self._flying)
        future = self._thread.submit(self._engine.submit, images, target, wanted)

        def collect() -> Inference:
            result = future.result().collect()
            self._flying -= 1
            return result

        return Pending(collect)

    def close(self) -> None:
        self._thread.shutdown()
        self._engine.close()


def test_an_engine_beside_us_has_two_batches_at_most_whoever_asks(
    tmp_path: Path,
) -> None:
    settings = cells(tmp_path)
    engine = Beside(Path(settings.name))
    rng = np.random.default_rng(0)
    sizes = [(640, 480), (480, 640), (320, 320)]  # three runs of the network each time
    images = [np.where(rng.random((height, width, 1)) > 0.02, 255, 0) for width, height in sizes]
    pictures = [np.repeat(image, 3, axis=2).astype(np.uint8) for image in images]
    with Detector(settings, open_backend=lambda *_: engine) as detector:
        assert detector.in_flight == 2
        expected = [detector.detect(picture)[0].xyxy for picture in pictures]
        wrong: list[str] = []

        def ask() -> None:
            for turn in range(30):
                found = detector.detect(pictures[turn % 3])[0].xyxy
                if not np.array_equal(found, expected[turn % 3]):
                    wrong.append(f"turn {turn}")

        others = [threading.Thread(target=ask) for _ in range(2)]
        for other in others:
            other.start()
        inputs = [detector.prepare(picture) for picture in pictures]
        before = detector.submit(inputs, [None] * 3)
        for _ in range(20):  # as the pipeline does
            running = detector.submit(inputs[:1], [None])
            for output, boxes in zip(before.collect()[0], expected, strict=False):
                np.testing.assert_array_equal(detector.detections(output).xyxy, boxes)
            before = running
        before.collect()
        for other in others:
            other.join()
        assert not wrong
        assert engine.most == 2


class Decoding(OnnxBackend):
    """An engine that decodes by the GPU's kernels, which run on the CPU here.

    Attributes:
        decoded: How many pictures it decoded, and how many had too many candidates.
    """

    letterboxes = True

    def __init__(self, path: Path = BUILT_IN / "nanodet_g.onnx") -> None:
        super().__init__(path)
        self.decoded = [0, 0]

    def submit(
        self, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
    ) -> Pending[Inference]:
        """The whole outputs, or detections in their place."""
        inference = super().submit(images, target, wanted).collect()
        if wanted is None:
            return Pending.of(inference)
        whole = [np.stack(one) for one in zip(*inference.outputs, strict=True)]
        _, raw = run_on_cpu(wanted.anchors, whole, wanted, (target.width, target.height))
        found = [
            one if one is None else in_picture(one, fit) for one, fit in zip(raw, inference.fits, strict=True)
        ]
        left = [outputs if one is None else [] for one, outputs in zip(found, inference.outputs, strict=True)]
        for one in found:
            self.decoded[one is None] += 1
        return Pending.of(replace(inference, outputs=left, found=found))


@pytest.mark.long
@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({}, id="usual"),
        pytest.param({"rectangular": False}, id="bars around the picture"),
        pytest.param({"max_detections": 3, "iou": 0.2}, id="few detections"),
        pytest.param({"classes": ("person", "dog", "book")}, id="some classes"),
    ],
)
def test_detections_of_an_engine_that_decodes_are_those_of_one_that_does_not(keys: dict[str, Any]) -> None:
    settings = ModelSettings(confidence=0.05, **keys)
    rng = np.random.default_rng(1)
    pictures: list[U8] = []
    for width, height in ((640, 360), (320, 180), (360, 640), (640, 360)):
        blurred = cv2.resize(rng.integers(0, 256, (9, 16, 3), np.uint8), (width, height))
        pictures.append(np.asarray(blurred, np.uint8))
    engine = Decoding()
    with Detector(settings) as plain, Detector(settings, open_backend=lambda *_: engine) as detector:
        for confidences in ([None, 0.1, 0.07, 0.15], [0.1, 0.0, 0.07, None]):
            expected, _ = plain.detect_batch(pictures, confidences)
            found, _ = detector.detect_batch(pictures, confidences)
            for ours, theirs in zip(found, expected, strict=True):
                np.testing.assert_array_equal(ours.xyxy, theirs.xyxy)
                np.testing.assert_array_equal(ours.score, theirs.score)
                np.testing.assert_array_equal(ours.class_id, theirs.class_id)
            assert sum(map(len, found)) >= 10
    assert engine.decoded[False] >= 4
    assert engine.decoded[True] >= 1


@pytest.mark.parametrize("layout", ["yolox", "nanodet", "picodet"])
def test_an_engine_that_decodes_finds_the_outputs_of_every_level(layout: Layout, tmp_path: Path) -> None:
    size, rng = (SIDE, SIDE), np.random.default_rng(3)
    crowded = crowd(rng, classes=80, anchors=anchors_of(layout, size), candidates=150)
    outputs = [output[None] for output in arranged(layout, crowded, size=size)]
    if layout == "picodet":  # the coarsest level first, as some exports have it
        outputs = outputs[3::-1] + outputs[:3:-1]
    named: dict[str, Array] = {
        f"output{index}": np.ascontiguousarray(output) for index, output in enumerate(outputs)
    }
    file = save(Export(layout, lambda: named), tmp_path / "model.onnx")
    settings = ModelSettings(name=str(file), layout=layout)  # noise is not plausible
    engine, picture = Decoding(Path(settings.name)), np.zeros((SIDE, SIDE, 3), np.uint8)
    with Detector(settings) as plain, Detector(settings, open_backend=lambda *_: engine) as detector:
        expected, _ = plain.detect(picture)
        before = engine.decoded[False]
        found, _ = detector.detect(picture)
        assert engine.decoded == [before + 1, 0]
    assert len(found) > 10
    np.testing.assert_array_equal(found.xyxy, expected.xyxy)
    np.testing.assert_array_equal(found.score, expected.score)
    np.testing.assert_array_equal(found.class_id, expected.class_id)
