"""Boxes from raw outputs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edge_node.assets.names import Layout
from edge_node.backends.preprocess import InputFormat
from edge_node.detect.decode.candidates import candidates
from edge_node.detect.decode.families import FAMILIES
from shared.geometry import F32
from tests.edge_node.backends.cuda.outputs import DECODED, SIZE, anchors_of, arranged, broken, crowd

SQUARE = InputFormat(416, 416)
ALL = np.arange(80)


def yolov8_output(hits: dict[int, tuple[tuple[float, ...], int, float]]) -> F32:
    output = np.zeros((84, 3549), np.float32)
    for anchor, (box, class_id, score) in hits.items():
        output[:4, anchor] = box
        output[4 + class_id, anchor] = score
    return output


def test_yolov8_boxes_are_centre_and_size_and_the_best_class_wins() -> None:
    output = yolov8_output({7: ((100, 50, 20, 10), 3, 0.8)})
    output[4 + 5, 7] = 0.7
    found = candidates(FAMILIES["yolov8"], [output], SQUARE, ALL, 0.25)
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
    assert candidates(FAMILIES["yolov8"], [output], SQUARE, wanted, confidence).class_id.tolist() == expected


def test_a_wanted_class_is_found_where_an_unwanted_one_scores_higher() -> None:
    output = yolov8_output({1: ((10, 10, 4, 4), 0, 0.5)})
    output[4 + 1, 1] = 0.9
    assert candidates(FAMILIES["yolov8"], [output], SQUARE, np.array([0]), 0.25).score.tolist() == [0.5]


def test_numbers_that_are_none_are_left_out() -> None:
    output = yolov8_output({1: ((np.nan, 10, 4, 4), 0, 0.9), 2: ((10, np.inf, 4, 4), 0, 0.9)})
    assert len(candidates(FAMILIES["yolov8"], [output], SQUARE, ALL, 0.25)) == 0


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # infinity less infinity
@pytest.mark.parametrize("seed", range(40))
def test_a_yolov8_output_is_read_as_one_anchor_after_the_other_would_be(seed: int) -> None:
    """Ties between classes and anchors, numbers that are none, any memory layout, scores at the threshold."""
    rng = np.random.default_rng(seed)
    classes, anchors = int(rng.integers(1, 12)), int(rng.integers(1, 700))
    output: F32 = np.round(rng.random((4 + classes, anchors)), 1).astype(np.float32)
    if seed % 4 == 0:
        output[rng.random(output.shape) < 0.02] = rng.choice([np.nan, np.inf, -np.inf])
    if seed % 3 == 0:
        output = np.ascontiguousarray(output.T).T
    wanted = np.sort(rng.choice(classes, int(rng.integers(1, classes + 1)), replace=False))
    confidence = float(rng.choice([0.0, 0.3, 0.9, 1.0]))
    expected = []
    for anchor in output.T:
        scores = anchor[4:][wanted]
        best = int(scores.argmax())
        x, y, w, h = anchor[:4]
        row = [x - w / 2, y - h / 2, x + w / 2, y + h / 2, scores[best], wanted[best]]
        if not np.isnan(scores).any() and scores[best] >= np.float32(confidence) and np.isfinite(row).all():
            expected.append(row)
    found = candidates(FAMILIES["yolov8"], [output], SQUARE, wanted, confidence)
    got = np.column_stack([found.xyxy, found.score, found.class_id])
    np.testing.assert_array_equal(got, np.array(expected, np.float32).reshape(-1, 6))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_half_precision_is_read_without_a_difference() -> None:
    rng = np.random.default_rng(0)
    output = rng.integers(0, 65_536, (84, 3549), np.uint16).view(np.float16)
    output[4:, ::2] = rng.random((80, 1775))
    single = candidates(FAMILIES["yolov8"], [output.astype(np.float32)], SQUARE, ALL, 0.99)
    half = candidates(FAMILIES["yolov8"], [output], SQUARE, ALL, 0.99)
    assert len(single) > 100
    np.testing.assert_array_equal(half.xyxy, single.xyxy)
    np.testing.assert_array_equal(half.score, single.score)
    np.testing.assert_array_equal(half.class_id, single.class_id)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow, and infinity less infinity
@pytest.mark.parametrize("layout", DECODED)
def test_half_precision_of_every_layout_is_that_of_its_numbers(layout: Layout) -> None:
    """With scores around the threshold, negative ones, and numbers that are none."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        crowded = broken(rng, crowd(rng, classes=5, anchors=anchors_of(layout), candidates=120))
        crowded[4:, rng.integers(0, crowded.shape[1], 40)] = -0.5
        halves = [output.astype(np.float16) for output in arranged(layout, crowded)]
        singles = [output.astype(np.float32) for output in halves]
        some = next(score for one in singles for score in one.ravel() if 0.3 < score < 0.5)
        for confidence in (0.0, float(some), float(some) + 1e-6, float(some) - 1e-6):
            wanted, target = np.arange(0, 5, 2), InputFormat(*SIZE)
            found = candidates(FAMILIES[layout], halves, target, wanted, confidence)
            expected = candidates(FAMILIES[layout], singles, target, wanted, confidence)
            assert len(expected) > 20
            np.testing.assert_array_equal(found.xyxy, expected.xyxy)
            np.testing.assert_array_equal(found.score, expected.score)
            np.testing.assert_array_equal(found.class_id, expected.class_id)


def test_yolox_boxes_are_offsets_from_their_cell() -> None:
    output = np.zeros((3549, 85), np.float32)
    cell = 52 * 52 + 26 * 3 + 5  # stride 16, row 3, column 5
    output[cell, :5] = (0.5, 0.25, np.log(2), np.log(3), 0.9)
    output[cell, 5 + 4] = 0.5
    found = candidates(FAMILIES["yolox"], [output], SQUARE, ALL, 0.4)
    assert found.score.tolist() == pytest.approx([0.45])
    assert found.class_id.tolist() == [4]
    x, y, width, height = 5.5 * 16, 3.25 * 16, 32, 48
    expected = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    np.testing.assert_allclose(found.xyxy[0], expected, rtol=1e-6)
    assert len(candidates(FAMILIES["yolox"], [output], SQUARE, ALL, 0.46)) == 0
