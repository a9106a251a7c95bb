from __future__ import annotations

import numpy as np
import pytest

from edge_node.track.scores import TypicalScores
from shared.geometry import F64


def shares(scores: TypicalScores, *pairs: tuple[int, float]) -> F64:
    return scores.shares(np.array([c for c, _ in pairs], np.int32), np.array([s for _, s in pairs]))


def learn(scores: TypicalScores, class_id: int, *values: float) -> None:
    scores.learn(np.full(len(values), class_id, np.int32), np.array(values))


def test_before_anything_is_tracked_the_typical_score_is_the_prior() -> None:
    assert shares(TypicalScores(), (0, 0.55), (3, 1.1)) == pytest.approx([1.0, 2.0])


def test_a_frame_without_detections_has_no_shares() -> None:
    scores = TypicalScores()
    assert shares(scores).tolist() == []
    learn(scores, 0)
    assert shares(scores, (0, 0.55)) == pytest.approx([1.0])


def test_the_typical_score_is_the_average_of_what_was_tracked_and_of_ten_times_the_prior() -> None:
    scores = TypicalScores()
    shares(scores, (0, 0.9))
    learn(scores, 0, *[0.95] * 30)
    assert shares(scores, (0, (30 * 0.95 + 5.5) / 40)) == pytest.approx([1.0])


def test_each_class_has_its_own_also_when_it_is_seen_for_the_first_time_later() -> None:
    scores = TypicalScores()
    shares(scores, (0, 0.9), (1, 0.9))
    learn(scores, 1, *[0.95] * 10)
    typical = (9.5 + 5.5) / 20
    assert shares(scores, (0, 0.55), (1, typical), (4, 0.55)) == pytest.approx([1.0, 1.0, 1.0])
    assert shares(scores, (4, 0.55), (1, typical)) == pytest.approx([1.0, 1.0])


def test_what_was_tracked_long_ago_fades() -> None:
    """The average is over about 300 detections: of 300 more, each takes one 300th of what was known."""
    scores = TypicalScores()
    shares(scores, (0, 0.9))
    learn(scores, 0, *[0.9] * 290)
    known = 290 * 0.9 + 5.5
    assert shares(scores, (0, known / 300)) == pytest.approx([1.0])
    learn(scores, 0, *[0.5] * 100)
    assert shares(scores, (0, (known + 50) / 400)) == pytest.approx([1.0])
    learn(scores, 0, *[0.5] * 100)  # what was known weighs 300 again, not 400
    assert shares(scores, (0, ((known + 50) * 300 / 400 + 50) / 400)) == pytest.approx([1.0])
