"""What a client makes of a broker's bytes: the same as paho does, and of those that break MQTT, an end."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import astuple

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from shared.errors import BrokerError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.link import route
from shared.mqtt.link.paho_client import PahoClient
from shared.mqtt.link.reading import LONGEST
from shared.mqtt.received import Received
from tests.bench.fleet import packets
from tests.conftest import wait_until
from tests.shared.mqtt.connections import CONNACK, accepted, take

CONNACK_3, WRONG_VERSION_3 = b"\x20\x02\x00\x00", b"\x20\x02\x00\x01"
HELLO = packets.packet(0x30, b"\x00\x01a\x00hello")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "reconnect_delays", lambda _short_lived=0: (0.01, 0.01))


def text(value: str | bytes) -> bytes:
    """A text or bytes, behind their length."""
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(data)) + data


def messages(count: int, *, v5: bool) -> list[bytes]:
    """PUBLISH packets with everything that they may have."""
    chance = random.Random(18)
    return [message(chance, v5=v5) for _ in range(count)]


def message(chance: random.Random, *, v5: bool) -> bytes:
    def word() -> str:
        return "".join(chance.choices('aB7/ -_{"\u00e4\u20ac\U0001f600', k=chance.randrange(1, 30)))

    qos = chance.randrange(2)
    body = text(word()) + (struct.pack("!H", chance.randrange(1, 65_536)) if qos else b"")
    if v5:
        singles = [
            bytes((0x01, chance.randrange(2))),
            struct.pack("!BI", 0x02, chance.randrange(2**32)),
            b"\x03" + text(word()),
            b"\x08" + text(word()),
            b"\x09" + text(chance.randbytes(chance.randrange(20))),
        ]
        properties = chance.sample(singles, chance.randrange(len(singles) + 1))
        properties += [packets.user(word(), word()) for _ in range(chance.randrange(4))]
        chance.shuffle(properties)
        body += packets.packet(0, b"".join(properties))[1:]  # their length, and they themselves
    flags = chance.choice((0, 1, 8, 9)) if qos else chance.choice((0, 1))
    return packets.packet(0x30 | qos << 1 | flags, body + chance.randbytes(chance.randrange(300)))


@pytest.fixture(scope="module")
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield server


def as_ours(message: paho.MQTTMessage) -> Received:
    """What paho has read."""
    of = message.properties
    return Received(
        message.topic,
        bytes(message.payload),
        message.qos,
        message.retain,
        dict(getattr(of, "UserProperty", ())),
        getattr(of, "ResponseTopic", None),
        getattr(of, "CorrelationData", None),
        getattr(of, "ContentType", None),
        getattr(of, "MessageExpiryInterval", None),
    )


def heard(client: paho.Client, listening: socket.socket, stream: bytes) -> bytes:
    """Let a client read this up to the end of its connection, and return how it has acknowledged."""
    client.connect("127.0.0.1", listening.getsockname()[1])
    broker, _ = listening.accept()
    with broker:
        assert broker.recv(4096)
        sending = threading.Thread(target=send, args=(broker, stream))
        sending.start()
        while client.loop_read(1_000_000) == MQTTErrorCode.MQTT_ERR_SUCCESS:
            client.loop_write()
        said = b""
        while more := broker.recv(65_536):
            said += more
        sending.join()
        return said


def send(broker: socket.socket, stream: bytes) -> None:
    broker.sendall(stream)
    broker.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("v5", [True, False], ids=["5", "3.1.1"])
def test_messages_and_acknowledgements_are_those_of_paho_itself(listening: socket.socket, v5: bool) -> None:
    protocol = paho.MQTTv5 if v5 else paho.MQTTv311
    theirs, ours = list[Received](), list[Received]()
    plain = paho.Client(CallbackAPIVersion.VERSION2, "plain", protocol=protocol)
    plain.on_message = lambda _client, _userdata, message: theirs.append(as_ours(message))
    own = PahoClient(CallbackAPIVersion.VERSION2, "own", protocol=protocol)
    own.take = ours.append
    sent = messages(1500, v5=v5)
    stream = (CONNACK if v5 else CONNACK_3) + b"".join(sent)
    acknowledged = heard(own, listening, stream)
    assert len(acknowledged) > 4 * 500
    assert acknowledged == heard(plain, listening, stream)
    own.release()
    assert len(ours) == len(sent)
    assert [astuple(one) for one in ours] == [astuple(one) for one in theirs]


@pytest.mark.parametrize(
    "said",
    [
        HELLO + CONNACK,
        b"\x90\x04\x00\x01\x00\x01" + CONNACK,
        CONNACK + HELLO + CONNACK,
        CONNACK + HELLO + packets.packet(0x36, b"\x00\x01a\x00\x01\x00at QoS 3"),
        CONNACK + HELLO + b"\x30\xff\xff\xff\xff\x01",
        CONNACK + HELLO + packets.packet(0xF0, b""),
        CONNACK + HELLO + packets.packet(0x90, b"\x00"),
    ],
    ids=["early", "early SUBACK", "second CONNACK", "QoS 3", "length", "AUTH", "cut"],
)
def test_a_broker_that_breaks_mqtt_loses_the_connection_and_may_try_again(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    refused = list[BrokerError]()
    with socket.create_server(("127.0.0.1", 0)) as broker:
        broker.settimeout(30)
        where = MqttSettings(url=f"mqtt://127.0.0.1:{broker.getsockname()[1]}")
        with Client(where, name="test", on_refused=refused.append) as client:
            with accepted(broker) as first:
                first.sendall(said)
                with suppress(ConnectionResetError):
                    while first.recv(4096):
                        pass
            with accepted(broker) as second:
                second.sendall(CONNACK + HELLO)
                expected = 1 + (said.startswith(CONNACK))
                assert [one.payload for one in take(client, expected)] == [b"hello"] * expected
    assert not refused
    assert "the broker sent bytes that are no MQTT (" in caplog.text


def test_a_message_at_qos_2_is_taken_once_and_acknowledged_as_that(listening: socket.socket) -> None:
    client = PahoClient(CallbackAPIVersion.VERSION2, "own", protocol=paho.MQTTv5)
    taken = list[Received]()
    client.take = taken.append
    stream = CONNACK + packets.packet(0x34, b"\x00\x01a\x01\x02\x00x") + b"\x62\x02\x01\x02"
    said = heard(client, listening, stream)
    client.release()
    assert [one.qos for one in taken] == [2]
    assert said == b"\x50\x02\x01\x02" + b"\x70\x02\x01\x02"  # PUBREC, PUBCOMP


def test_a_message_that_is_far_too_long_is_read_over_and_acknowledged(
    listening: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    client = PahoClient(CallbackAPIVersion.VERSION2, "own", protocol=paho.MQTTv5)
    taken = list[Received]()
    client.take = taken.append
    long = packets.packet(0x32, b"\x00\x04long\x00\x07\x00" + bytes(2 * LONGEST))
    text_of = packets.user("a", "x" * 60_000)
    properties = packets.packet(0, text_of * (2 * LONGEST // len(text_of)))[1:]
    odd = packets.packet(0x32, b"\x00\x03odd\x00\x08" + properties)
    said = heard(client, listening, CONNACK + long + long + odd + HELLO)
    client.release()
    assert [one.payload for one in taken] == [b"hello"]
    assert said == b"\x40\x02\x00\x07" * 2 + b"\x40\x02\x00\x08"
    skipped = "skipped a message of over 2000000 bytes"
    assert [line.getMessage() for line in caplog.records] == [f"'long': {skipped}", f"'odd': {skipped}"]


def test_a_client_that_was_refused_3_1_1_says_so_and_asks_for_it_again() -> None:
    refused = list[BrokerError]()
    broker = socket.create_server(("127.0.0.1", 0))
    where = broker.getsockname()
    settings = MqttSettings(url=f"mqtt://127.0.0.1:{where[1]}", version="3.1.1")
    with Client(settings, name="test", on_refused=refused.append) as client:
        with accepted(broker) as first:
            broker.close()  # who connected again at once would find nobody
            first.sendall(WRONG_VERSION_3)
            wait_until(lambda: refused)
        assert "Unsupported protocol version; set mqtt.version to '5'" in str(refused[0])
        with socket.create_server(where) as again:
            again.settimeout(30)
            second, _ = again.accept()
            with second:
                assert second.recv(4096)[2:9] == b"\x00\x04MQTT\x04"
                second.sendall(CONNACK_3)
                assert client.wait_connected(30)
