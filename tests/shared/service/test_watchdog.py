"""Which stages count as frozen, and which only wait, are slow, or were suspended with the whole process."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping

import pytest

from shared.channel import Channel
from shared.service.watchdog import LATE_S, SLOWER, Look, Probe, Stage, Watchdog, says, taking
from tests.conftest import wait_until


class Watched:
    """A watchdog whose clock the test moves; notes what it says."""

    def __init__(self, *stages: Stage) -> None:
        self.now = 100.0
        self.late: list[list[str]] = []
        self.frozen: list[str] = []
        self.well = 0
        self.dog = Watchdog(stages, self._on_late, self.frozen.append, self._on_well, clock=lambda: self.now)

    def _on_late(self, late: Mapping[str, float]) -> None:
        self.late.append(sorted(late))

    def _on_well(self) -> None:
        self.well += 1

    def after(self, seconds: float, step: float = 0.5) -> Watched:
        """Look every half second for some time, as the watchdog's thread does."""
        for _ in range(round(seconds / step)):
            self.now += step
            if not self.dog.look():
                break
        return self


def look(progress: int = 0, late_s: float = LATE_S, frozen_s: float = LATE_S) -> Probe:
    return lambda: Look(progress, late_s, frozen_s)


def test_a_stage_with_work_that_does_not_get_on_is_frozen_within_fifteen_seconds() -> None:
    watched = Watched(Stage("infer", look()), Stage("idle", lambda: None)).after(15)
    assert watched.frozen == ["infer has stood still for 10 s with work to do"]
    assert watched.late == []


def test_a_stage_that_gets_on_or_has_no_work_is_well() -> None:
    turns = iter(range(1000))
    watched = Watched(Stage("busy", lambda: Look(next(turns))), Stage("idle", lambda: None)).after(60)
    assert (watched.frozen, watched.late, watched.well) == ([], [], 120)


@pytest.mark.parametrize("hours", [0.01, 8.0], ids=["stopped for half a minute", "a night's sleep"])
def test_time_in_which_nothing_ran_makes_no_stage_late(hours: float) -> None:
    watched = Watched(Stage("infer", look())).after(5)
    watched.now += hours * 3600
    assert watched.after(3).late == []
    assert watched.after(5).frozen  # though it was frozen before and after


def test_a_stage_that_has_been_slow_before_gets_more_time() -> None:
    progress = [0]
    watched = Watched(Stage("infer", lambda: Look(progress[0]))).after(7.5)
    progress[0] = 1  # a network that takes 7 s for a picture
    assert watched.after(7 * SLOWER - 1).frozen == []
    assert watched.after(2).frozen  # four times as long as that


def test_what_is_late_and_not_yet_frozen_is_said_once_and_taken_back_once() -> None:
    progress = [0]
    watched = Watched(Stage("outbox", lambda: Look(progress[0], frozen_s=60.0))).after(20)
    assert (watched.late, watched.frozen) == ([["outbox"]], [])
    well = watched.well
    progress[0] = 1
    assert watched.after(1).late == [["outbox"], []]
    assert watched.well == well + 2


def test_one_late_stage_of_a_group_ends_nothing_and_all_of_them_do() -> None:
    silent, gives = Look(0, 12.0, math.inf), [0]

    def other() -> Look:
        gives[0] += 1
        return Look(gives[0], 12.0, math.inf)

    watched = Watched(Stage("a", lambda: silent, "cameras"), Stage("b", other, "cameras")).after(60)
    assert (watched.late, watched.frozen) == ([["a"]], [])
    assert watched.well == 120, "the program as a whole is well"
    watched = Watched(*(Stage(name, lambda: silent, "cameras") for name in "ab")).after(60)
    assert watched.frozen == ["a and b have stood still for 12 s with work to do"]


def test_a_sentence_names_every_stage() -> None:
    assert says({"a": 10.2, "b": 11.0, "c": 10.5}) == "a, b and c have stood still for 11 s with work to do"


def test_a_stage_at_a_channel_waits_works_stands_still_or_is_held_up() -> None:
    source: Channel[int] = Channel(2)
    onward: Channel[int] = Channel(1)
    probe = taking(source, onward)
    go_on = threading.Semaphore(0)

    def work() -> None:
        for item in source:
            go_on.acquire()
            onward.put(item)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: source.takers)
    assert probe() is None, "it waits for work"
    source.put(1)
    wait_until(lambda: source.taken == 1)
    assert probe() == Look(1), "it has an item in hand"
    go_on.release(2)
    source.put(2)
    wait_until(lambda: onward.putters[""])
    assert probe() is None, "the next stage holds it up"
    onward.get()
    source.close()
    thread.join(30)
    assert probe() is None, "it has ended"


def test_another_one_that_waits_for_room_excuses_nobody() -> None:
    source: Channel[int] = Channel()
    onward: Channel[int] = Channel()
    onward.put(1, "other")
    other = threading.Thread(target=onward.put, args=(2, "other"))
    other.start()
    wait_until(lambda: onward.putters["other"])
    assert taking(source, onward, lane="this")() == Look(0)
    assert taking(source, onward, lane="other")() is None
    assert taking(source, onward)() is None
    onward.get()
    other.join(30)


def test_a_stage_that_sleeps_through_its_work_and_one_that_never_comes_back_are_seen() -> None:
    source: Channel[int] = Channel(2)
    assert taking(source)() == Look(0), "nobody takes"
    source.put(1)
    source.takers = 1  # as after a lost wake-up: it waits although there is something
    assert taking(source)() == Look(0)


def test_a_look_takes_no_lock_of_the_channel() -> None:
    source: Channel[int] = Channel()
    held, seen = threading.Event(), threading.Event()

    def take(_: int) -> int:  # called under the channel's lock
        held.set()
        seen.wait(60)
        return 1

    holding: Channel[int] = Channel(size=take)
    holder = threading.Thread(target=holding.put, args=(1,))
    holder.start()
    assert held.wait(30)
    assert taking(holding)() == Look(0)
    seen.set()
    holder.join(30)
    assert source.waiting == 0


def test_the_thread_looks_by_itself_and_ends_when_told() -> None:
    looked = threading.Event()
    with Watchdog([], lambda _: None, lambda _: None, looked.set):
        assert looked.wait(30)
    assert "watchdog" not in [thread.name for thread in threading.enumerate()]


def test_a_look_that_fails_feeds_nobody_and_ends_no_watching(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("shared.service.watchdog.LOOK_EVERY_S", 0.01)
    failed, mended, well = threading.Event(), threading.Event(), threading.Event()

    def probe() -> None:
        if not mended.is_set():
            failed.set()
            raise RuntimeError("changed size during iteration")

    with Watchdog([Stage("infer", probe)], lambda _: None, lambda _: None, well.set) as dog:
        assert failed.wait(30)
        wait_until(lambda: not dog.well)
        assert not well.is_set()
        mended.set()
        assert well.wait(30)
    assert caplog.text.count("a look at the stages failed") == 1
