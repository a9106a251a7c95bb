"""The connection of a rollout: what nodes say goes into the inventory, their answers to who has asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from shared.asking.requests import NodeRequests
from shared.errors import MessageError
from shared.fleet.inventory import STATE, Inventory, wait_for
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.command_line import connected
from shared.mqtt.received import Received
from shared.wire import topics

QUIET_S = 0.5
"""When nothing has come for so long, a broker has sent what it retains, seconds."""
LONGEST_S = 60.0
"""How long what is retained may take to come, seconds."""
FIRST_S = 2.0
"""How long the first message may take on a slow link, seconds."""
SMALL = 200
"""Nodes of which all state may come at once."""
MAILBOX = "fleet"
"""Where answers come with MQTT 5: the role `operator` may read these, and no answers to others' requests."""
_PATTERN = frozenset("*?[")


@dataclass(frozen=True)
class Fleet:
    """The nodes, and a way to ask them.

    Attributes:
        settings: The broker.
        inventory: What the nodes say.
        requests: Asks them.
    """

    settings: MqttSettings
    inventory: Inventory
    requests: NodeRequests


@contextmanager
def connect(settings: MqttSettings, globs: Sequence[str], *, metrics: bool = False) -> Iterator[Fleet]:
    """The nodes that fit some patterns, once they have said what is in force.

    Args:
        settings: The broker.
        globs: Patterns of their identifiers.
        metrics: Whether their metrics are wanted, too.

    Raises:
        BrokerError: The broker cannot be reached.
    """
    inventory = Inventory(settings.prefix, globs)
    asking: list[NodeRequests] = []

    def sink(received: Received) -> None:
        found = topics.match(settings.prefix, received.topic)
        if found is not None and found[0] is topics.RESPONSE:
            with suppress(MessageError):  # another node's, or broken: whoever has asked is told
                for requests in asking:
                    requests.handle(received)
            return
        inventory.take(received)

    with connected(settings, "darner-fleet", sink=sink) as client:
        requests = NodeRequests(client, settings, asker="fleet", mailbox=MAILBOX)
        asking.append(requests)
        requests.subscribe()
        _subscribe(client, topics.STATUS, settings.prefix, globs)
        client.wait_subscribed(10.0)
        wait_for(lambda: inventory.heard > 0, FIRST_S)
        _settle(client, inventory)
        for row in STATE[1:]:
            _subscribe(client, row, settings.prefix, globs)
            if len(inventory.nodes) > SMALL:  # a broker drops what is more than a client's queue holds
                _settle(client, inventory)
        _settle(client, inventory)
        if metrics:
            _subscribe(client, topics.METRICS, settings.prefix, globs)
        _ask_again(client, inventory, settings.prefix)
        try:
            yield Fleet(settings, inventory, requests)
        finally:
            requests.close()


def _subscribe(client: Client, row: topics.Topic, prefix: str, globs: Sequence[str]) -> None:
    """Subscribe to a topic of all nodes, or of those alone that are named without a pattern."""
    everybody = row.filter(prefix)
    if any(_PATTERN & set(glob) for glob in globs) or len(globs) > 100:
        client.subscribe(everybody, row.qos)
        return
    for node in globs:
        client.subscribe(everybody.replace(f"{prefix}/+", f"{prefix}/{node}", 1), row.qos)


def _settle(client: Client, inventory: Inventory) -> None:
    """Wait until what a broker retains has come: there is no message that says so."""
    client.wait_subscribed(10.0)
    waited = 0.0
    while waited < LONGEST_S:
        before = inventory.heard
        if not wait_for(lambda: inventory.heard != before, QUIET_S):  # noqa: B023 - it is called in this turn
            return
        waited += QUIET_S


def _ask_again(client: Client, inventory: Inventory, prefix: str, together: int = 50) -> None:
    """Ask the broker for the state of those nodes whose state it has dropped on its way here."""
    lacking = [name for name, node in inventory.nodes.items() if node.online and node.lacks() is not None]
    for begin in range(0, len(lacking), together):
        some = lacking[begin : begin + together]
        filters = [
            row.filter(prefix).replace(f"{prefix}/+", f"{prefix}/{node}", 1)
            for node in some
            for row in STATE[1:]
        ]
        for one in filters:
            client.subscribe(one, 1)
        client.wait_subscribed(10.0)
        wait_for(lambda: all(inventory.get(name).lacks() is None for name in some), 3.0)  # noqa: B023 - as above
        for one in filters:
            client.unsubscribe(one)
