"""How long a thread sleeps, asks and blocks while it waits for the GPU."""

from __future__ import annotations

import ctypes

import pytest

from edge_node.backends.cuda.libcuda import POLL_S, SLACK_S, Event, wait

TURN_S = 1e-6


class Scene:
    """A clock, a GPU that finishes at a time, and a count of what the waiting thread did."""

    def __init__(self, finishes_s: float) -> None:
        self.now, self.finishes_s = 0.0, finishes_s
        self.slept, self.asked, self.blocked = 0.0, 0, False

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0  # which sets a timer, and wakes late
        self.slept += seconds
        self.now += seconds

    def yield_core(self) -> None:
        self.now += TURN_S

    def event(self) -> Event:
        scene = self

        class Scripted(Event):
            def __init__(self) -> None:
                self._handle = ctypes.c_void_p()

            def query(self) -> bool:
                scene.asked += 1
                return scene.now >= scene.finishes_s

            def synchronize(self) -> None:
                scene.blocked = True
                scene.now = max(scene.now, scene.finishes_s)

        return Scripted()


@pytest.mark.parametrize(
    ("finishes_s", "due_s", "blocks"),
    [
        pytest.param(0.0, 0.030, False, id="there already"),
        pytest.param(0.030, 0.030, False, id="as expected"),
        pytest.param(0.0301, 0.030, False, id="a little late"),
        pytest.param(0.300, 0.030, True, id="much later than the last one"),
        pytest.param(0.0299, 0.030, False, id="a little early"),
        pytest.param(0.030, 0.0, True, id="nothing is known yet"),
        pytest.param(0.0003, 0.0, False, id="short and unknown"),
    ],
)
def test_the_wait_ends_with_the_event_and_asks_for_a_bounded_time(
    finishes_s: float, due_s: float, blocks: bool
) -> None:
    scene = Scene(finishes_s)
    wait(scene.event(), due_s, scene.clock, scene.sleep, scene.yield_core)
    assert finishes_s <= scene.now <= max(finishes_s, due_s - SLACK_S) + 2 * TURN_S
    assert scene.blocked == blocks
    assert scene.asked * TURN_S <= SLACK_S + POLL_S + 5 * TURN_S
    assert scene.slept >= min(finishes_s, due_s) - SLACK_S - TURN_S
