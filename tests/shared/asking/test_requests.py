"""Requests to edge nodes and their answers, over a real broker."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import orjson
import pytest

from edge_node.control.commands import MAX_SLOW
from edge_node.control.commands import Commands as Answering
from edge_node.control.inbox import Inbox
from shared.asking import requests as module
from shared.asking.requests import DEADLINE_S, BadAnswer, Busy, NoAnswer, NodeRequests
from shared.errors import ConfigError, MessageError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.messages import Request, Response, encode, now_us
from tests.conftest import Mosquitto, wait_until

JPEG = b"\xff\xd8 not really"


def refuse(request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG001
    raise MessageError("no")


def see(request: Request, image: bytes | None) -> dict[str, Any]:
    return {"image": None if image is None else len(image), "confidence": request.confidence}


def sleep(request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG001
    time.sleep(0.5)
    return {}


@contextmanager
def node(url: str, prefix: str, name: str, version: str) -> Iterator[Client]:
    """A node that answers as the edge does: with the edge's own code."""
    with Client(settings_of(url, prefix, version), name=name) as client:
        handlers = {"detect": see, "set": refuse, "snapshot": sleep}
        with Answering(client, prefix, name, "s1", handlers) as answering:
            Inbox(client, prefix, name, {topics.REQUEST: answering.accept}).start()
            assert client.wait_subscribed(30)
            yield client


def settings_of(url: str, prefix: str, version: str) -> MqttSettings:
    return MqttSettings(url=url, prefix=prefix, version="5" if version == "5" else "3.1.1")


@contextmanager
def asking(url: str, prefix: str, version: str) -> Iterator[NodeRequests]:
    """A viewer's connection with a thread that takes in what comes."""
    settings = settings_of(url, prefix, version)
    with Client(settings, name="asking") as client:
        requests = NodeRequests(client, settings)
        requests.subscribe()
        assert client.wait_subscribed(30)

        def listen() -> None:
            for received in client.received:
                with contextlib.suppress(MessageError):
                    requests.handle(received)

        thread = threading.Thread(target=listen)
        thread.start()
        yield requests
    thread.join()


@pytest.mark.parametrize(
    ("of_node", "of_viewer"), [("5", "5"), ("3.1.1", "3.1.1"), ("3.1.1", "5"), ("5", "3.1.1")]
)
def test_each_who_asks_gets_the_answer_to_the_own_question(
    broker: Mosquitto, of_node: str, of_viewer: str
) -> None:
    prefix = f"ask-{of_node}-{of_viewer}".replace(".", "")
    with ExitStack() as stack:
        stack.enter_context(node(broker.url, prefix, "shop", of_node))
        viewers = [stack.enter_context(asking(broker.url, prefix, of_viewer)) for _ in range(2)]
        got: dict[int, Response] = {}

        def ask(number: int) -> None:
            body = {"confidence": number / 100}
            got[number] = viewers[number % 2].ask("shop", "detect", body, JPEG if number < 2 else None)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(MAX_SLOW)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in range(MAX_SLOW):
            image = len(JPEG) if number < 2 else None
            assert got[number].result == {"image": image, "confidence": number / 100}
        bare = viewers[0].ask("shop", "detect", {}, JPEG)
        assert bare.result == {"image": len(JPEG), "confidence": None}
        assert viewers[0].ask("shop", "set", {}).error == "no"


def test_what_cannot_be_asked_is_said_at_once(broker: Mosquitto) -> None:
    with asking(broker.url, "ask-wrong", "5") as requests:
        with pytest.raises(ConfigError, match="node"):
            requests.ask("shop/+", "ping", {})
        with pytest.raises(MessageError, match="polygon"):
            requests.ask("shop", "zones.set", {"zones": {"a": {"polygon": [[0, 0]]}}})
        with pytest.raises(MessageError, match="1000000"):
            requests.ask("shop", "detect", {}, bytes(1_000_001))


