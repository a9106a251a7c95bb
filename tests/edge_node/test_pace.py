from __future__ import annotations

import numpy as np
import pytest

from edge_node.pace import Pace


@pytest.mark.parametrize(
    ("camera_fps", "limit", "seconds", "expected"),
    [
        pytest.param(30, 10, 10, 100, id="a third"),
        pytest.param(10, 10, 10, 100, id="all of them"),
        pytest.param(25, 10, 10, 100, id="no divisor"),
        pytest.param(5, 10, 10, 50, id="slower than the limit"),
        pytest.param(30, 0, 10, 0, id="none"),
    ],
)
def test_a_pace_takes_so_many_frames_a_second(
    camera_fps: float, limit: float, seconds: int, expected: int
) -> None:
    pace = Pace(limit)
    taken = sum(pace.ready(n / camera_fps) for n in range(int(seconds * camera_fps)))
    assert abs(taken - expected) <= 1


def test_jitter_does_not_halve_a_limit_at_the_cameras_own_rate() -> None:
    rng = np.random.default_rng(1)
    pace = Pace(10)
    assert sum(pace.ready(n / 10 + rng.uniform(-0.02, 0.02)) for n in range(1000)) >= 990


def test_a_pause_is_not_made_up_for_by_a_burst() -> None:
    pace = Pace(10)
    assert pace.ready(0.0)
    assert [pace.ready(100 + n / 100) for n in range(10)].count(True) <= 2
