"""Subscriptions: when they hold, and what the broker answers to them."""

from __future__ import annotations

import re
import threading

import pytest

from shared.mqtt import subscriptions
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from tests.conftest import REPO, Mosquitto, MosquittoProcess, wait_until
from tests.shared.mqtt.connections import connected, take
from tests.shared.mqtt.scripted import ScriptedBroker

EVENTS = "darner/v1/n/camera/c/events"


def test_subscribed_is_said_when_the_broker_has_answered_and_not_before() -> None:
    with ScriptedBroker(suback_s=0.3) as broker, connected(broker.url) as client:
        assert client.wait_subscribed(1), "there is nothing to wait for"
        client.subscribe("darner/v1/#", 1)
        client.subscribe("elsewhere/#", 1)
        assert client.connected
        assert not client.subscribed
        assert not client.wait_subscribed(0.05)
        assert client.wait_subscribed(30)
        assert client.subscribed


def test_after_a_reconnect_it_is_said_anew() -> None:
    with ScriptedBroker(suback_s=0.2) as broker, connected(broker.url) as client:
        client.subscribe("darner/v1/#", 1)
        assert client.wait_subscribed(30)
        broker.hang_up()
        wait_until(lambda: not client.connected)
        assert not client.subscribed
        wait_until(lambda: client.connected)
        assert not client.subscribed
        assert client.wait_subscribed(30)


def test_a_subscription_that_the_broker_refuses_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedBroker(granted=0x87) as broker, connected(broker.url) as client:
        client.subscribe("darner/v1/#", 1)
        assert client.wait_subscribed(30)
        broker.hang_up()
        wait_until(lambda: client.connections == 2)
        assert client.wait_subscribed(30)
    assert caplog.text.count("refused the subscription to darner/v1/#: Not authorized") == 1


def test_a_refused_subscription_is_asked_for_again_until_it_is_granted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriptions, "AGAIN_S", 0.01)
    with ScriptedBroker(granted=0x80) as broker, connected(broker.url) as client:
        client.subscribe("darner/v1/#", 1)
        wait_until(lambda: broker.subscribes >= 3)
        broker.granted = 1
        asked = broker.subscribes
        wait_until(lambda: broker.subscribes > asked)
        assert client.wait_subscribed(30)
        broker.granted = 0x80
        client.subscribe("elsewhere/#", 1)
        wait_until(lambda: broker.subscribes >= asked + 3)
        client.unsubscribe("elsewhere/#")
    wait_until(lambda: not [one for one in threading.enumerate() if isinstance(one, threading.Timer)])


@pytest.mark.parametrize(("most", "asked"), [(1, 1), (0, 0)])
def test_no_more_than_the_wanted_quality_of_service_is_asked_for(most: int, asked: int) -> None:
    with ScriptedBroker() as broker:
        settings = MqttSettings(url=broker.url, subscribe_qos=most)
        with Client(settings, name="reader") as client:
            client.subscribe("darner/v1/#", 1)
            assert client.wait_subscribed(30)
        assert broker.asked_qos == asked


def test_what_is_no_longer_wanted_does_not_come_also_after_a_reconnect(own_broker: MosquittoProcess) -> None:
    with connected(own_broker.url) as reader, connected(own_broker.url) as writer:
        reader.subscribe("darner/v1/#", 1)
        reader.subscribe("end", 1)
        assert reader.wait_subscribed(30)
        reader.unsubscribe("darner/v1/#")
        reader.cut()
        wait_until(lambda: reader.connections == 2)
        assert reader.wait_subscribed(30)
        assert writer.publish(topics.EVENTS, EVENTS, b"x")
        assert writer.publish(topics.EVENTS, "end", b"x")
        assert take(reader)[0].topic == "end"


def test_many_filters_at_once_all_hold_also_after_a_reconnect(own_broker: MosquittoProcess) -> None:
    wanted = [f"many/{number}" for number in range(20)]
    with connected(own_broker.url) as reader, connected(own_broker.url) as writer:
        reader.subscribe(wanted)
        reader.unsubscribe(wanted[10:12])
        reader.cut()
        wait_until(lambda: reader.connections == 2)
        assert reader.wait_subscribed(30)
        for topic in wanted:
            assert writer.publish(topics.EVENTS, topic, b"x")
        heard = [reader.received.get(30).topic for _ in range(18)]
    assert heard == wanted[:10] + wanted[12:]


def test_what_is_published_after_subscribed_comes(broker: Mosquitto) -> None:
    for _ in range(20):
        with connected(broker.url) as reader, connected(broker.url) as writer:
            reader.subscribe(EVENTS)
            assert reader.wait_subscribed(30)
            assert writer.publish(topics.DETECTIONS, EVENTS, b"once, at QoS 0")
            assert take(reader)[0].payload == b"once, at QoS 0"


def test_no_test_takes_connected_for_subscribed() -> None:
    found = {}
    for file in (REPO / "tests").rglob("*.py"):
        text = file.read_text()
        subscribing = set(re.findall(r"([\w.]+)\.subscribe\(", text))
        if taken := subscribing & set(re.findall(r"([\w.]+)\.wait_connected\(", text)):
            found[file.name] = taken
    assert not found, "a message published now may come too early: use wait_subscribed()"
