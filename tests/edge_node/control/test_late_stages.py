"""What a node says of late stages while a late stage holds up those who say it."""

from __future__ import annotations

import threading

from edge_node.control.late_stages import LateStages
from tests.conftest import wait_until


class Held:
    """Notes what is said; the first word is held up until it is let go."""

    def __init__(self) -> None:
        self.said: list[str | None] = []
        self.begun, self.free = threading.Event(), threading.Event()
        self.late = LateStages("shop", self._say, lambda _: None)

    def _say(self, reason: str | None) -> None:
        first = not self.begun.is_set()
        self.begun.set()
        if first:
            self.free.wait(60)
        self.said.append(reason)


def test_what_is_said_last_is_what_is_so_now() -> None:
    held = Held()
    held.late.note({"mqtt": 10.0})
    assert held.begun.wait(30)
    held.late.note({})
    held.free.set()
    wait_until(lambda: len(held.said) == 2)
    assert held.said == ["mqtt has stood still for 10 s with work to do", None]


def test_a_late_camera_is_no_trouble_of_the_node() -> None:
    held = Held()
    cameras: list[dict[str, float]] = []
    late = LateStages("shop", held.said.append, lambda stages: cameras.append(dict(stages)))
    late.note({"capture yard": 20.0})
    wait_until(lambda: cameras == [{"capture yard": 20.0}])
    late.note({"capture yard": 30.0, "infer": 10.0})
    wait_until(lambda: held.said == ["infer has stood still for 10 s with work to do"])


def test_nothing_is_said_after_the_farewell() -> None:
    held = Held()
    held.late.note({"mqtt": 10.0})
    assert held.begun.wait(30)
    held.late.note({})
    held.late.close()
    held.free.set()
    wait_until(lambda: "late" not in [thread.name for thread in threading.enumerate()])
    assert held.said == ["mqtt has stood still for 10 s with work to do"]
