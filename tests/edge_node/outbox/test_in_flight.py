"""What was sent and is not acknowledged, on a connection that others use as well."""

from __future__ import annotations

from typing import Any

import pytest

from edge_node.outbox.in_flight import InFlight
from shared.errors import MessageError
from shared.wire import topics


class Connection:
    """Stands where the client stands: numbers messages, and acknowledges them when the test says so."""

    def __init__(self) -> None:
        self.connections = 1
        self.connected = True
        self.number = 0
        self.on_acknowledged: list[Any] = []

    def send(self, _: topics.Topic, __: str, payload: bytes, ___: object) -> int | None:
        if payload == b"too large":
            raise MessageError("too large")
        if not self.connected:
            return None
        self.number += 1
        return self.number

    def acknowledge(self, number: int, *, taken: bool = True) -> None:
        for listener in self.on_acknowledged:
            listener(number, taken)


class Case:
    """Items in flight on a connection, and how often their owner was woken."""

    def __init__(self) -> None:
        self.connection = Connection()
        self.woken = 0
        client: Any = self.connection
        self.items: InFlight[str] = InFlight(client, 3, self._wake)
        self.items.listen()
        assert self.items.renew()

    def _wake(self) -> None:
        self.woken += 1

    def send(self, item: str) -> bool:
        return self.items.send(item, topics.EVENTS, "t", item.encode())


@pytest.fixture
def case() -> Case:
    return Case()


def test_an_item_is_in_flight_until_it_is_acknowledged(case: Case) -> None:
    assert [case.send(item) for item in "abc"] == [True, True, True]
    assert (case.items.full, list(case.items)) == (True, ["a", "b", "c"])
    case.connection.acknowledge(2)
    case.connection.acknowledge(1, taken=False)
    assert case.woken == 2
    assert len(case.items) == 3, "until the owner asks for the answers"
    assert list(case.items.answers()) == [("b", True), ("a", False)]
    assert (case.items.full, list(case.items)) == (False, ["c"])
    assert list(case.items.answers()) == []


def test_acknowledgements_of_other_senders_wake_nobody_while_nothing_is_in_flight(case: Case) -> None:
    case.connection.acknowledge(7)
    assert case.woken == 0
    case.send("a")
    case.connection.acknowledge(7)
    assert list(case.items.answers()) == []
    case.connection.acknowledge(1)
    assert list(case.items.answers()) == [("a", True)]
    woken = case.woken
    case.connection.acknowledge(8)
    assert case.woken == woken


def test_a_new_connection_forgets_what_was_in_flight_on_the_one_before(case: Case) -> None:
    case.send("a")
    assert not case.items.renew()
    case.connection.connections = 2
    assert case.items.renew()
    assert (len(case.items), case.items.connection) == (0, 2)
    case.connection.acknowledge(1)
    assert list(case.items.answers()) == []


def test_what_cannot_be_sent_is_not_in_flight(case: Case) -> None:
    case.connection.connected = False
    assert not case.send("a")
    with pytest.raises(MessageError):
        case.send("too large")
    assert len(case.items) == 0
