"""What a broker allows is kept to, and what it refuses ends with the cure."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from shared.errors import BrokerError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.link import connection, route
from shared.mqtt.link.route import reconnect_delays
from shared.mqtt.received import Received
from shared.wire import topics
from tests.conftest import MosquittoProcess, wait_until
from tests.shared.mqtt.connections import connected
from tests.shared.mqtt.scripted import ScriptedBroker, disconnect

EVENTS = "darner/v1/n/camera/c/events"
SOON = (0.01, 0.02)


@pytest.fixture(autouse=True)
def _reconnecting_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "reconnect_delays", lambda _=0: SOON)


def error_of(url: str, **options: object) -> str:
    """What a client reports that this broker does not serve."""
    errors: list[BrokerError] = []
    refused = threading.Event()

    def on_refused(error: BrokerError) -> None:
        errors.append(error)
        refused.set()

    settings = MqttSettings(url=url, **options)  # type: ignore[arg-type]  # settings by name
    will = ("darner/v1/n/status", b"offline")
    with Client(settings, name="darner-n", will=will, on_refused=on_refused):
        assert refused.wait(30)
    return str(errors[0])


@pytest.mark.parametrize("receive_maximum", [1, 2, 10])
def test_no_more_messages_are_in_flight_than_the_broker_takes(receive_maximum: int) -> None:
    paths = [f"darner/v1/n/camera/c/zone/z{number}" for number in range(12)]
    with ScriptedBroker({"ReceiveMaximum": receive_maximum}, ack_s=0.02) as broker:
        with Client(MqttSettings(url=broker.url), name="n") as client:
            for path in paths:
                client.set_state(topics.ZONE, path, b"{}")
            assert client.wait_subscribed(30)
            for _ in range(12):
                assert client.send(topics.EVENTS, EVENTS, b"{}") is not None
            wait_until(lambda: len(broker.published) == 24)
        assert 1 <= broker.most[0] <= receive_maximum


def test_a_broker_that_says_nothing_gets_as_many_as_before_even_after_one_that_took_few() -> None:
    with ScriptedBroker({"ReceiveMaximum": 2}, {}, ack_s=3.0) as broker, connected(broker.url) as client:
        broker.hang_up()
        wait_until(lambda: client.connections == 2 and client.connected)
        for _ in range(20):
            assert client.send(topics.EVENTS, EVENTS, b"{}") is not None
        wait_until(lambda: broker.most == [0, 20])


@pytest.mark.parametrize(("announced", "shares"), [({}, True), ({"SharedSubscriptionAvailable": 0}, False)])
def test_whether_a_broker_has_shared_subscriptions_is_what_it_says(
    announced: dict[str, object], shares: bool
) -> None:
    with ScriptedBroker(announced) as broker, connected(broker.url) as client:
        assert client.shares is shares


def test_a_message_over_the_announced_limit_is_not_sent() -> None:
    with ScriptedBroker({"MaximumPacketSize": 1000}) as broker, connected(broker.url) as client:
        assert not client.publish(topics.EVENTS, EVENTS, bytes(1000))
        assert client.publish(topics.EVENTS, EVENTS, b"fits")
        wait_until(lambda: len(broker.published) == 1)


def test_state_that_was_set_before_the_limit_was_known_does_not_cost_the_connection() -> None:
    broker = ScriptedBroker({"MaximumPacketSize": 1000})
    with Client(MqttSettings(url=broker.url), name="n") as client:
        client.set_state(topics.ZONES, "darner/v1/n/camera/c/zones", bytes(2000))
        client.set_state(topics.STATUS, "darner/v1/n/status", b"{}")
        with broker:
            wait_until(lambda: len(broker.published) > 0)
            assert client.finish(30)
            assert [topic for topic, *_ in broker.published] == ["darner/v1/n/status"]
            assert client.dropped["zones"] == 1


def test_what_a_request_has_chosen_counts_towards_the_announced_limit() -> None:
    response = "darner/v1/n/response/ping"
    with ScriptedBroker({"MaximumPacketSize": 2000}) as broker, connected(broker.url) as client:
        assert not client.publish(topics.RESPONSE, response, bytes(1000), correlation=bytes(1000))
        assert not client.publish(topics.RESPONSE, "ä" * 900, bytes(100))
        recorded = Received(response, bytes(1000), 1, False, {"key": "x" * 1000})
        assert not client.republish(recorded)
        assert client.publish(topics.RESPONSE, response, bytes(1000), correlation=bytes(100))
        wait_until(lambda: len(broker.published) == 1)


@pytest.mark.parametrize(
    ("lacks", "cure"),
    [
        ({"RetainAvailable": 0}, "retain_available true"),
        ({"MaximumQoS": 0}, "max_qos 1"),
        ({"WildcardSubscriptionAvailable": 0}, "let the broker take wildcards"),
    ],
)
def test_a_broker_that_lacks_what_everything_needs_ends_the_program_with_the_cure(
    lacks: dict[str, object], cure: str
) -> None:
    with ScriptedBroker(lacks) as broker:
        said = error_of(broker.url)
        assert cure in said
        assert f"127.0.0.1:{broker.port}" in said
        assert not broker.published, "and nothing is sent that it would not take"


def test_properties_that_change_nothing_for_us_do_no_harm() -> None:
    unused = {
        "SessionExpiryInterval": 0,
        "AssignedClientIdentifier": "other",
        "TopicAliasMaximum": 10,
        "MaximumQoS": 1,
        "RetainAvailable": 1,
        "SharedSubscriptionAvailable": 0,
        "SubscriptionIdentifierAvailable": 0,
        "ResponseInformation": "answers/here",
        "ServerKeepAlive": 30,
        "UserProperty": ("a", "b"),
    }
    with ScriptedBroker(unused) as broker, connected(broker.url) as client:
        client.subscribe("darner/v1/#", 1)
        assert client.wait_subscribed(30)
        assert client.publish(topics.EVENTS, EVENTS, b"{}")


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (0x81, "set mqtt.version to '3.1.1'"),
        (0x84, "set mqtt.version to '3.1.1'"),
        (0x85, "client ids such as 'darner-n-"),
        (0x86, "check mqtt.username"),
        (0x87, "check mqtt.username"),
        (0x90, "change mqtt.prefix"),
        (0x95, "max_packet_size"),
        (0x9A, "retain_available true"),
        (0x9B, "max_qos 1"),
        (0x9D, "set mqtt.url to other.lan:1883 (moved for good)"),
    ],
)
def test_a_refusal_that_waiting_does_not_cure_ends_with_the_cure(code: int, cure: str) -> None:
    about = {"ServerReference": "other.lan:1883"} if code == 0x9D else {}
    with ScriptedBroker(about | {"ReasonString": "moved for good"}, reason=code) as broker:
        said = error_of(broker.url)
    assert cure.replace(" (moved for good)", "") in said
    assert "(moved for good)" in said, "the broker's own words"


def test_what_a_broker_says_stays_one_line() -> None:
    with ScriptedBroker({"ReasonString": "no\nFATAL \x1b[31m" + "x" * 500}, reason=0x87) as broker:
        said = error_of(broker.url)
    assert said.isprintable()
    assert len(said) < 400


def test_a_broker_that_is_busy_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedBroker(reason=0x89) as broker:
        refused: list[BrokerError] = []
        with Client(MqttSettings(url=broker.url), name="n", on_refused=refused.append):
            wait_until(lambda: broker.connects == 2)
        assert not refused
        assert caplog.text.count("Server busy") == 1


def test_a_disconnection_that_waiting_does_not_cure_ends_the_program_at_its_first_connection() -> None:
    with ScriptedBroker(after=disconnect(0x9B)) as broker:
        assert "max_qos 1" in error_of(broker.url)


def test_a_connection_that_has_lived_is_waited_for_whatever_ended_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LIVES_S", 0.0)
    refused: list[BrokerError] = []
    draining = disconnect(0x9C)  # "Use another server"
    with (
        ScriptedBroker(after=draining) as broker,
        Client(MqttSettings(url=broker.url), name="n", on_refused=refused.append),
    ):
        wait_until(lambda: broker.connects >= 3)
    assert not refused


def test_a_broker_that_ends_every_connection_is_tried_less_and_less_and_the_log_says_what_to_check(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def soon(short_lived: int = 0) -> tuple[float, float]:
        asked.append(short_lived)
        return SOON

    monkeypatch.setattr(route, "reconnect_delays", soon)
    with ScriptedBroker(after=b"") as broker, Client(MqttSettings(url=broker.url), name="n"):
        wait_until(lambda: broker.connects >= 8)
    assert asked[:6] == [0, 1, 2, 3, 4, 5]
    assert caplog.text.count("connections in a row") == 1
    assert "mqtt.prefix" in caplog.text


def test_waits_between_connections_that_fail_soon_grow() -> None:
    assert max(reconnect_delays(3)) <= 3
    assert min(reconnect_delays(6)) >= 8 * 0.3
    assert max(reconnect_delays(100)) <= 24


@pytest.mark.parametrize(("line", "cure"), [("retain_available false", "retain"), ("max_qos 0", "QoS 1")])
def test_a_mosquitto_without_retained_messages_or_qos_is_not_tried_for_ever(
    tmp_path: Path, line: str, cure: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker = MosquittoProcess(tmp_path, extra=line)
    broker.start()
    try:
        assert cure in error_of(broker.url)
        older = MqttSettings(url=broker.url, version="3.1.1")  # in which a broker can only hang up
        with Client(older, name="n", will=("darner/v1/n/status", b"offline")):
            wait_until(lambda: cure in caplog.text)
    finally:
        broker.kill()


def test_a_refusal_is_not_logged_as_bytes_that_are_no_mqtt(caplog: pytest.LogCaptureFixture) -> None:
    not_authorized = 0x87
    with ScriptedBroker(reason=not_authorized) as broker, Client(MqttSettings(url=broker.url), name="n"):
        wait_until(lambda: broker.connects >= 2)
    assert "Not authorized" in caplog.text
    assert "no MQTT" not in caplog.text
