"""Which layout the outputs of a network have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pytest

from edge_node.assets.names import Layout
from edge_node.backends.interface import Axis
from edge_node.detect.decode.families import FAMILIES
from edge_node.detect.decode.layouts import recognise
from shared.errors import ModelError
from shared.geometry import F32
from tests.conftest import REPO
from tests.edge_node.detect.decode.descriptions import BOXES, LABELS, PLAIN, SCORES, Outputs, model, one


@pytest.mark.parametrize(
    ("shape", "size", "layout"),
    [
        pytest.param((1, 84, 8400), (640, 640), "yolov8", id="YOLOv8"),
        pytest.param((1, 5, 8400), (640, 640), "yolov8", id="of one class"),
        pytest.param((1, 84, 5040), (640, 384), "yolov8", id="rectangular"),
        pytest.param((1, 84, 525), (160, 160), "yolov8", id="of a small picture"),
        pytest.param((1, 84, 8500), (320, 320), "yolov8", id="with a level of stride 4 (P2)"),
        pytest.param((1, 84, 2125), (320, 320), "yolov8", id="with a level of stride 64 (P6)"),
        pytest.param((1, 25200, 85), (640, 640), "yolov5", id="YOLOv5"),
        pytest.param((1, 25200, 6), (640, 640), "yolov5", id="YOLOv5 of one class"),
        pytest.param((1, 102000, 85), (1280, 1280), "yolov5", id="YOLOv5 with a level of stride 64 (P6)"),
        pytest.param((1, 300, 6), (640, 640), "yolov10", id="YOLOv10"),
        pytest.param((1, 100, 6), (640, 640), "yolov10", id="NMS inside"),
        pytest.param((1, 3549, 85), (416, 416), "yolox", id="YOLOX"),
        pytest.param((1, 8400, 6), (640, 640), "yolox", id="YOLOX of one class"),
        pytest.param(
            (1, 3598, 112), (416, 416), "nanodet", id="NanoDet-Plus, whose last level is rounded up"
        ),
        pytest.param((1, 2125, 33), (320, 320), "nanodet", id="NanoDet-Plus of one class"),
    ],
)
def test_a_single_output_is_told_by_its_shape(
    shape: tuple[Axis, ...], size: tuple[int, int], layout: Layout
) -> None:
    assert recognise(model(one(*shape)), *size) == layout


@pytest.mark.parametrize(
    ("outputs", "size", "layout", "order"),
    [
        pytest.param(
            [("dets", ("batch", "n", "Reshapedets_dim_2"), "float32"), ("labels", ("batch", "n"), "int64")],
            640, "rtmdet", [0, 1], id="RTMDet with dynamic axes",
        ),
        pytest.param(
            [("dets", (1, 300, 4), "float32"), ("labels", (1, 300, 91), "float32")],
            384, "rfdetr", [0, 1], id="RF-DETR",
        ),
        pytest.param(
            [("logits", (1, 300, 80), "float32"), ("pred_boxes", (1, 300, 4), "float32")],
            640, "rtdetr_queries", [1, 0], id="RT-DETR of Transformers",
        ),
        pytest.param([PLAIN, SCORES, LABELS], 300, "ssd", [0, 1, 2], id="SSD"),
        pytest.param([PLAIN, SCORES, LABELS], 800, "faster_rcnn", [0, 1, 2], id="RetinaNet"),
        pytest.param([PLAIN, LABELS, SCORES], 320, "faster_rcnn", [0, 2, 1], id="Faster R-CNN"),
        pytest.param(
            [("3586", ("a", 4), "float32"), ("3555", ("b",), "float32"), ("3556", ("b",), "int64")],
            300, "ssd", [0, 1, 2], id="SSD as exported without names",
        ),
        pytest.param(
            [
                ("num_detections:0", (1,), "float32"),
                ("detection_scores:0", (1, 100), "float32"),
                ("raw_detection_boxes:0", (1, 1917, 4), "float32"),
                ("detection_boxes:0", (1, 100, 4), "float32"),
                ("detection_classes:0", (1, 100), "float32"),
            ],
            320, "tf_ssd", [3, 1, 4, 0], id="TensorFlow, in another order and with more",
        ),
        pytest.param(
            [
                ("num_dets", ("b", 1), "int32"),
                ("det_boxes", ("b", 100, 4), "float32"),
                ("det_scores", ("b", 100), "float32"),
                ("det_classes", ("b", 100), "int32"),
            ],
            640, "efficient_nms", [1, 2, 3, 0], id="EfficientNMS with YOLO's names",
        ),
        pytest.param(
            [(f"t{count}{columns}", (1, count, columns), "float32")
             for columns in (80, 32) for count in (169, 676, 2704, 49)],
            416, "picodet", [2, 1, 0, 3, 6, 5, 4, 7], id="PicoDet, levels in any order",
        ),
        pytest.param([("tmp", ("n", 6), "float32")], 416, "paddle", [0], id="PaddleDetection, no count"),
    ],
)  # fmt: skip
def test_several_outputs_are_told_by_name_type_and_order(
    outputs: Outputs, size: int, layout: Layout, order: list[int]
) -> None:
    found = model(outputs)
    assert recognise(found, size, size) == layout
    assert FAMILIES[layout].output_order(found) == order


def decoded(objectness: float) -> F32:
    values = np.full((8400, 85), objectness, np.float32)
    values[:, :2] = np.linspace(0, 640, 8400)[:, None]
    return values


def rows(box: Sequence[float], label: float = 3) -> F32:
    return np.array([[*box, 0.9, label]] * 300, np.float32)


TWO = {"description": "Ultralytics RT-DETR-l model", "names": "{0: 'a', 1: 'b'}"}


@pytest.mark.parametrize(
    ("declared", "sample", "metadata", "layout"),
    [
        pytest.param((1, "rows", "n"), np.zeros((84, 8400), np.float32), {}, "yolov8", id="dynamic axes"),
        pytest.param((1, 8400, 85), np.full((8400, 85), 0.5, np.float32), {}, "yolox", id="raw"),
        pytest.param((1, 8400, 85), decoded(0.1), {}, "yolox_decoded", id="decoded"),
        pytest.param((1, 8400, 85), decoded(1), {}, "yolov5", id="decoded, objectness all 1: YOLOv6"),
        pytest.param((1, 300, 6), rows((9, 8, 99, 88)), {}, "yolov10", id="pixels"),
        pytest.param((1, 300, 6), rows((0, 0, 0, 0)), {}, "yolov10", id="nothing found"),
        pytest.param((1, 300, 6), rows((0.1, 0.2, 0.1, 0.2)), {}, "rtdetr_topk", id="fractions"),
        pytest.param((1, 300, 84), np.full((300, 84), 0.5, np.float32), {}, "rtdetr_rows", id="with classes"),
        pytest.param((1, 300, 6), rows((0.1, 0.2, 0.1, 0.2), 1), TWO, "rtdetr_topk", id="two classes, ids"),
        pytest.param(
            (1, 300, 6), rows((0.1, 0.2, 0.1, 0.2), 0.3), TWO, "rtdetr_rows", id="two classes, scores"
        ),
    ],
)
def test_a_sample_settles_what_the_file_leaves_open(
    declared: tuple[Axis, ...], sample: F32, metadata: dict[str, str], layout: Layout
) -> None:
    assert recognise(model(one(*declared), metadata=metadata), 640, 640, [sample]) == layout


def test_more_classes_than_queries_are_still_queries() -> None:
    metadata = {"head": "RTDETRDecoder", "names": str({index: str(index) for index in range(365)})}
    assert recognise(model(one(1, 300, 369), metadata=metadata), 640, 640) == "rtdetr_rows"


@pytest.mark.parametrize(
    ("outputs", "shown"),
    [
        pytest.param([], "", id="none"),
        pytest.param(one(1, 100, 85), r"\(1, 100, 85\)", id="no grid has so few cells"),
        pytest.param(one(1, "n", 85), r"\(1, n, 85\)", id="dynamic, and no sample"),
        pytest.param(
            [("logits", (1, 100, 92), "float32"), ("pred_boxes", (1, 100, 4), "float32")],
            "pred_boxes", id="DETR, which ends in a softmax",
        ),
        pytest.param([BOXES, SCORES, LABELS], "boxes", id="RT-DETR's without the size as an input"),
    ],
)  # fmt: skip
def test_an_unknown_layout_is_an_error_that_shows_the_outputs_and_how_to_name_one(
    outputs: Outputs, shown: str
) -> None:
    with pytest.raises(ModelError, match=rf"(?s){shown}.*model\.layout.*yolov8: \(1, 4\+classes"):
        recognise(model(outputs), 640, 640)


def test_a_network_made_for_another_task_is_refused() -> None:
    with pytest.raises(ModelError, match="'pose'"):
        recognise(model(one(1, 56, 8400), metadata={"task": "pose"}), 640, 640)


def test_every_layout_is_explained_where_users_look() -> None:
    text = (REPO / "docs" / "reference" / "layouts.md").read_text()
    assert set(FAMILIES) == set(get_args(Layout))
    assert [layout for layout in FAMILIES if f"`{layout}`" not in text] == []
