from __future__ import annotations

import numpy as np
import pytest

from tests.bench.health.faults import FAULTS
from tests.bench.health.made.camera import stutter
from tests.bench.health.made.paint import Make, over
from tests.bench.health.made.vehicles import lorry
from tests.bench.health.measure import Judged, after_s, at_most


@pytest.mark.parametrize(
    ("count", "hours", "rate"), [(0, 1, 2.996), (0, 60, 0.0499), (1, 1, 4.744), (4, 2, 4.577)]
)
def test_the_bound_of_a_rate_is_that_of_a_poisson_distribution(count: int, hours: float, rate: float) -> None:
    assert at_most(count, hours) == pytest.approx(rate, rel=1e-3)  # half of chi-square's 95 %, 2 (count + 1)


@pytest.mark.parametrize("make", [over(lorry((10, 20), 0.8)), stutter])
def test_a_scene_is_the_same_each_time_that_it_is_made(make: Make) -> None:
    plain = np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)
    once, again = (make(lambda _: plain, np.random.default_rng(2)) for _ in range(2))
    shown = [once(t) for t in range(0, 300, 5)]
    assert all(np.array_equal(one, again(t)) for t, one in zip(range(0, 300, 5), shown, strict=True))
    assert len({one.tobytes() for one in shown}) > 2


def test_a_fault_is_timed_from_when_it_is_there_in_full_and_other_names_do_not_count() -> None:
    slow, name = FAULTS["spray, within 8 s"], "spray, within 8 s"
    judged = Judged(name=name, over="a", hours=0.1, alarms=[(6.0, "moved"), (9.5, "covered")])
    assert after_s(slow, judged) == pytest.approx(1.5)
    assert after_s(slow, Judged(name=name, over="a", hours=0.1, alarms=[(6.0, "moved")])) is None
