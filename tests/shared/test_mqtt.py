"""The client against a real Mosquitto, one test for each trap it is there to avoid."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from shared import mqtt, topics
from shared.errors import BrokerError, ConfigError
from shared.mqtt import Client, MqttSettings, Received
from tests.conftest import Mosquitto, MosquittoProcess, free_port, wait_until

STATUS = "darner/v1/n/status"
DETECTIONS = "darner/v1/n/camera/c/detections"
EVENTS = "darner/v1/n/camera/c/events"
THUMBNAIL = "darner/v1/n/camera/c/thumbnail"


@contextmanager
def connected(url: str, **options: object) -> Iterator[Client]:
    with Client(MqttSettings(url=url, **options), name="test") as client:  # type: ignore[arg-type]  # settings by name
        assert client.wait_connected(10)
        yield client


def cut(client: Client) -> None:
    """What a lost network looks like to both ends: the connection ends without a word of MQTT."""
    sock = client._paho.socket()
    assert isinstance(sock, socket.socket)
    sock.shutdown(socket.SHUT_RDWR)


def take(client: Client, count: int = 1, timeout: float = 10.0) -> list[Received]:
    return [client.received.get(timeout) for _ in range(count)]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_message_arrives_with_its_properties(broker: Mosquitto, version: str) -> None:
    topic = f"darner/v1/n{version.replace('.', '')}/camera/c/thumbnail"
    with connected(broker.url, version=version) as reader, connected(broker.url, version=version) as writer:
        reader.subscribe(topic)
        time.sleep(0.2)  # the SUBACK is not reported; QoS 0 before it would be nobody's
        assert writer.publish(topics.THUMBNAIL, topic, b"jpeg", user_properties={"seq": "4"})
        (got,) = take(reader)
    assert (got.topic, got.payload, got.retain) == (topic, b"jpeg", False)
    assert got.user_properties == ({"seq": "4"} if version == "5" else {})


def test_state_is_there_for_a_late_subscriber_and_is_cleared_by_an_empty_one(broker: Mosquitto) -> None:
    topic = "darner/v1/late/status"
    with connected(broker.url) as writer, connected(broker.url) as reader:
        writer.set_state(topics.STATUS, topic, b"1")
        assert writer.finish(5)
        reader.subscribe(topic, 1)
        assert [(got.payload, got.retain) for got in take(reader)] == [(b"1", True)]
        writer.set_state(topics.STATUS, topic, b"")
        assert take(reader)[0].payload == b""


def test_what_is_asked_for_while_the_connection_comes_up_is_not_forgotten(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe = Client._subscribe

    def slowly(self: Client, topic_filter: str, qos: int, as_published: bool) -> None:
        subscribe(self, topic_filter, qos, as_published)
        time.sleep(0.2)

    monkeypatch.setattr(Client, "_subscribe", slowly)
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
        time.sleep(0.2)
        with Client(MqttSettings(url=broker.url), name="doomed", will=(topic, b"offline")) as doomed:
            assert doomed.wait_connected(10)
            cut(doomed)
            assert take(reader)[0].payload == b"offline"


def test_a_broker_that_lost_everything_is_refilled_and_subscribed_again(own_broker: MosquittoProcess) -> None:
    with connected(own_broker.url) as writer, connected(own_broker.url) as reader:
        writer.set_state(topics.STATUS, STATUS, b"online")
        reader.subscribe("darner/v1/#", 1)
        assert take(reader)[0].payload == b"online"
        assert writer.finish(5)  # what is not acknowledged yet would be sent again, before the newer one
        own_broker.kill()
        wait_until(lambda: not writer.connected and not reader.connected)
        writer.set_state(topics.STATUS, STATUS, b"newer")  # while nobody is there
        own_broker.start()
        returned = time.monotonic()
        assert take(reader)[0].payload == b"newer"
        assert time.monotonic() - returned < 5


def test_state_set_while_connecting_is_neither_lost_nor_overtaken(broker: Mosquitto) -> None:
    paths = [f"race/{n}" for n in range(20)]
    with connected(broker.url) as reader, Client(MqttSettings(url=broker.url), name="racer") as racer:
        for number in range(40):  # before, during and after the connection is made
            for path in paths:
                racer.set_state(topics.STATUS, path, str(number).encode())
        assert racer.wait_connected(10)
        assert racer.finish(10)
        reader.subscribe("race/+", 1)
        newest = {got.topic: got.payload for got in take(reader, len(paths))}
    assert newest == dict.fromkeys(paths, b"39")


def test_the_broker_may_come_later_than_we(tmp_path: Path) -> None:
    late = MosquittoProcess(tmp_path, free_port())
    with Client(MqttSettings(url=late.url), name="early") as client:
        assert not client.wait_connected(0.5)
        late.start()
        assert client.wait_connected(10)
    late.kill()


def test_while_disconnected_messages_are_dropped_and_counted_and_nothing_is_sent_late(
    broker: Mosquitto,
) -> None:
    with connected(broker.url) as writer, connected(broker.url) as reader:
        reader.subscribe(EVENTS, 1)
        cut(writer)
        wait_until(lambda: not writer.connected)
        assert not writer.publish(topics.DETECTIONS, DETECTIONS, b"lost")
        assert not writer.publish(topics.EVENTS, EVENTS, b"lost")
        assert writer.send(topics.EVENTS, EVENTS, b"lost") is None
        assert writer.dropped == {"detections": 1, "events": 1}
        wait_until(lambda: writer.publish(topics.EVENTS, EVENTS, b"later"))
        assert take(reader)[0].payload == b"later"


def test_a_hung_broker_holds_back_the_sender_and_not_the_memory(own_broker: MosquittoProcess) -> None:
    assert own_broker._process is not None
    with connected(own_broker.url) as writer:
        os.kill(own_broker._process.pid, signal.SIGSTOP)
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
        assert stuck_at <= mqtt.WINDOW + 12
        os.kill(own_broker._process.pid, signal.SIGCONT)
        wait_until(lambda: sent > stuck_at)
        own_broker.kill()
        thread.join(15)
        assert not thread.is_alive()
        assert writer.dropped["thumbnail"] == 1


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


def test_a_wrong_password_is_one_error_that_names_the_settings(tmp_path: Path) -> None:
    nobody = tmp_path / "passwords"
    nobody.write_text("")
    nobody.chmod(0o644)
    tmp_path.chmod(0o755)
    strict = MosquittoProcess(tmp_path, extra=f"password_file {nobody}")
    strict._config.write_text(strict._config.read_text().replace("anonymous true", "anonymous false"))
    strict.start()
    errors: list[BrokerError] = []
    refused = threading.Event()

    def on_refused(error: BrokerError) -> None:
        errors.append(error)
        refused.set()

    settings = MqttSettings(url=strict.url, username="u", password="p")
    with Client(settings, name="stranger", on_refused=on_refused):
        assert refused.wait(10)
    strict.kill()
    assert "mqtt.password" in str(errors[0])


def test_nothing_a_reader_fails_to_take_grows_for_ever(broker: Mosquitto) -> None:
    with connected(broker.url) as reader:
        for number in range(3000):
            reader._on_message(reader._paho, None, _message(number))
        assert len(reader.received) == 2000
        assert sum(reader.received.dropped.values()) == 1000
        assert take(reader)[0].payload == b"1000"


def _message(number: int) -> paho.MQTTMessage:
    message = paho.MQTTMessage(topic=b"t")
    message.payload = str(number).encode()
    return message


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(MqttSettings(password="secret"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://box", ("box", 1883, False)),
        ("mqtts://box", ("box", 8883, True)),
        ("mqtt://[::1]:1884", ("::1", 1884, False)),
    ],
)
def test_urls_that_work(url: str, expected: tuple[str, int, bool]) -> None:
    assert mqtt.parse_url(url) == expected


@pytest.mark.parametrize(
    "url", ["box", "http://box", "mqtt://", "mqtt://box:x", "mqtt://u:p@box", "mqtt://box/path"]
)
def test_urls_that_do_not_are_config_errors(url: str) -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.url"):
        mqtt.parse_url(url)


def test_a_missing_password_file_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="password_file"):
        mqtt.read_password(MqttSettings(password_file="/nowhere"))
