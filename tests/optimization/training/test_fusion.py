"""Boxes of several detectors become one list."""

from __future__ import annotations

import numpy as np

from edge_node.frames import Detections
from optimization.training.fusion import fuse


def seen(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4].copy(), table[:, 4].copy(), table[:, 5].astype(np.int32))


def test_boxes_of_one_object_are_averaged_by_their_scores() -> None:
    fused = fuse([seen((0, 0, 10, 10, 0.9, 0)), seen((0, 0, 12, 10, 0.3, 0))])
    np.testing.assert_allclose(fused.xyxy, [[0, 0, 10.5, 10]])
    np.testing.assert_allclose(fused.score, [0.6])


def test_what_one_of_two_sees_counts_half() -> None:
    fused = fuse([seen((0, 0, 10, 10, 0.8, 0)), seen((50, 50, 60, 60, 0.6, 0))])
    np.testing.assert_allclose(fused.score, [0.4, 0.3])


def test_classes_stay_apart() -> None:
    assert len(fuse([seen((0, 0, 10, 10, 0.8, 0)), seen((0, 0, 10, 10, 0.8, 1))])) == 2


def test_a_detector_that_does_not_know_the_class_has_no_vote() -> None:
    fused = fuse([seen((0, 0, 10, 10, 0.8, 5)), seen()], knows=[{0, 5}, {0}])
    np.testing.assert_allclose(fused.score, [0.8])


def test_two_boxes_of_one_detector_are_two_objects() -> None:
    one = seen((0, 0, 10, 10, 0.8, 0), (0, 0, 10, 11, 0.4, 0))
    fused = fuse([one, one])
    np.testing.assert_allclose(fused.xyxy, one.xyxy)
    np.testing.assert_allclose(fused.score, one.score)
