from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.backends.backend import Axis, ModelFile, Tensor
from edge_node.decode import candidates, nms, recognise
from edge_node.frames import Detections
from edge_node.preprocess import InputFormat
from shared.errors import ModelError
from shared.geometry import F32, iou

SQUARE = InputFormat(416, 416)
ALL = np.arange(80)


def model(shapes: Sequence[tuple[Axis, ...]]) -> ModelFile:
    outputs = tuple(Tensor(f"output{i}", shape) for i, shape in enumerate(shapes))
    return ModelFile((Tensor("images", (1, 3, 416, 416)),), outputs)


def detections(rows: list[tuple[float, float, float, float, float, int]]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32))


@pytest.mark.parametrize(
    ("shapes", "layout"),
    [([(1, 84, 3549)], "yolov8"), ([(1, 5, 8400)], "yolov8"), ([(1, 3549, 85)], "yolox")],
)
def test_a_layout_is_recognised_by_its_shape(shapes: list[tuple[Axis, ...]], layout: str) -> None:
    assert recognise(model(shapes), 416, 416) == layout


@pytest.mark.parametrize("shapes", [[(1, 10)], [(1, 100, 85)], [(1, 84, 3549), (1, 3)], [(1, "n", 6)], []])
def test_an_unknown_layout_is_an_error_that_shows_the_shapes(
    shapes: list[tuple[Axis, ...]],
) -> None:
    with pytest.raises(ModelError, match=r"model\.layout"):
        recognise(model(shapes), 416, 416)


def yolov8_output(hits: dict[int, tuple[tuple[float, ...], int, float]]) -> F32:
    output = np.zeros((84, 3549), np.float32)
    for anchor, (box, class_id, score) in hits.items():
        output[:4, anchor] = box
        output[4 + class_id, anchor] = score
    return output


def test_yolov8_boxes_are_centre_and_size_and_the_best_class_wins() -> None:
    output = yolov8_output({7: ((100, 50, 20, 10), 3, 0.8)})
    output[4 + 5, 7] = 0.7
    found = candidates("yolov8", [output], SQUARE, ALL, 0.25)
    assert found.xyxy.tolist() == [[90, 45, 110, 55]]
    assert found.class_id.tolist() == [3]
    assert found.score.tolist() == pytest.approx([0.8])


@pytest.mark.parametrize(
    ("wanted", "confidence", "expected"),
    [
        pytest.param(ALL, 0.25, [0, 2], id="threshold"),
        pytest.param(np.array([2]), 0.25, [2], id="class filter"),
        pytest.param(ALL, 0.99, [], id="nothing scores that high"),
        pytest.param(np.array([9]), 0.01, [], id="nothing of that class"),
    ],
)
def test_what_is_unwanted_or_too_weak_is_left_out(
    wanted: npt.NDArray[np.intp], confidence: float, expected: list[int]
) -> None:
    box = (10.0, 10.0, 4.0, 4.0)
    output = yolov8_output({1: (box, 0, 0.9), 2: (box, 1, 0.2), 3: (box, 2, 0.3)})
    assert candidates("yolov8", [output], SQUARE, wanted, confidence).class_id.tolist() == expected


def test_a_wanted_class_is_found_where_an_unwanted_one_scores_higher() -> None:
    output = yolov8_output({1: ((10, 10, 4, 4), 0, 0.5)})
    output[4 + 1, 1] = 0.9
    assert candidates("yolov8", [output], SQUARE, np.array([0]), 0.25).score.tolist() == [0.5]


def test_numbers_that_are_none_are_left_out() -> None:
    output = yolov8_output({1: ((np.nan, 10, 4, 4), 0, 0.9), 2: ((10, np.inf, 4, 4), 0, 0.9)})
    assert len(candidates("yolov8", [output], SQUARE, ALL, 0.25)) == 0


def test_yolox_boxes_are_offsets_from_their_cell() -> None:
    output = np.zeros((3549, 85), np.float32)
    cell = 52 * 52 + 26 * 3 + 5  # stride 16, row 3, column 5
    output[cell, :5] = (0.5, 0.25, np.log(2), np.log(3), 0.9)
    output[cell, 5 + 4] = 0.5
    found = candidates("yolox", [output], SQUARE, ALL, 0.4)
    assert found.score.tolist() == pytest.approx([0.45])
    assert found.class_id.tolist() == [4]
    x, y, width, height = 5.5 * 16, 3.25 * 16, 32, 48
    expected = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    np.testing.assert_allclose(found.xyxy[0], expected, rtol=1e-6)
    assert len(candidates("yolox", [output], SQUARE, ALL, 0.46)) == 0


def test_nms_keeps_the_best_of_a_heap_and_what_stands_apart() -> None:
    found = nms(
        detections([(0, 0, 10, 10, 0.5, 0), (1, 0, 11, 10, 0.9, 0), (50, 50, 60, 60, 0.3, 0)]), 0.5, 100
    )
    assert found.score.tolist() == pytest.approx([0.9, 0.3])


def test_nms_does_not_mix_classes() -> None:
    assert len(nms(detections([(0, 0, 10, 10, 0.5, 0), (0, 0, 10, 10, 0.9, 1)]), 0.5, 100)) == 2


def test_nms_of_nothing_is_nothing() -> None:
    assert len(nms(Detections.empty(), 0.5, 100)) == 0


def test_nms_returns_no_more_than_asked() -> None:
    apart = detections([(20 * i, 0, 20 * i + 10, 10, 0.5 + i / 100, 0) for i in range(10)])
    assert nms(apart, 0.5, 3).score.tolist() == pytest.approx([0.59, 0.58, 0.57])


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 60), threshold=st.floats(0.1, 0.9))
def test_nms_equals_the_textbook_loop(seed: int, count: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (count, 2))], axis=1).astype(np.float32)
    score = (rng.permutation(count) / 100).astype(np.float32)
    found = Detections(boxes, score, rng.integers(0, 3, count, np.int32))
    kept: list[int] = []
    for index in np.argsort(-found.score):
        rivals = [other for other in kept if found.class_id[other] == found.class_id[index]]
        if not rivals or iou(found.xyxy[[index]], found.xyxy[rivals]).max() <= threshold:
            kept.append(int(index))
    np.testing.assert_array_equal(nms(found, threshold, 1000).xyxy, found.xyxy[kept])
