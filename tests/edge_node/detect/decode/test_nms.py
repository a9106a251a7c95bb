"""Non-maximum suppression against the textbook's loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.detect.decode.candidates import suppress
from edge_node.detect.decode.compiled import compiled
from edge_node.detect.decode.families import FAMILIES
from edge_node.detect.decode.nms import MAX_CANDIDATES, best_first, nms, survivors
from edge_node.frames import Detections
from shared.geometry import F32


def detections(rows: list[tuple[float, float, float, float, float, int]]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32))


def overlap(a: F32, b: F32) -> float:
    """IoU as the textbook has it."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inner = width * height
    return float(inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner))


def textbook(found: Detections, threshold: float, limit: int) -> list[int]:
    """Indices that greedy NMS keeps: one box after the other, each against all that were kept."""
    kept: list[int] = []
    for index in sorted(range(len(found)), key=lambda index: -found.score[index]):
        rivals = (other for other in kept if found.class_id[other] == found.class_id[index])
        if all(overlap(found.xyxy[index], found.xyxy[other]) <= np.float32(threshold) for other in rivals):
            kept.append(index)
    return kept[:limit]


def same(found: Detections, threshold: float, limit: int) -> None:
    """Our result is the textbook's: compiled, or by numpy, which takes boxes in rounds or one by one."""
    expected = textbook(found, threshold, limit)
    equal(nms(found, threshold, limit), found[np.array(expected, np.intp)])
    for few in (0, len(found)) if len(found) else ():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("edge_node.detect.decode.nms.FEW", few)
            assert survivors(found, threshold, limit).tolist() == expected


def equal(got: Detections, expected: Detections) -> None:
    np.testing.assert_array_equal(got.xyxy, expected.xyxy)
    np.testing.assert_array_equal(got.score, expected.score)
    np.testing.assert_array_equal(got.class_id, expected.class_id)


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 100_000),
    count=st.integers(0, 80),
    classes=st.integers(1, 40),
    threshold=st.floats(0.0, 1.0),
    side=st.sampled_from([3.0, 60.0, 4000.0]),
    limit=st.sampled_from([1, 5, 1000]),
)
def test_nms_keeps_what_the_textbook_keeps(
    seed: int, count: int, classes: int, threshold: float, side: float, limit: int
) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-side, side, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.01 * side, side, (count, 2))], axis=1)
    score: F32 = (rng.permutation(count) / 100).astype(np.float32)
    same(
        Detections(boxes.astype(np.float32), score, rng.integers(0, classes, count, np.int32)),
        threshold,
        limit,
    )


@settings(deadline=None, max_examples=200)
@given(
    boxes=st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 4), st.integers(0, 4)), max_size=25
    ),
    threshold=st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.75, 1.0]),
)
def test_boxes_on_whole_pixels_tie_as_in_the_textbook(
    boxes: list[tuple[int, int, int, int]], threshold: float
) -> None:
    """Equal scores, equal boxes, boxes of no area, and IoUs that are the threshold exactly."""
    rows = [(x, y, x + w, y + h, 0.1 * (1 + x % 3), y % 2) for x, y, w, h in boxes]
    same(
        detections([(float(a), float(b), float(c), float(d), s, k) for a, b, c, d, s, k in rows]),
        threshold,
        100,
    )


@pytest.mark.parametrize("classes", [1, 3, 80])
def test_a_crowd_of_overlapping_candidates_is_thinned_as_in_the_textbook(classes: int) -> None:
    rng = np.random.default_rng(5)
    owner = np.repeat(np.arange(60), 20)
    centre, half = rng.uniform(0, 640, (60, 2)), rng.uniform(10, 60, (60, 2))
    boxes = np.concatenate([centre - half, centre + half], axis=1)[owner]
    boxes += rng.normal(0, 3, boxes.shape)
    score = rng.random(len(owner)).astype(np.float32)
    class_id = rng.integers(0, classes, 60, np.int32)[owner]
    same(Detections(boxes.astype(np.float32), score, class_id), 0.6, 300)


@pytest.mark.parametrize("seed", range(20))
def test_compiled_code_and_numpy_keep_the_same_boxes(seed: int) -> None:
    """Crowds with ties, equal boxes, boxes without area and the wrong way round, and absurd sizes."""
    rng = np.random.default_rng(seed)
    count, classes = int(rng.integers(1, 2500)), int(rng.choice([1, 2, 7, 80]))
    corner, sides = rng.uniform(-50, 640, (count, 2)), rng.uniform(-3, 90, (count, 2))
    boxes = np.concatenate([corner, corner + sides], axis=1)
    if seed % 2:
        boxes = np.round(boxes / 8) * 8
    boxes[rng.random(count) < 0.01] *= 1e18
    score = np.round(rng.random(count), 2 if seed % 3 else 7).astype(np.float32)
    found = Detections(boxes.astype(np.float32), score, rng.integers(0, classes, count, np.int32))
    for threshold in (0.0, 1 / 7, 0.45, 0.6, 1.0):
        for limit in (1, 30, 300, 5000):
            equal(nms(found, threshold, limit), found[survivors(found, threshold, limit)])


@pytest.mark.parametrize("absent", [True, False])
def test_without_compiled_code_numpy_is_used(monkeypatch: pytest.MonkeyPatch, absent: bool) -> None:
    """Where it is not there, and where there is too much for it."""
    rows = [(0.0, 0.0, 10.0, 10.0, 0.9, k % 70) for k in range(200)]
    if absent:
        monkeypatch.setattr("edge_node.detect.decode.nms.compiled", lambda: None)
    else:
        operator = compiled()
        assert operator is not None
        rows *= 200
        assert operator.survivors(detections(rows), 0.5, 300) is None
    assert nms(detections(rows), 0.5, 300).class_id.tolist() == list(range(70))


def test_far_away_boxes_do_not_hide_what_is_near() -> None:
    """A box of absurd size leaves floats little room to tell classes and edges apart."""
    rows = [(0.0, 0.0, 10.0, 10.0, 0.9, 0), (0.5, 0.0, 10.0, 10.0, 0.8, 0), (0.0, 0.0, 10.0, 10.0, 0.7, 1)]
    same(detections([*rows, (-1e18, -1e18, 1e18, 1e18, 0.95, 79)]), 0.5, 100)


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


def test_of_a_flood_only_the_best_are_looked_at() -> None:
    count = MAX_CANDIDATES + 50
    corner = np.arange(count, dtype=np.float32)[:, None] * 20
    boxes = np.concatenate([corner, corner * 0, corner + 10, corner * 0 + 10], axis=1)
    score: F32 = (np.arange(count) / count).astype(np.float32)
    found = nms(Detections(boxes, score, np.zeros(count, np.int32)), 0.5, count)
    np.testing.assert_array_equal(found.score, score[::-1][:MAX_CANDIDATES])


def test_equal_scores_keep_their_order() -> None:
    assert best_first(np.array([0.5, 0.0, 0.9, 0.5, 0.0, 1.0], np.float32)).tolist() == [5, 2, 0, 3, 1, 4]


def test_networks_that_choose_themselves_are_not_suppressed_again() -> None:
    twins = detections([(0, 0, 10, 10, 0.5, 0), (0, 0, 10, 10, 0.9, 0), (0, 0, 10, 10, 0.7, 0)])
    assert suppress(FAMILIES["yolov10"], twins, 0.5, 2).score.tolist() == pytest.approx([0.9, 0.7])
    assert suppress(FAMILIES["yolov8"], twins, 0.5, 2).score.tolist() == pytest.approx([0.9])
