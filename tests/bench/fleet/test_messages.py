"""What simulated nodes say keeps the contract, or a bench would measure how fast a viewer refuses it."""

from __future__ import annotations

import pytest

from shared.wire import topics
from shared.wire.messages import Event, NodeMessage, decode
from tests.bench.fleet import messages, packets
from tests.bench.fleet.node import Node, Tally


class Wire:
    """Takes apart what a node writes, and answers as a broker does."""

    def __init__(self) -> None:
        self.node = Node("sim00007", Tally())
        self.came: list[tuple[topics.Topic, dict[str, str], bytes]] = []
        self._unanswered: list[int] = []

    def write(self, data: bytes) -> None:
        for packet in packets.packets(bytearray(data)):
            if packet.kind != packets.PUBLISH:
                continue
            topic, number, payload = packets.read_publish(packet)
            found = topics.match(messages.PREFIX, topic.decode())
            assert found is not None, topic
            self.came.append((*found, payload))
            if number:
                self._unanswered.append(number)

    def answer(self) -> None:
        """Acknowledge what came, and what comes for that."""
        while self._unanswered:
            number = self._unanswered.pop(0)
            self.node.take(packets.Packet(packets.PUBACK, 0, number.to_bytes(2, "big")))


@pytest.fixture
def wire() -> Wire:
    wire = Wire()
    wire.node.accepted(wire)
    return wire


def test_every_message_of_a_simulated_node_keeps_the_contract(wire: Wire) -> None:
    wire.node.happen()
    wire.node.metrics()
    wire.node.refresh()
    wire.node.frame(with_picture=True)
    said = set()
    for row, ids, payload in wire.came:
        said.add(row.name)
        if not isinstance(row.payload, str):
            message = decode(row.payload, payload)
            assert isinstance(message, NodeMessage)
            assert all(getattr(message, name) == value for name, value in ids.items())
    of_nodes = {row.name for row in topics.TABLE if row not in topics.TO_NODES}
    assert of_nodes - said == {"suspects", "snapshot", "track", "response", "alert"}


def test_events_are_held_until_an_archive_has_them_and_sent_again_on_the_next_connection(wire: Wire) -> None:
    for _ in range(3):
        wire.node.happen()
    wire.answer()
    assert wire.node.online
    assert wire.node.unsafe == 3
    wire.node.lost()
    wire.came.clear()
    wire.node.accepted(wire)
    again = [decode(Event, payload) for row, _, payload in wire.came if row is topics.EVENTS]
    assert [(one.number, one.oldest, one.historical) for one in again] == [
        (number, 1, True) for number in (1, 2, 3)
    ]
    ack = packets.head(f"{messages.PREFIX}/sim00007/ack/viewer-1", qos=1, retain=False)
    body = packets.publish(ack, f'{{"boot":"{again[0].boot}","number":2}}'.encode(), 9)
    [packet] = packets.packets(bytearray(body))
    wire.node.take(packet)
    assert wire.node.unsafe == 1
