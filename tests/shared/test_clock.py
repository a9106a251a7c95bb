from __future__ import annotations

import pytest

from shared import clock
from shared.clock import SteadyClock

SECOND = 1_000_000_000
WALL = 1_700_000_000 * SECOND


def test_a_clock_that_is_right_is_shown_as_it_is() -> None:
    steady = SteadyClock()
    assert [steady.held(WALL + n * SECOND, n * SECOND) for n in range(3)] == [
        WALL + n * SECOND for n in range(3)
    ]


def test_a_clock_that_is_set_back_a_little_is_approached_at_half_speed() -> None:
    steady = SteadyClock()
    steady.held(WALL, 0)
    shown = [steady.held(WALL - 10 * SECOND + n * SECOND, n * SECOND) for n in range(1, 25)]
    assert shown == sorted(shown)
    assert shown[0] == WALL + SECOND // 2
    assert shown[-1] == WALL + 14 * SECOND, "after 20 s it is the host's clock again"


@pytest.mark.parametrize("step_s", [-61, -3600, 3600, 1])
def test_a_clock_that_is_set_forward_or_back_by_much_is_followed_at_once(step_s: int) -> None:
    steady = SteadyClock()
    steady.held(WALL, 0)
    assert steady.held(WALL + step_s * SECOND, 1) == WALL + step_s * SECOND


def test_a_message_s_time_does_not_go_back_with_the_host_s_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    before = clock.now_ns()
    monkeypatch.setattr("time.time_ns", lambda: before - 30 * SECOND)
    assert before <= clock.now_ns() < before + SECOND
