from __future__ import annotations

import pytest

from edge_node.detect.tiles.budget import MOST, Budget


def budget(run_s: float, **rates: float) -> Budget:
    made = Budget(run_s)
    for name, rate in rates.items():
        for frame in range(3):
            made.came(name, round(frame / rate * 1e9))
    return made


@pytest.mark.parametrize(
    ("run_s", "rates", "fixed", "runs"),
    [
        pytest.param(0.02, {"a": 10.0}, {}, 4, id="40 runs a second for 10 frames"),
        pytest.param(0.02, {"a": 10.0, "b": 10.0}, {}, 2, id="two cameras share"),
        pytest.param(0.02, {"a": 10.0, "b": 10.0}, {"b": 1}, 3, id="what another camera needs is left to it"),
        pytest.param(0.5, {"a": 30.0}, {}, 1, id="too slow for anything: still one"),
        pytest.param(0.0001, {"a": 1.0}, {}, MOST, id="fast: not without end"),
        pytest.param(0.02, {}, {}, 1, id="before anything is known"),
    ],
)
def test_cameras_get_as_many_looks_as_the_network_keeps_up_with(
    run_s: float, rates: dict[str, float], fixed: dict[str, int], runs: int
) -> None:
    assert budget(run_s, **rates).runs(dict.fromkeys(rates, 1), fixed) == runs


def test_frames_that_are_not_looked_at_leave_time_for_the_others() -> None:
    assert budget(0.02, a=10.0).runs({"a": 2}, {}) == 8


def test_a_network_that_turns_out_slower_gets_less_to_do() -> None:
    made = budget(0.02, a=10.0)
    for _ in range(200):
        made.ran(2, 80.0)
    assert made.runs({"a": 1}, {}) == 2
