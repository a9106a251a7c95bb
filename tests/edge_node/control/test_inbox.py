"""The inbox over a real broker: each part gets its messages, whatever the others do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest

from edge_node.control.commands import MAX_SLOW, MAX_WAITING, Commands, Handler
from edge_node.control.inbox import Inbox
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import messages, topics
from shared.wire.messages import Ack, Request, Response
from tests.conftest import Mosquitto, wait_until

PREFIX = "test-inbox/v1"
WITHIN_S = 30.0


class SlowDetect:
    """A command that goes on until it may end."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self, _: Request, __: bytes | None) -> dict[str, Any]:
        self.begun.set()
        assert self.may_end.wait(60)
        return {}


class Asker:
    """Another client of the broker, which hears the node's answers."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def send(self, topic: str, payload: bytes) -> None:
        assert self.client.republish(Received(topic, payload, 1, False, {}))

    def ask(self, command: str, payload: bytes) -> None:
        self.send(f"{PREFIX}/box/request/{command}", payload)

    def acknowledge(self) -> None:
        ack = Ack(node="box", session="v", published_us=1, boot="b", number=1, archive="viewer")
        self.send(topics.ACK.path(PREFIX, node="box", archive="viewer"), messages.encode(ack))

    def answer(self) -> Response:
        return messages.decode(Response, self.client.received.get(WITHIN_S).payload)


@pytest.fixture
def asker(broker: Mosquitto) -> Iterator[Asker]:
    with Client(MqttSettings(url=broker.url, prefix=PREFIX), name="asker") as client:
        client.subscribe(f"{PREFIX}/box/response/+", 1)
        assert client.wait_subscribed(30)
        yield Asker(client)


@pytest.fixture
def detect() -> Iterator[SlowDetect]:
    one = SlowDetect()
    yield one
    one.may_end.set()


@contextmanager
def node(broker: Mosquitto, detect: SlowDetect) -> Iterator[tuple[list[Received], list[Received]]]:
    """A node's commands and inbox: the acknowledgements that it takes in, and the messages for elsewhere."""
    acks: list[Received] = []
    others: list[Received] = []

    def take_ack(received: Received) -> None:
        acks.append(received)
        raise RuntimeError("a fault of one part")

    with Client(MqttSettings(url=broker.url, prefix=PREFIX), name="node") as client:
        client.subscribe(f"{PREFIX}/box/ack/+", 1)
        client.subscribe("another/prefix", 1)
        slow = dict.fromkeys(("detect", "heatmap", "reload"), detect)
        handlers: dict[str, Handler] = {**slow, "ping": lambda *_: {}}
        with Commands(client, PREFIX, "box", "s", handlers) as commands:
            routes = {topics.REQUEST: commands.accept, topics.ACK: take_ack}
            Inbox(client, PREFIX, "box", routes, others.append).start()
            assert client.wait_subscribed(30)
            yield acks, others


def test_a_slow_command_delays_no_acknowledgement(
    broker: Mosquitto, asker: Asker, detect: SlowDetect
) -> None:
    with node(broker, detect) as (acks, _):
        asker.ask("detect", b'{"transaction": "slow"}')
        assert detect.begun.wait(WITHIN_S)
        asker.acknowledge()
        wait_until(lambda: len(acks) == 1, WITHIN_S)
        assert len(asker.client.received) == 0, "the command is still being carried out"
        detect.may_end.set()
        assert asker.answer().transaction == "slow"


def test_a_fault_in_one_part_does_not_make_the_node_deaf(
    broker: Mosquitto, asker: Asker, detect: SlowDetect, caplog: pytest.LogCaptureFixture
) -> None:
    with node(broker, detect) as (acks, _):
        asker.acknowledge()
        asker.acknowledge()
        asker.ask("ping", b"{}")
        assert asker.answer().error is None
        assert len(acks) == 2
        assert "a fault of one part" in caplog.text


def test_a_topic_that_is_not_in_the_table_goes_elsewhere(
    broker: Mosquitto, asker: Asker, detect: SlowDetect
) -> None:
    with node(broker, detect) as (acks, others):
        asker.send("another/prefix", b"x")
        wait_until(lambda: [one.payload for one in others] == [b"x"], WITHIN_S)
        assert not acks


@pytest.mark.parametrize(
    ("slow", "waits", "most"), [("heatmap", "ping", MAX_WAITING), ("detect", "detect", MAX_SLOW)]
)
def test_when_too_many_requests_wait_the_next_is_refused_at_once_and_the_others_are_answered_later(
    broker: Mosquitto, asker: Asker, detect: SlowDetect, slow: str, waits: str, most: int
) -> None:
    with node(broker, detect):
        asker.ask(slow, b'{"transaction": "slow"}')
        assert detect.begun.wait(WITHIN_S)
        waiting = [f"waits-{number}" for number in range(most)]
        for name in [*waiting, "too-many"]:
            asker.ask(waits, orjson.dumps({"transaction": name}))
        refused = asker.answer()
        assert (refused.transaction, refused.code) == ("too-many", "busy")
        assert "ask again later" in (refused.error or "")
        detect.may_end.set()
        answers = [asker.answer() for _ in range(most + 1)]
        assert [one.transaction for one in answers] == ["slow", *waiting]
        assert all(one.error is None for one in answers)


@pytest.mark.parametrize("command", ["detect", "reload"])
def test_other_commands_are_answered_while_pictures_are_decoded_or_a_model_is_loaded(
    broker: Mosquitto, asker: Asker, detect: SlowDetect, command: str
) -> None:
    with node(broker, detect):
        for number in range(MAX_SLOW):
            asker.ask(command, orjson.dumps({"transaction": f"slow-{number}"}))
        assert detect.begun.wait(WITHIN_S)
        asker.ask("ping", b'{"transaction": "quick"}')
        assert asker.answer().transaction == "quick"


def test_a_node_that_stops_waits_for_no_command_and_answers_those_that_wait(
    broker: Mosquitto, asker: Asker, detect: SlowDetect
) -> None:
    with node(broker, detect) as (acks, _):
        asker.ask("heatmap", b'{"transaction": "slow"}')
        assert detect.begun.wait(WITHIN_S)
        asker.ask("ping", b'{"transaction": "waits"}')
        asker.ask("Ping?", b"\xff")
        asker.acknowledge()
        wait_until(lambda: len(acks) == 1, WITHIN_S)  # so the requests before it were taken in
        leaving = time.monotonic()
    assert time.monotonic() - leaving < WITHIN_S
    answers = [asker.answer() for _ in range(2)]
    assert [(one.command, one.transaction, one.code) for one in answers] == [
        ("ping", "waits", "busy"),
        ("unknown", None, "busy"),
    ]
    assert all("the node is stopping" in (one.error or "") for one in answers)
