"""One dog, seen by a network of every family, through the whole detector."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_node.assets.names import COCO_IDS, Layout
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.decode.families import FAMILIES
from edge_node.detect.detector import Detector
from shared.errors import ModelError
from shared.geometry import iou
from tests.edge_node.detect.decode.families import DOG, EXPORTS, SCORE, SIDE, save

BLANK = np.zeros((SIDE, SIDE, 3), np.uint8)


@pytest.mark.long
@pytest.mark.parametrize(
    ("file", "layout", "labels"),
    [
        pytest.param("yolox_nano.onnx", "yolox", (), id="YOLOX"),
        pytest.param("picodet_s_416.onnx", "picodet", (), id="PicoDet"),
        pytest.param("rtmdet_nano_person.onnx", "rtmdet", ("person",), id="RTMDet"),
    ],
)
def test_a_trained_network_finds_what_is_large_in_real_pictures(
    file: str, layout: Layout, labels: tuple[str, ...], shared_data: Path
) -> None:
    folder = shared_data / "data" / "coco_mini_val"
    truth = json.loads((folder / "instances.json").read_text())
    found, sought = 0, 0
    settings = ModelSettings(name=str(shared_data / "models" / file), labels=labels, confidence=0.3)
    with Detector(settings) as detector:
        assert detector.layout == layout
        for picture in truth["images"][:50]:
            image = cv2.imread(str(folder / "images" / picture["file_name"]))
            seen, _ = detector.detect(np.asarray(image, np.uint8))
            for one in truth["annotations"]:
                name = COCO_IDS[one["category_id"]]
                if one["image_id"] != picture["id"] or one["area"] < 96**2 or one["iscrowd"]:
                    continue
                if name not in detector.class_names:
                    continue
                x, y, width, height = one["bbox"]
                same = seen[seen.class_id == detector.class_names.index(name)]
                overlap = iou(np.array([[x, y, x + width, y + height]]), same.xyxy)
                found += bool((overlap > 0.5).any())
                sought += 1
    assert sought > 10
    assert found / sought > 0.6


@pytest.mark.parametrize("name", EXPORTS)
def test_a_network_of_any_family_shows_the_same_dog(name: str, tmp_path: Path) -> None:
    export = EXPORTS[name]
    model = save(export, tmp_path / "model.onnx")
    with Detector(ModelSettings(name=str(model), labels=export.labels, confidence=0.3)) as detector:
        assert detector.layout == export.layout
        found, _ = detector.detect(BLANK)
        assert [detector.class_names[index] for index in found.class_id] == ["dog"]
    np.testing.assert_allclose(found.xyxy, [DOG], atol=1e-3)
    assert found.score.tolist() == pytest.approx([SCORE], abs=1e-4)


@pytest.mark.parametrize("name", EXPORTS)
def test_what_nobody_wants_is_left_out_in_every_family(name: str, tmp_path: Path) -> None:
    export = EXPORTS[name]
    model = save(export, tmp_path / "model.onnx")
    labels = export.labels or ("coco",)
    for wanted, expected in ((("dog", "cat"), 1), (("cat",), 0)):
        settings = ModelSettings(name=str(model), labels=labels, classes=wanted, confidence=0.3)
        with Detector(settings) as detector:
            assert len(detector.detect(BLANK)[0]) == expected


@pytest.mark.parametrize("name", EXPORTS)
def test_a_layout_can_be_named(name: str, tmp_path: Path) -> None:
    export = EXPORTS[name]
    model = save(export, tmp_path / "model.onnx")
    settings = ModelSettings(name=str(model), layout=export.layout, labels=export.labels, confidence=0.3)
    with Detector(settings) as detector:
        assert len(detector.detect(BLANK)[0]) == 1


def test_a_layout_that_the_outputs_cannot_have_is_an_error_that_shows_them(tmp_path: Path) -> None:
    model = save(EXPORTS["YOLOv8"], tmp_path / "model.onnx")
    with (
        pytest.raises(ModelError, match=r"rtmdet.*nothing is the .*output0 float32 \(1, 84, 2100\)"),
        Detector(ModelSettings(name=str(model), layout="rtmdet")),
    ):
        pass


@pytest.mark.parametrize(
    ("layout", "blue_first", "white", "fit"),
    [
        pytest.param("yolov8", False, (1.0, 1.0, 1.0), "centre", id="YOLO: RGB, 0 to 1"),
        pytest.param("yolox", True, (255.0, 255.0, 255.0), "corner", id="YOLOX: BGR, 0 to 255"),
        pytest.param("rtmdet", True, (2.6400, 2.4286, 2.2489), "corner", id="RTMDet: ImageNet, BGR"),
        pytest.param("nanodet", True, (2.6400, 2.4286, 2.2489), "stretch", id="NanoDet-Plus: the same"),
        pytest.param("picodet", False, (2.2489, 2.4286, 2.6400), "stretch", id="PicoDet: ImageNet, RGB"),
        pytest.param("rfdetr", False, (2.2489, 2.4286, 2.6400), "stretch", id="RF-DETR: ImageNet, RGB"),
        pytest.param("rtdetr", False, (1.0, 1.0, 1.0), "stretch", id="RT-DETR: RGB, 0 to 1, any aspect"),
        pytest.param("tf_ssd", False, (255.0, 255.0, 255.0), "stretch", id="TensorFlow: RGB, 0 to 255"),
        pytest.param("faster_rcnn", False, (1.0, 1.0, 1.0), "corner", id="Faster R-CNN: keeps the aspect"),
    ],
)
def test_each_family_gets_the_pictures_it_was_trained_on(
    layout: Layout, blue_first: bool, white: tuple[float, ...], fit: str
) -> None:
    target = FAMILIES[layout].input_format(640, 384)
    assert (target.width, target.height, not target.rgb, target.fit) == (640, 384, blue_first, fit)
    values = [255 * scale + offset for scale, offset in zip(target.scale, target.offset, strict=True)]
    assert values == pytest.approx(white, abs=1e-3)
