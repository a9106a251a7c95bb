"""A teacher that sees a video trusts a weak box of an object that it sees well before and after."""

from __future__ import annotations

import numpy as np

from edge_node.frames import Detections
from optimization.training.teachers import smoothed


def film(scores: list[float]) -> list[Detections]:
    """One object that walks to the right, 10 frames a second."""
    return [
        Detections(
            np.array([[10 + 3 * number, 20, 40 + 3 * number, 100]], np.float32),
            np.array([score], np.float32),
            np.zeros(1, np.int32),
        )
        for number, score in enumerate(scores)
    ]


def sure(scores: list[float]) -> list[bool]:
    marks = smoothed(film(scores), [number / 10 for number in range(len(scores))])
    return [bool(mark[0]) for mark in marks]


def test_a_weak_box_between_good_ones_is_sure() -> None:
    assert sure([0.7] * 6 + [0.38] * 2 + [0.7] * 6) == [True] * 14


def test_an_object_that_is_never_seen_well_is_not_sure() -> None:
    assert sure([0.2] * 14) == [False] * 14


def test_what_is_too_weak_for_any_box_stays_unsure() -> None:
    assert sure([0.7] * 6 + [0.1] + [0.7] * 6)[6] is False
