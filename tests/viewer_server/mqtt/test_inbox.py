"""Messages that wait: nodes take turns, and a flood of one drops its own."""

from __future__ import annotations

import pytest

from shared.channel import Closed
from shared.mqtt.received import Received
from viewer_server.mqtt.inbox import MAX_WAITING, MAX_WAITING_BYTES, Inbox
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
