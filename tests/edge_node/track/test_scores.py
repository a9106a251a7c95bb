from __future__ import annotations

import numpy as np
import pytest

from edge_node.track.scores import TypicalScores
from shared.geometry import F64


def shares(scores: TypicalScores, *pairs: tuple[int, float]) -> F64:
    """Shares of classes and scores in the first camera."""
    class_id, score = np.array([c for c, _ in pairs], np.int32), np.array([s for _, s in pairs])
    return scores.shares(np.zeros(len(pairs), np.intp), class_id, score)


def learn(scores: TypicalScores, class_id: int, *values: float, camera: int = 0) -> None:
    many = len(values)
    scores.learn(
        np.full(many, camera), np.full(many, class_id, np.int32), np.array(values), np.ones(many, np.bool_)
    )


def new(cameras: int = 1) -> TypicalScores:
    return TypicalScores([np.zeros((2, 0))] * cameras)


def test_before_anything_is_tracked_the_typical_score_is_the_prior() -> None:
    assert shares(new(), (0, 0.55), (3, 1.1)) == pytest.approx([1.0, 2.0])


def test_a_frame_without_detections_has_no_shares() -> None:
    scores = new()
    assert shares(scores).tolist() == []
    learn(scores, 0)
    assert shares(scores, (0, 0.55)) == pytest.approx([1.0])


def test_the_typical_score_is_the_average_of_what_was_tracked_and_of_ten_times_the_prior() -> None:
    scores = new()
    shares(scores, (0, 0.9))
    learn(scores, 0, *[0.95] * 30)
    assert shares(scores, (0, (30 * 0.95 + 5.5) / 40)) == pytest.approx([1.0])


def test_each_class_has_its_own_also_when_it_is_seen_for_the_first_time_later() -> None:
    scores = new()
    shares(scores, (0, 0.9), (1, 0.9))
    learn(scores, 1, *[0.95] * 10)
    typical = (9.5 + 5.5) / 20
    assert shares(scores, (0, 0.55), (1, typical), (4, 0.55)) == pytest.approx([1.0, 1.0, 1.0])
    assert shares(scores, (4, 0.55), (1, typical)) == pytest.approx([1.0, 1.0])


def test_what_was_tracked_long_ago_fades() -> None:
    """The average is over about 300 detections: of 300 more, each takes one 300th of what was known."""
    scores = new()
    shares(scores, (0, 0.9))
    learn(scores, 0, *[0.9] * 290)
    known = 290 * 0.9 + 5.5
    assert shares(scores, (0, known / 300)) == pytest.approx([1.0])
    learn(scores, 0, *[0.5] * 100)
    assert shares(scores, (0, (known + 50) / 400)) == pytest.approx([1.0])
    learn(scores, 0, *[0.5] * 100)  # what was known weighs 300 again, not 400
    assert shares(scores, (0, ((known + 50) * 300 / 400 + 50) / 400)) == pytest.approx([1.0])


def test_each_camera_has_its_own_and_only_what_it_sees_lets_it_fade() -> None:
    scores = new(2)
    shares(scores, (3, 0.9))
    # So many that fading once more would change the last digit.
    many = next(count for count in range(301, 900) if count * (300 / count) > 300)
    learn(scores, 3, *[0.9] * (many - 10), camera=0)
    alone, other = scores.parts()
    assert other[:, 3] == pytest.approx([5.5, 10.0])
    before = alone.copy()
    for _ in range(50):
        learn(scores, 3, 0.5, camera=1)
    assert scores.parts()[0].tolist() == before.tolist()
    assert scores.parts()[1][1, 3] == pytest.approx(60.0)


def test_cameras_that_have_seen_different_classes_stand_side_by_side() -> None:
    one, other = new(), new()
    shares(one, (0, 0.9))
    shares(other, (7, 0.9))
    learn(one, 0, *[0.95] * 10)
    learn(other, 7, *[0.75] * 10)
    both = TypicalScores([*one.parts(), *other.parts()])
    typical = (9.5 + 5.5) / 20, (7.5 + 5.5) / 20
    found = both.shares(np.array([0, 1, 1]), np.array([0, 7, 0], np.int32), np.array([*typical, 0.55]))
    assert found == pytest.approx([1.0, 1.0, 1.0])


def test_what_is_unconfirmed_teaches_nothing() -> None:
    scores = new()
    shares(scores, (0, 0.9))
    scores.learn(np.zeros(2, np.intp), np.zeros(2, np.int32), np.array([0.9, 0.1]), np.array([True, False]))
    assert scores.parts()[0][:, 0] == pytest.approx([5.5 + 0.9, 11.0])
