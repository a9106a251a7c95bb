from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_node.frames import Detections
from optimization.measure.coco import Truth
from optimization.measure.confusion import confusion

BOX = [100, 100, 50, 50]
FAR = [300, 300, 50, 50]
NEAR = [105, 100, 50, 50]  # IoU 0.82 with BOX
AROUND = [80, 80, 400, 400]

Objects = list[tuple[str, list[int]]]
Found = list[tuple[str, list[int], float]]


def counted(objects: Objects, found: Found, crowd: list[int] | None = None) -> dict[str, dict[str, int]]:
    categories = [{"id": id_, "name": name} for id_, name in ((4, "cat"), (9, "dog"))]
    ids = {item["name"]: item["id"] for item in categories}
    annotations = [
        {"id": n, "image_id": 1, "category_id": ids[name], "bbox": box, "iscrowd": 0}
        for n, (name, box) in enumerate(objects)
    ]
    if crowd:
        annotations.append({"id": 99, "image_id": 1, "category_id": 9, "bbox": crowd, "iscrowd": 1})
    document = {"images": [{"id": 1}], "annotations": annotations, "categories": categories}
    truth = Truth(document, [(1, Path("one.jpg"))])
    boxes = np.array([box for _, box, _ in found], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    names = ("dog", "cat", "bird")
    seen = Detections(
        boxes,
        np.array([score for *_, score in found], np.float32),
        np.array([names.index(name) for name, *_ in found], np.int32),
    )
    found_out = confusion(truth, [seen], truth.match(names), 0.5).document()
    counts: dict[str, dict[str, int]] = found_out["counts"]
    return counts


@pytest.mark.parametrize(
    ("objects", "found", "expected"),
    [
        pytest.param([("cat", BOX)], [("cat", NEAR, 0.9)], {"cat": {"cat": 1}}, id="right"),
        pytest.param([("cat", BOX)], [("dog", NEAR, 0.9)], {"cat": {"dog": 1}}, id="another class"),
        pytest.param([("cat", BOX)], [("cat", NEAR, 0.4)], {"cat": {"missed": 1}}, id="not sure enough"),
        pytest.param(
            [("cat", BOX)], [("cat", FAR, 0.9)], {"cat": {"missed": 1}, "nothing": {"cat": 1}}, id="elsewhere"
        ),
        pytest.param(
            [("cat", BOX)],
            [("cat", NEAR, 0.9), ("cat", BOX, 0.8)],
            {"cat": {"cat": 1}, "nothing": {"cat": 1}},
            id="found twice: once is right",
        ),
        pytest.param(
            [("cat", BOX)],
            [("dog", BOX, 0.9), ("cat", NEAR, 0.6)],
            {"cat": {"cat": 1}, "nothing": {"dog": 1}},
            id="the right class comes before the better box",
        ),
        pytest.param(
            [("cat", BOX), ("dog", NEAR)],
            [("dog", BOX, 0.9), ("cat", NEAR, 0.9)],
            {"cat": {"cat": 1}, "dog": {"dog": 1}},
            id="two objects in one place",
        ),
        pytest.param([("cat", BOX)], [("bird", BOX, 0.9)], {"cat": {"missed": 1}}, id="a class not scored"),
        pytest.param([], [], {}, id="nothing at all"),
    ],
)
def test_each_object_and_each_detection_counts_once(
    objects: Objects, found: Found, expected: dict[str, dict[str, int]]
) -> None:
    # An annotation file is never empty, so there is always a crowd, far away.
    assert counted(objects, found, crowd=[900, 900, 10, 10]) == expected


def test_what_lies_in_a_crowd_is_no_false_alarm() -> None:
    assert counted([("cat", BOX)], [("cat", BOX, 0.9), ("dog", FAR, 0.9)], AROUND) == {"cat": {"cat": 1}}
    assert counted([("cat", BOX)], [("dog", FAR, 0.9)], AROUND) == {"cat": {"missed": 1}}
