"""The client against a real Mosquitto, one test for each trap it is there to avoid."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import MAX_WAITING, Client
from shared.mqtt.link.connection import CLOSE_WITHIN_S, CUT_WITHIN_S
from shared.mqtt.received import Received
from shared.mqtt.sending import WINDOW
from shared.wire import topics
from tests.conftest import Mosquitto, MosquittoProcess, free_port, wait_until
from tests.shared.mqtt.connections import connected, take

STATUS = "darner/v1/n/status"
DETECTIONS = "darner/v1/n/camera/c/detections"
EVENTS = "darner/v1/n/camera/c/events"
THUMBNAIL = "darner/v1/n/camera/c/thumbnail"


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_message_arrives_with_its_properties(broker: Mosquitto, version: str) -> None:
    topic = f"darner/v1/n{version.replace('.', '')}/camera/c/thumbnail"
    with connected(broker.url, version=version) as reader, connected(broker.url, version=version) as writer:
        reader.subscribe(topic)
        assert reader.wait_subscribed(30)
        assert writer.publish(topics.THUMBNAIL, topic, b"jpeg", user_properties={"seq": "4"})
        (got,) = take(reader)
    assert (got.topic, got.payload, got.retain) == (topic, b"jpeg", False)
    assert got.user_properties == ({"seq": "4"} if version == "5" else {})


def test_what_is_asked_for_while_the_connection_comes_up_is_not_forgotten(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe = paho.Client.subscribe

    def slowly(client: paho.Client, *asked: Any, **more: Any) -> Any:
        answer = subscribe(client, *asked, **more)
        time.sleep(0.2)
        return answer

    monkeypatch.setattr(paho.Client, "subscribe", slowly)
    topic = "darner/v1/between/status"
    with Client(MqttSettings(url=broker.url), name="test") as client:
        client.subscribe("darner/v1/other/status", 1)
        time.sleep(0.1)
        client.subscribe(topic, 1)
        client.set_state(topics.STATUS, topic, b"now")
        assert take(client)[0].payload == b"now"


def test_the_will_speaks_when_the_client_vanishes(broker: Mosquitto) -> None:
    topic = "darner/v1/gone/status"
    with connected(broker.url) as reader:
        reader.subscribe(topic, 1)
        assert reader.wait_subscribed(30)
        with Client(MqttSettings(url=broker.url), name="doomed", will=(topic, b"offline")) as doomed:
            assert doomed.wait_connected(30)
            doomed.cut()
            assert take(reader)[0].payload == b"offline"


def test_the_broker_may_come_later_than_we(tmp_path: Path) -> None:
    late = MosquittoProcess(tmp_path, free_port())
    with Client(MqttSettings(url=late.url), name="early") as client:
        assert not client.wait_subscribed(0.5)
        late.start()
        assert client.wait_subscribed(30)
    late.kill()


def test_while_disconnected_messages_are_dropped_and_counted_and_nothing_is_sent_late(
    broker: Mosquitto,
) -> None:
    with connected(broker.url) as writer, connected(broker.url) as reader:
        reader.subscribe(EVENTS, 1)
        assert reader.wait_subscribed(30)
        writer.cut()
        wait_until(lambda: not writer.connected)
        assert not writer.publish(topics.DETECTIONS, DETECTIONS, b"lost")
        assert not writer.publish(topics.EVENTS, EVENTS, b"lost")
        assert writer.send(topics.EVENTS, EVENTS, b"lost") is None
        assert writer.dropped == {"detections": 1, "events": 1}
        wait_until(lambda: writer.publish(topics.EVENTS, EVENTS, b"later"))
        assert take(reader)[0].payload == b"later"


def test_a_hung_broker_holds_back_the_sender_and_not_the_memory(own_broker: MosquittoProcess) -> None:
    with connected(own_broker.url) as writer:
        own_broker.pause()
        sent = 0

        def flood() -> None:
            nonlocal sent
            while writer.publish(topics.THUMBNAIL, THUMBNAIL, bytes(1_000_000)):
                sent += 1

        thread = threading.Thread(target=flood)
        thread.start()
        thread.join(1.5)
        stuck_at = sent
        assert thread.is_alive(), "the sender waits"
        # What the kernel's buffers take, and the window; not what the sender would like.
        assert stuck_at <= WINDOW + 12
        own_broker.resume()
        wait_until(lambda: sent > stuck_at)
        own_broker.kill()
        thread.join(30)
        assert not thread.is_alive()
        assert writer.dropped["thumbnail"] == 1


@pytest.mark.timing
def test_a_client_ends_in_time_on_a_network_that_takes_nothing(own_broker: MosquittoProcess) -> None:
    """Also one that was waiting for room: `hurry` is for a program that is to end."""
    with Client(MqttSettings(url=own_broker.url), name="test") as writer:
        assert writer.wait_connected(30)
        own_broker.pause()

        def flood() -> None:
            while writer.publish(topics.THUMBNAIL, THUMBNAIL, bytes(1_000_000)):
                pass

        thread = threading.Thread(target=flood)
        thread.start()
        thread.join(1.0)
        assert thread.is_alive(), "it waits"
        begin = time.monotonic()
        writer.hurry()
        thread.join(1.0)
        assert not thread.is_alive()
    assert time.monotonic() - begin < 1.0 + CLOSE_WITHIN_S + 0.5
    own_broker.resume()


@pytest.mark.timing
def test_a_client_ends_in_time_while_a_name_server_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Event(), threading.Event()

    def look_up(*_: object, **__: object) -> list[Any]:
        asked.set()
        answer.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with Client(MqttSettings(url="mqtt://broker.example:1883"), name="test"):
        assert asked.wait(30)
        begin = time.monotonic()
    took_s = time.monotonic() - begin
    answer.set()
    assert took_s < CLOSE_WITHIN_S + CUT_WITHIN_S + 0.5


def test_a_payload_over_the_brokers_limit_is_refused_before_it_cuts_the_connection(tmp_path: Path) -> None:
    small = MosquittoProcess(tmp_path, extra="max_packet_size 2000")
    small.start()
    with connected(small.url) as writer, connected(small.url) as reader:
        reader.subscribe("darner/v1/#", 1)
        assert not writer.publish(topics.EVENTS, EVENTS, bytes(2000))
        writer.set_state(topics.STATUS, STATUS, bytes(2000))
        assert writer.dropped == {"events": 1, "status": 1}
        time.sleep(0.2)
        assert writer.publish(topics.EVENTS, EVENTS, b"fits")
        assert take(reader)[0].payload == b"fits"
    small.kill()


def test_what_paho_raises_or_we_do_in_a_callback_does_not_end_the_connection(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = "darner/v1/raises/status"
    with connected(broker.url) as reader, connected(broker.url) as writer:
        reader.subscribe(topic, 1)
        assert reader.wait_subscribed(30)
        take_in = reader.received.put_newest

        def fail(received: Received, key: str = "") -> None:
            if received.payload == b"bad":
                raise RuntimeError("a fault of ours")
            take_in(received, key)

        monkeypatch.setattr(reader.received, "put_newest", fail)
        for payload in (b"bad", b"good"):
            wait_until(lambda: writer.publish(topics.EVENTS, topic, payload))  # noqa: B023 - called at once
        assert take(reader)[0].payload == b"good"


def test_a_publish_that_the_access_control_denies_is_told_and_counted(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic readwrite allowed/#\n")
    rules.chmod(0o644)
    tmp_path.chmod(0o755)
    strict = MosquittoProcess(tmp_path, extra=f"acl_file {rules}")
    strict.start()
    answers: dict[int, bool] = {}
    with connected(strict.url) as writer:
        writer.on_acknowledged.append(lambda number, taken: answers.__setitem__(number, taken))
        numbers = [writer.send(topics.EVENTS, path, b"x") for path in ("allowed/a", "denied/a")]
        wait_until(lambda: len(answers) == 2)
        assert [answers[number or 0] for number in numbers] == [True, False]
        assert writer.dropped == {"refused": 1}
    strict.kill()


def test_only_what_the_broker_acknowledges_is_reported(broker: Mosquitto) -> None:
    """paho would call back for each QoS 0 message that it has written, which costs more than writing it."""
    with connected(broker.url) as client:
        answered: list[int] = []
        client.on_acknowledged.append(lambda number, _: answered.append(number))
        sent = []
        for _ in range(50):
            assert client.publish(topics.DETECTIONS, DETECTIONS, b"{}")
            sent.append(client.send(topics.EVENTS, EVENTS, b"{}"))
        assert client.flush(30)
        wait_until(lambda: len(answered) >= len(sent))
    assert answered == sent


def test_messages_of_one_topic_keep_their_properties(broker: Mosquitto) -> None:
    topic = "darner/v1/alike/camera/c/detections"
    with connected(broker.url) as reader, connected(broker.url) as writer:
        reader.subscribe(topic)
        assert reader.wait_subscribed(30)
        for _ in range(3):
            assert writer.publish(topics.DETECTIONS, topic, b"{}")
        got = take(reader, 3)
    assert {(one.content_type, one.expiry_s) for one in got} == {
        ("application/json", topics.DETECTIONS.expiry_s)
    }


def test_publishing_and_being_acknowledged_at_the_same_time_does_not_lock_up(broker: Mosquitto) -> None:
    """A lock of ours that is held around paho's publish and taken in its callback would."""
    with connected(broker.url) as client:
        answered: list[int] = []
        client.on_acknowledged.append(lambda number, _: answered.append(number))
        sent: list[int] = []

        def states() -> None:
            for number in range(1000):
                client.set_state(topics.STATUS, f"busy/{number % 7}", b"x")

        def events() -> None:
            while len(sent) < 500:
                number = client.send(topics.EVENTS, EVENTS, b"x")
                sent.extend([] if number is None else [number])

        def pictures() -> None:
            for _ in range(500):
                client.publish(topics.THUMBNAIL, THUMBNAIL, bytes(1000))

        threads = [threading.Thread(target=work, daemon=True) for work in (states, events, pictures)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        wait_until(lambda: set(sent) <= set(answered))


def test_messages_that_a_reader_fails_to_take_are_bounded_and_the_oldest_are_dropped(
    broker: Mosquitto,
) -> None:
    with connected(broker.url) as reader, connected(broker.url) as writer:
        reader.subscribe(DETECTIONS)
        assert reader.wait_subscribed(30)
        for number in range(MAX_WAITING + 1000):
            assert writer.publish(topics.DETECTIONS, DETECTIONS, str(number).encode())
        wait_until(lambda: sum(reader.received.dropped.values()) == 1000)
        assert len(reader.received) == MAX_WAITING
        assert take(reader)[0].payload == b"1000"
