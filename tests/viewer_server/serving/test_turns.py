"""Threads that work for many askers in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.conftest import wait_until
from viewer_server.serving.turns import Turns


class Work:
    """Notes who is worked for, and holds the thread until it is told to go on."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go_on = threading.Semaphore(0)

    def __call__(self, item: str) -> None:
        self.begun.append(item)
        self.go_on.acquire()
        if item.startswith("bad"):
            raise ValueError(item)


def begun(work: Work, *items: str) -> Callable[[], bool]:
    return lambda: sorted(work.begun) == sorted(items)


def test_one_asker_does_not_get_all_threads() -> None:
    work = Work()
    turns = Turns(work, threads=3, each=2, name="t")
    for item in ("a1", "a2", "a3", "a4"):
        turns.add("a", item)
    wait_until(begun(work, "a1", "a2"))
    turns.add("b", "b1")
    wait_until(begun(work, "a1", "a2", "b1"))
    work.go_on.release(9)
    wait_until(begun(work, "a1", "a2", "b1", "a3", "a4"))
    turns.close()


def test_askers_take_turns_however_many_requests_each_has() -> None:
    work = Work()
    turns = Turns(work, threads=1, each=1, name="t")
    turns.add("a", "a0")
    wait_until(begun(work, "a0"))
    for number in range(1, 4):
        turns.add("a", f"a{number}")
    turns.add("b", "b1")
    turns.add("c", "c1")
    work.go_on.release(9)
    wait_until(lambda: len(work.begun) == 6)
    assert work.begun == ["a0", "a1", "b1", "c1", "a2", "a3"]
    turns.close()


def test_what_no_thread_has_can_be_withdrawn() -> None:
    work = Work()
    turns = Turns(work, threads=1, each=1, name="t")
    turns.add("a", "a0")
    wait_until(begun(work, "a0"))
    turns.add("a", "a1")
    assert turns.withdraw("a", "a1")
    assert not turns.withdraw("a", "a1")
    assert not turns.withdraw("a", "a0")
    turns.add("a", "a2")
    work.go_on.release(9)
    wait_until(begun(work, "a0", "a2"))
    turns.close()


def test_a_failure_costs_no_thread() -> None:
    work = Work()
    turns = Turns(work, threads=1, each=1, name="t")
    work.go_on.release(9)
    for item in ("bad1", "bad2", "good"):
        turns.add("a", item)
    wait_until(begun(work, "bad1", "bad2", "good"))
    turns.close()
