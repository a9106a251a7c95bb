"""A model is better only by more than noise."""

from __future__ import annotations

import numpy as np
import pytest

from edge_node.frames import Detections
from optimization.training import judge
from optimization.training.augment import Boxes

BOX = (10, 10, 50, 90)


def seen(*rows: tuple[float, ...]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(table[:, :4].copy(), table[:, 4].copy(), np.zeros(len(table), np.int32))


def truth(*boxes: tuple[float, ...], sure: int = 1) -> Boxes:
    table = np.array(boxes, np.float32).reshape(-1, 4)
    return Boxes(table, np.zeros(len(table), np.int32), np.full(len(table), sure, np.int32))


RIGHT, WRONG = seen((*BOX, 0.9)), seen((200, 200, 240, 280, 0.9))


def test_perfect_detections_have_100_points_and_missing_ones_none() -> None:
    verdict = judge.compare([WRONG] * 30, [RIGHT] * 30, [truth(BOX)] * 30, [0], video=False)
    assert [verdict.before, verdict.after] == pytest.approx([0, 100])
    assert verdict.better


def test_the_same_model_is_not_better() -> None:
    found = [RIGHT if number % 3 else WRONG for number in range(30)]
    assert not judge.compare(found, found, [truth(BOX)] * 30, [0], video=False).better


def test_a_gain_in_one_of_thirty_pictures_is_noise() -> None:
    before = [RIGHT] * 29 + [WRONG]
    assert not judge.compare(before, [RIGHT] * 30, [truth(BOX)] * 30, [0], video=False).better


def test_frames_that_follow_each_other_are_drawn_together() -> None:
    """Ten pictures of ten scenes say more than ten frames of one second."""
    after = [RIGHT] * 60 + [WRONG] * 20
    before = [WRONG] * 40 + [RIGHT] * 40
    widths = [
        verdict.high - verdict.low
        for video in (False, True)
        for verdict in [judge.compare(before, after, [truth(BOX)] * 80, [0], video=video)]
    ]
    assert widths[1] > 1.5 * widths[0]


def test_a_box_where_nothing_is_said_is_neither_right_nor_wrong() -> None:
    both = seen((*BOX, 0.5), (200, 200, 240, 280, 0.9))
    there = Boxes(
        np.array([BOX, (200, 200, 240, 280)], np.float32), np.zeros(2, np.int32), np.array([1, 0], np.int32)
    )
    assert judge.compare([both] * 20, [both] * 20, [there] * 20, [0], video=False).after == pytest.approx(100)


def test_agreement_counts_what_both_models_see() -> None:
    assert judge.agreement([RIGHT], [RIGHT], [0]) == (2, 1.0)
    assert judge.agreement([RIGHT], [WRONG], [0]) == (2, 0.0)
    assert judge.agreement([RIGHT], [WRONG], [3]) == (0, 1.0)


def test_a_class_that_is_seldom_seen_is_not_missed() -> None:
    def seen(*kinds: int, score: float = 0.6) -> Detections:
        boxes = np.tile(np.array([10, 10, 50, 50], np.float32), (len(kinds), 1))
        return Detections(boxes, np.full(len(kinds), score, np.float32), np.array(kinds, np.int32))

    pictures = [seen(1, 2), *[seen(1)] * 9, *[seen(3, score=0.3)] * 10]
    assert judge.often(pictures, [0, 1, 2, 3]) == [1]
    assert judge.often(pictures[:10], [0, 1, 2, 3]) == [1, 2]
