"""State that an earlier run left on a broker is cleared where this run has no such camera, zone or line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.settings import EdgeConfig
from edge_node.control.inbox import Inbox
from edge_node.control.leftovers import LISTENS_S, SETTLED_S, Leftovers
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.settings import convert
from shared.wire import topics
from tests.conftest import Mosquitto, free_port, wait_until

TRIANGLE = {"polygon": [[0, 0], [1, 0], [1, 1]]}
DOOR = {"points": [[0, 0], [1, 1]]}
CAMERAS = {"gate": {"source": "0", "zones": {"lawn": TRIANGLE}, "lines": {"door": DOOR}}}
PREFIX = "left/v1"
OLD = {
    "a camera": "box/camera/front/status",
    "its definitions": "box/camera/front/zones",
    "its zone": "box/camera/front/zone/porch",
    "a zone of a camera that stays": "box/camera/gate/zone/porch",
}
STAYS = {
    "a camera": "box/camera/gate/status",
    "its zone": "box/camera/gate/zone/lawn",
    "its line": "box/camera/gate/zone/door",
    "another node's": "box2/camera/front/status",
    "another row": "box/camera/front/thumbnail",
}


class Node:
    def __init__(self, client: Client, prefix: str) -> None:
        self.client, self.prefix, self.now_s = client, prefix, 0.0
        self.asked: list[Received] = []
        config = convert(EdgeConfig, {"node": "box", "cameras": CAMERAS}, where="test")
        store = DefinitionStore(None, config.cameras)
        self.leftovers = Leftovers(client, prefix, "box", "s", store, lambda: self.now_s)

    def start(self) -> None:
        self.client.subscribe(f"{self.prefix}/box/request/ping", 1)
        requests = self.leftovers.before(self.asked.append)
        routes = {topics.REQUEST: requests, **dict.fromkeys(topics.OF_CAMERAS, self.leftovers.handle)}
        Inbox(self.client, self.prefix, "box", routes).start()
        self.leftovers.subscribe()

    def say(self, path: str) -> None:
        self.client.set_state(topics.ZONE, f"{self.prefix}/{path}", b"new")


@contextmanager
def node(broker: Mosquitto, prefix: str) -> Iterator[Node]:
    with Client(MqttSettings(url=broker.url, prefix=prefix), name="edge") as client:
        assert client.wait_connected(30)
        yield Node(client, prefix)


def leave(broker: Mosquitto, prefix: str, *paths: str) -> None:
    """What an earlier run has published."""
    with Client(MqttSettings(url=broker.url), name="earlier") as client:
        for path in paths:
            client.set_state(topics.ZONE, f"{prefix}/{path}", b"old")
        assert client.wait_connected(30)
        assert client.finish(30)


def retained(broker: Mosquitto, prefix: str) -> set[str]:
    """The topics that the broker retains now."""
    marker = f"{prefix}/zz"
    with Client(MqttSettings(url=broker.url), name="reader") as reader:
        assert reader.wait_subscribed(30)
        reader.set_state(topics.STATUS, marker, b"x")
        assert reader.finish(30)
        reader.subscribe(f"{prefix}/#", 1)
        seen: set[str] = set()
        while marker not in seen:  # Mosquitto hands out first what came first
            seen.add(reader.received.get(30).topic)
        reader.set_state(topics.STATUS, marker, b"")
        assert reader.finish(30)
    return {topic.removeprefix(f"{prefix}/") for topic in seen - {marker}}


def test_what_is_no_more_goes_and_what_is_there_stays(broker: Mosquitto) -> None:
    leave(broker, PREFIX, *OLD.values(), *STAYS.values())
    with node(broker, PREFIX) as box:
        box.start()
        wait_until(lambda: retained(broker, PREFIX) == set(STAYS.values()))


def test_what_this_run_has_said_meanwhile_is_not_cleared(broker: Mosquitto) -> None:
    prefix = "left/v2"
    leave(broker, prefix, OLD["its zone"], OLD["a camera"])
    with node(broker, prefix) as box:
        box.say(OLD["its zone"])
        box.start()
        wait_until(lambda: retained(broker, prefix) == {OLD["its zone"]})


def test_the_node_listens_only_for_a_while(broker: Mosquitto) -> None:
    prefix = "left/v3"
    leave(broker, prefix, STAYS["its zone"])
    with node(broker, prefix) as box:
        box.leftovers.subscribe()
        box.leftovers.handle(box.client.received.get(30))
        box.now_s = LISTENS_S + 1
        box.say(STAYS["its zone"])
        box.leftovers.handle(box.client.received.get(30))
        box.client.subscribe(f"{prefix}/box/status", 1)
        box.say(STAYS["its zone"])
        box.say("box/status")
        assert box.client.received.get(30).topic == f"{prefix}/box/status", "and not the zone before it"


def test_a_node_knows_when_all_of_an_earlier_run_is_cleared(broker: Mosquitto) -> None:
    prefix = "left/v4"
    leave(broker, prefix, *OLD.values())
    with node(broker, prefix) as box, Client(MqttSettings(url=broker.url), name="reader") as reader:
        reader.subscribe(f"{prefix}/box/#", 1, as_published=True)
        assert reader.wait_subscribed(30)
        box.start()
        wait_until(box.leftovers.settled)
        assert not box.asked, "its own request needs no answer"
        box.say("box/settled")
        after: list[Received] = []
        while not after or after[-1].topic != f"{prefix}/box/settled":
            after.append(reader.received.get(30))
    cleared = {received.topic for received in after if not received.payload}
    assert cleared == {f"{prefix}/{path}" for path in OLD.values()}, "before the node says anything more"


def test_a_broker_that_does_not_send_the_request_back_is_not_waited_for_for_long(broker: Mosquitto) -> None:
    with node(broker, "left/v5") as box:
        box.leftovers.subscribe()  # and nobody hands on what comes
        assert box.client.wait_subscribed(30)
        assert not box.leftovers.settled()
        box.now_s = SETTLED_S
        assert box.leftovers.settled()


def test_without_a_broker_nothing_is_settled() -> None:
    with Client(MqttSettings(url=f"mqtt://127.0.0.1:{free_port()}"), name="edge") as client:
        box = Node(client, "left/v6")
        box.leftovers.subscribe()
        box.now_s = SETTLED_S
        assert not box.leftovers.settled()
        assert not client.dropped, "what could not be sent is no loss"