def test_silence_ends_at_the_deadline_and_with_the_viewer(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OUTSTANDING", 2)
    with asking(broker.url, "ask-silence", "5") as requests:
        begin = time.monotonic()
        with pytest.raises(NoAnswer, match=r"no answer after 0\.2 s"):
            requests.ask("nobody", "ping", {}, deadline_s=0.2)
        assert time.monotonic() - begin < DEADLINE_S
        errors: list[str] = []

        def ask() -> None:
            try:
                requests.ask("nobody", "ping", {}, deadline_s=30)
            except NoAnswer as error:
                errors.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        wait_until(lambda: requests.outstanding == 2)
        with pytest.raises(Busy):
            requests.ask("nobody", "ping", {})
        requests.close()
        for thread in threads:
            thread.join(30)
        assert len(errors) == 2
        assert all("stopping" in error for error in errors)
        with pytest.raises(NoAnswer, match="stopping"):
            requests.ask("nobody", "ping", {})


def test_a_late_answer_and_one_of_another_node_are_nobodys(broker: Mosquitto) -> None:
    with node(broker.url, "ask-late", "shop", "5") as client, asking(broker.url, "ask-late", "5") as requests:
        with pytest.raises(NoAnswer):
            requests.ask("shop", "snapshot", {}, deadline_s=0.1)
        time.sleep(0.6)
        assert requests.ask("shop", "detect", {}).error is None
        forged = Response(node="other", session="x", published_us=now_us(), command="detect")
        path = requests.response_topic("shop")
        client.publish(topics.RESPONSE, path, encode(forged), correlation=b"guess")
        assert requests.ask("shop", "detect", {}).node == "shop"


def test_an_answer_that_another_node_gives_in_its_own_name_is_not_taken(broker: Mosquitto) -> None:
    """It may have read the transaction where requests are not kept from others."""
    seen: list[bytes] = []
    with (
        asking(broker.url, "ask-spoof", "5") as requests,
        Client(settings_of(broker.url, "ask-spoof", "5"), name="evil") as evil,
    ):
        evil.subscribe("ask-spoof/shop/request/#", 1)
        assert evil.wait_subscribed(30)

        def answer() -> None:
            asked = evil.received.get(30)
            seen.append(asked.payload)
            transaction = orjson.loads(asked.payload)["transaction"]
            forged = Response(
                node="evil", session="x", published_us=now_us(), command="detect", transaction=transaction
            )
            path = topics.RESPONSE.path("ask-spoof", node="evil", command="detect")
            evil.publish(topics.RESPONSE, path, encode(forged), correlation=asked.correlation)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(NoAnswer):
            requests.ask("shop", "detect", {}, deadline_s=0.5)
        thread.join()
    assert seen


@pytest.mark.timing
def test_without_a_broker_there_is_no_waiting(own_broker: Any) -> None:
    with asking(own_broker.url, "darner/v1", "5") as requests:
        own_broker.kill()
        time.sleep(0.2)
        begin = time.monotonic()
        with pytest.raises(NoAnswer, match="broker"):
            requests.ask("shop", "ping", {})
        assert time.monotonic() - begin < 1


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_broken_answer_is_said_at_once(broker: Mosquitto, version: str) -> None:
    prefix = f"ask-broken-{version[0]}"
    with (
        asking(broker.url, prefix, version) as requests,
        Client(settings_of(broker.url, prefix, version), name="shop") as shop,
    ):
        shop.subscribe(f"{prefix}/shop/request/#", 1)
        assert shop.wait_subscribed(30)

        def answer() -> None:
            asked = shop.received.get(30)
            transaction = orjson.loads(asked.payload)["transaction"]
            good = Response(
                node="shop", session="s", published_us=now_us(), command="detect", transaction=transaction
            )
            payload = encode(good).replace(b'"result":{}', b'"result":{"x":' + b"9" * 30 + b"}")
            path = asked.response_topic or topics.RESPONSE.path(prefix, node="shop", command="detect")
            shop.publish(topics.RESPONSE, path, payload, correlation=asked.correlation)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(BadAnswer, match="a whole number beyond"):
            requests.ask("shop", "detect", {"confidence": 0.5}, deadline_s=10)
