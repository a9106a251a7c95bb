"""Messages that wait: nodes take turns, a flood drops its own, and what may not be lost waits for room."""

from __future__ import annotations

import contextlib
import threading

import pytest

from shared.channel import Closed
from shared.mqtt.received import Received
from viewer_server.mqtt.inbox import MAX_WAITING, MAX_WAITING_BYTES, PATIENCE_S, Inbox
from viewer_server.quotas import Quotas


def message(node: str, number: int, size: int = 10, qos: int = 0) -> Received:
    return Received(f"a/b/{node}/camera/c/x{number}", bytes(size), qos, False, {})


def take_all(inbox: Inbox) -> list[tuple[str, int]]:
    taken: list[tuple[str, int]] = []
    while True:
        try:
            levels = inbox.get(0).topic.split("/")
        except TimeoutError:
            return taken
        taken.append((levels[2], int(levels[-1][1:])))


@pytest.fixture
def quotas() -> Quotas:
    return Quotas()


@pytest.fixture
def inbox(quotas: Quotas) -> Inbox:
    return Inbox("a/b", quotas)


def test_nodes_take_turns_and_the_messages_of_each_keep_their_order(inbox: Inbox) -> None:
    for number in range(3):
        inbox.put(message("evil", number))
    inbox.put(message("shop", 0))
    inbox.put(message("shop", 1))
    assert take_all(inbox) == [("evil", 0), ("shop", 0), ("evil", 1), ("shop", 1), ("evil", 2)]


@pytest.mark.parametrize("size", [10, 500_000])
def test_a_flood_drops_its_own_oldest_and_nothing_of_others(inbox: Inbox, quotas: Quotas, size: int) -> None:
    for number in range(20):
        inbox.put(message("shop", number, qos=1))
    for number in range(10_000):
        inbox.put(message("evil", number, size))
    taken = take_all(inbox)
    assert [number for node, number in taken if node == "shop"] == list(range(20))
    flood = [number for node, number in taken if node == "evil"]
    assert flood == list(range(10_000 - len(flood), 10_000))
    assert len(taken) <= MAX_WAITING
    assert len(flood) * size <= MAX_WAITING_BYTES
    [reached] = quotas.reached()
    assert (reached.node, reached.limit, reached.count) == ("evil", "messages", 10_000 - len(flood))


def test_messages_that_newer_ones_replace_are_dropped_before_events(inbox: Inbox) -> None:
    inbox.put(message("n", 0, qos=1))
    for number in range(1, MAX_WAITING + 100):
        inbox.put(message("n", number))
    assert take_all(inbox)[0] == ("n", 0)


def test_many_nodes_together_have_the_same_room_as_one(inbox: Inbox) -> None:
    for number in range(5 * MAX_WAITING):
        inbox.put(message(f"n{number}", 0))
    assert len(take_all(inbox)) == MAX_WAITING


def test_what_waits_at_the_end_can_still_be_taken(inbox: Inbox) -> None:
    inbox.put(message("n", 1))
    inbox.close()
    inbox.put(message("n", 2))
    assert inbox.get().topic == "a/b/n/camera/c/x1"
    with pytest.raises(Closed):
        inbox.get()


def taking(inbox: Inbox, taken: list[tuple[str, int]]) -> threading.Thread:
    """Take everything out in a thread, until the inbox is closed."""

    def run() -> None:
        with contextlib.suppress(Closed):
            while True:
                levels = inbox.get().topic.split("/")
                taken.append((levels[2], int(levels[-1][1:])))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_what_thousands_of_nodes_retain_is_taken_in_whole_though_it_comes_all_at_once(
    inbox: Inbox, quotas: Quotas
) -> None:
    wanted = [(f"n{number}", state) for state in range(4) for number in range(3 * MAX_WAITING)]
    taken: list[tuple[str, int]] = []
    thread = taking(inbox, taken)
    for node, state in wanted:
        inbox.put(message(node, state, qos=1))
    inbox.close()
    thread.join()
    assert sorted(taken) == sorted(wanted)
    assert quotas.reached() == []


def test_who_waits_for_room_says_that_it_is_still_there_and_waits_no_longer_than_the_inbox_is_open(
    quotas: Quotas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("viewer_server.mqtt.inbox.LOOK_S", 0.01)
    said = threading.Event()
    inbox = Inbox("a/b", quotas, said.set)
    for number in range(MAX_WAITING):
        inbox.put(message(f"n{number}", 0, qos=1))
    waiting = threading.Thread(target=inbox.put, args=(message("late", 0, qos=1),))
    waiting.start()
    assert said.wait(30)
    assert waiting.is_alive()
    inbox.close()
    waiting.join(30)
    assert not waiting.is_alive()


def test_what_may_be_lost_never_waits_and_never_takes_the_room_of_what_may_not(
    inbox: Inbox, quotas: Quotas
) -> None:
    for number in range(MAX_WAITING):
        inbox.put(message("shop", number, qos=1))
    inbox.put(message("evil", 0))
    assert take_all(inbox) == [("shop", number) for number in range(MAX_WAITING)]
    assert [(one.node, one.limit, one.count) for one in quotas.reached()] == [("evil", "messages", 1)]


def test_a_node_that_floods_for_seconds_loses_its_oldest_and_the_others_come_through(quotas: Quotas) -> None:
    now = 0.0

    def wait() -> None:
        nonlocal now
        now += 1.0

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("viewer_server.mqtt.inbox.LOOK_S", 0.001)
        inbox = Inbox("a/b", quotas, wait, lambda: now)
        for number in range(2 * MAX_WAITING):
            inbox.put(message("evil", number, qos=1))
            if number == MAX_WAITING - 1:
                assert now == 0.0
        for number in range(5):
            inbox.put(message("shop", number, qos=1))
    taken = take_all(inbox)
    assert now >= PATIENCE_S, "it was given time to end"
    assert [number for node, number in taken if node == "shop"] == list(range(5))
    flood = [number for node, number in taken if node == "evil"]
    assert flood == list(range(2 * MAX_WAITING - len(flood), 2 * MAX_WAITING))
    [reached] = quotas.reached()
    assert (reached.node, reached.count) == ("evil", 2 * MAX_WAITING - len(flood))
