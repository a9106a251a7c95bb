"""A client of several addresses: an address that does not serve it costs one attempt, whatever is wrong."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from shared.errors import BrokerError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.link import route
from shared.wire import topics
from tests.conftest import Mosquitto, free_port, wait_until
from tests.shared.mqtt.connections import CONNACK, accepted, connected, connecting
from tests.shared.mqtt.scripted import ScriptedBroker, disconnect

STATUS = "darner/v1/cluster/status"


@pytest.fixture(autouse=True)
def _in_the_order_of_the_list_and_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_order(given: Sequence[Any], _: int) -> list[Any]:
        return list(given)

    monkeypatch.setattr(random, "sample", in_order)
    monkeypatch.setattr(route, "reconnect_delays", lambda _=0: (0.01, 0.02))
    monkeypatch.setattr(route, "FIRST_S", 0.3)


@contextmanager
def silent(scheme: str = "mqtt") -> Iterator[str]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def closed(scheme: str = "mqtt") -> Iterator[str]:
    yield f"{scheme}://127.0.0.1:{free_port()}"


@contextmanager
def hanging_up() -> Iterator[str]:
    with ScriptedBroker(reason=0x88, after=b"") as broker:  # "Server unavailable"
        yield broker.url


@contextmanager
def refusing() -> Iterator[str]:
    with ScriptedBroker(reason=0x87) as broker:  # "Not authorized"
        yield broker.url


@pytest.mark.timing
@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (closed, "is it running there (mqtt.url)? Trying the next address"),
        (silent, "takes connections and never answers"),
        (hanging_up, "Server unavailable; trying the next address"),
        (refusing, "check mqtt.username, mqtt.password and mqtt.version; trying the next address"),
    ],
)
def test_a_broken_address_costs_one_attempt_and_is_named(
    broker: Mosquitto, broken: Any, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    refused: list[BrokerError] = []
    begin = time.monotonic()
    with (
        broken() as url,
        Client(MqttSettings(url=(url, broker.url)), name="n", on_refused=refused.append) as n,
    ):
        assert n.wait_connected(30)
        took_s = time.monotonic() - begin
        line = next(record.message for record in caplog.records if says in record.message)
    assert url.partition("://")[2] in line
    assert took_s < 1.5
    assert not refused


@pytest.mark.timing
def test_a_handshake_that_never_comes_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    with silent("mqtts") as first, closed("mqtts") as second:
        begin = time.monotonic()
        with Client(MqttSettings(url=(first, second)), name="n"):
            wait_until(lambda: "is it running there" in caplog.text)
        assert time.monotonic() - begin < 1.5
    assert "begins no TLS; does it speak TLS on that port?" in caplog.text


def test_an_address_with_tls_that_has_none_is_named_with_the_other_causes(
    broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    with Client(MqttSettings(url=f"mqtts://127.0.0.1:{broker.port}"), name="n"):
        wait_until(lambda: f"the broker at 127.0.0.1:{broker.port} ended the TLS handshake" in caplog.text)
    assert "may speak no TLS" in caplog.text
    assert "max_connections" in caplog.text


def test_a_connection_that_is_lost_comes_back_at_the_next_address_with_state_and_subscriptions() -> None:
    with ScriptedBroker() as one, ScriptedBroker() as two, connected((one.url, two.url)) as client:
        client.set_state(topics.STATUS, STATUS, b"online")
        client.subscribe("darner/v1/+/status", 1)
        assert client.wait_subscribed(30)
        assert two.connects == 0
        one.hang_up()
        wait_until(lambda: two.published == [(STATUS, 1, True)])
        assert client.wait_subscribed(30)
        two.hang_up()
        wait_until(lambda: one.connects >= 2 and client.connected)


def error_of(*urls: str) -> str:
    errors: list[BrokerError] = []
    refused = threading.Event()

    def on_refused(error: BrokerError) -> None:
        errors.append(error)
        refused.set()

    with Client(MqttSettings(url=urls), name="n", on_refused=on_refused):
        assert refused.wait(30)
    return str(errors[0])


def test_a_refusal_that_waiting_does_not_cure_ends_the_program_once_every_address_has_refused() -> None:
    ending = disconnect(0x9B)
    with (
        ScriptedBroker(after=ending) as one,
        ScriptedBroker(reason=0x87) as two,
        ScriptedBroker(after=ending) as three,
    ):
        error = error_of(one.url, two.url, three.url)
        assert (one.connects, two.connects, three.connects) == (1, 1, 1)
    assert f"{two.port} refused the connection: Not authorized" in error
    assert f"{three.port} ended the connection: QoS not supported" in error


def test_an_address_that_hangs_up_is_named_once_after_each_time_that_it_has_worked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker, connecting(broker) as waiting:
        for _ in range(2):
            with accepted(broker) as works:
                works.sendall(CONNACK)
                assert waiting.wait_connected(30)
            for _ in range(2):
                accepted(broker).close()
        accepted(broker).close()
    assert caplog.text.count("hung up before it accepted this client") == 2
    assert "max_connections" in caplog.text


def test_an_address_that_may_come_back_keeps_the_program_alive() -> None:
    refused: list[BrokerError] = []
    with (
        ScriptedBroker(reason=0x87) as strict,
        closed() as down,
        Client(MqttSettings(url=(strict.url, down)), name="n", on_refused=refused.append),
    ):
        wait_until(lambda: strict.connects >= 3)
    assert not refused
