"""Names of a network's classes."""

from __future__ import annotations

import pytest

from edge_node.assets.names import COCO, NO_CLASS, Layout
from edge_node.detect.decode.classes import class_names
from edge_node.detect.decode.families import FAMILIES
from shared.errors import ModelError
from tests.edge_node.detect.decode.descriptions import LABELS, PLAIN, SCORES, Outputs, model, one


@pytest.mark.parametrize(
    ("layout", "outputs", "labels", "expected"),
    [
        pytest.param("yolov8", one(1, 84, 8400), (), COCO, id="80 classes without names are COCO's"),
        pytest.param("yolov8", one(1, 6, 8400), (), ("class_0", "class_1"), id="others get numbers"),
        pytest.param("yolov8", one(1, 6, 8400), ("a", "b"), ("a", "b"), id="the user's"),
        pytest.param(
            "rfdetr", [("dets", (1, 300, 4), "float32"), ("labels", (1, 300, 3), "float32")],
            ("a", "b"), ("a", "b", NO_CLASS), id="RF-DETR's last logit is the background",
        ),
        pytest.param("faster_rcnn", [PLAIN, LABELS, SCORES], ("a", "b"), ("a", "b"), id="no background"),
    ],
)  # fmt: skip
def test_classes_have_names(
    layout: Layout, outputs: Outputs, labels: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert class_names(FAMILIES[layout], model(outputs), labels) == expected


@pytest.mark.parametrize(
    ("layout", "outputs", "index", "name"),
    [
        pytest.param("faster_rcnn", [PLAIN, LABELS, SCORES], 17, "dog", id="COCO's ids, no background"),
        pytest.param(
            "rfdetr", [("dets", (1, 300, 4), "float32"), ("labels", (1, 300, 91), "float32")],
            18, "dog", id="COCO's ids",
        ),
        pytest.param("yolov10", one(1, 300, 6), 16, "dog", id="the 80 in a row"),
    ],
)  # fmt: skip
def test_coco_is_numbered_as_the_family_does(layout: Layout, outputs: Outputs, index: int, name: str) -> None:
    assert class_names(FAMILIES[layout], model(outputs), ("coco",))[index] == name


@pytest.mark.parametrize(
    ("outputs", "labels", "says"),
    [
        pytest.param(one(1, 300, 6), (), "set model.labels", id="outputs that do not tell"),
        pytest.param(one(1, 300, 84), ("a",), "80 classes, not 1", id="too few names"),
    ],
)
def test_names_that_do_not_fit_are_an_error(outputs: Outputs, labels: tuple[str, ...], says: str) -> None:
    layout: Layout = "rtdetr_rows" if labels else "yolov10"
    with pytest.raises(ModelError, match=says):
        class_names(FAMILIES[layout], model(outputs), labels)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        pytest.param(["x"] * 10_001, "messages have room for 10000", id="too many"),
        pytest.param(["x" * 129, "y"], "class 0 has 129 characters", id="one too long"),
        pytest.param(["ü" * 26] * 10_000, "take 550001 bytes", id="all too long"),
    ],
)
def test_names_that_no_message_has_room_for_are_an_error(names: list[str], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        class_names(FAMILIES["yolov8"], model(one(1, 4 + len(names), 8400)), names)
