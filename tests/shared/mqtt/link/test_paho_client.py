"""Messages that the publishing thread writes to the socket by itself, on a real broker."""

from __future__ import annotations

import socket
import threading

import paho.mqtt.client as paho
import pytest

from shared.mqtt.sending import TOGETHER, WINDOW
from shared.wire import topics
from tests.conftest import Mosquitto, wait_until
from tests.shared.mqtt.connections import CONNACK, accepted, connected, connecting, take

LARGE = 300_000
"""Bytes of a message that no socket takes at once."""


def test_a_message_does_not_wait_for_the_network_thread(broker: Mosquitto) -> None:
    topic = "darner/v1/direct/camera/c/detections"
    held, stuck = threading.Event(), threading.Event()

    def acknowledged(*_: object) -> None:
        stuck.set()
        held.wait(60)

    with connected(broker.url) as reader, connected(broker.url) as writer:
        reader.subscribe(topic)
        assert reader.wait_subscribed(30)
        writer.on_acknowledged.append(acknowledged)
        writer.send(topics.EVENTS, "darner/v1/direct/camera/c/events", b"x")
        assert stuck.wait(30)
        try:
            assert writer.publish(topics.DETECTIONS, topic, b"now")
            assert take(reader)[0].payload == b"now"
        finally:
            held.set()


def test_messages_of_several_threads_stay_whole_and_in_order(broker: Mosquitto) -> None:
    below = "darner/v1/direct"
    with connected(broker.url) as reader, connected(broker.url) as writer:
        reader.subscribe(f"{below}/#", 1)
        assert reader.wait_subscribed(30)

        def large() -> None:
            for number in range(12):
                assert writer.publish(topics.THUMBNAIL, f"{below}/large", bytes([number]) * LARGE)

        def small() -> None:
            for number in range(60):
                assert writer.publish(topics.DETECTIONS, f"{below}/small", bytes([number]))

        def events() -> None:
            for number in range(60):
                assert writer.send(topics.EVENTS, f"{below}/events", bytes([number])) is not None

        threads = [threading.Thread(target=work) for work in (large, small, events)]
        for thread in threads:
            thread.start()
        got = take(reader, 12 + 60 + 60)
        for thread in threads:
            thread.join()
    for name, size, count in (("large", LARGE, 12), ("small", 1, 60), ("events", 1, 60)):
        payloads = [one.payload for one in got if one.topic == f"{below}/{name}"]
        assert payloads == [bytes([number]) * size for number in range(count)]


def test_messages_that_are_published_together_are_written_at_once_and_in_order(broker: Mosquitto) -> None:
    topic = "darner/v1/direct/camera/c/detections"
    with connected(broker.url) as reader, connected(broker.url) as writer:
        reader.subscribe(topic, 1)
        assert reader.wait_subscribed(30)
        with writer.together():
            for number in range(TOGETHER):
                assert writer.publish(topics.DETECTIONS, topic, bytes([number]))
            assert writer.send(topics.EVENTS, topic, b"event") is not None
            assert take(reader)[0].payload == b"event", "only what may be lost is held"
        assert [one.payload for one in take(reader, TOGETHER)] == [bytes([n]) for n in range(TOGETHER)]


def test_large_messages_that_are_published_together_stay_whole(broker: Mosquitto) -> None:
    topic = "darner/v1/direct/camera/c/thumbnail"
    with connected(broker.url) as reader, connected(broker.url) as writer:
        reader.subscribe(topic, 1)
        assert reader.wait_subscribed(30)
        for turn in range(3):
            with writer.together():
                for number in range(TOGETHER):
                    assert writer.publish(topics.THUMBNAIL, topic, bytes([turn * 10 + number]) * LARGE)
        assert writer.flush(30)
        got = [one.payload for one in take(reader, 3 * TOGETHER)]
    assert got == [bytes([turn * 10 + number]) * LARGE for turn in range(3) for number in range(TOGETHER)]


def test_who_must_wait_for_room_writes_first_what_is_to_be_written_together(broker: Mosquitto) -> None:
    topic = "darner/v1/direct/camera/c/detections"
    with connected(broker.url) as reader, connected(broker.url) as writer:
        reader.subscribe(topic)
        assert reader.wait_subscribed(30)

        def publish() -> None:
            with writer.together():
                for number in range(2 * WINDOW):
                    writer.publish(topics.DETECTIONS, topic, bytes([number]))

        thread = threading.Thread(target=publish, daemon=True)
        thread.start()
        assert [one.payload for one in take(reader, 2 * WINDOW)] == [bytes([n]) for n in range(2 * WINDOW)]
        thread.join(30)
        assert not thread.is_alive()


def test_what_was_published_to_a_lost_connection_does_not_begin_the_next_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker, connecting(broker) as writer:
        first = accepted(broker)
        first.sendall(CONNACK)
        assert writer.wait_connected(30)
        with writer.together():
            assert writer.publish(topics.DETECTIONS, "darner/v1/direct", b"old")
            first.close()
            second = accepted(broker)
        second.settimeout(0.1)
        with pytest.raises(TimeoutError):
            second.recv(1)
        second.close()


def test_a_connection_that_is_cut_while_it_is_written_to_comes_back(broker: Mosquitto) -> None:
    topic = "darner/v1/direct/camera/c/thumbnail"
    with connected(broker.url) as writer:
        ended = threading.Event()

        def pictures() -> None:
            while not ended.is_set():
                with writer.together():
                    for _ in range(TOGETHER):
                        writer.publish(topics.THUMBNAIL, topic, bytes(LARGE))

        thread = threading.Thread(target=pictures)
        thread.start()
        try:
            writer.cut()
            wait_until(lambda: writer.connections == 2 and writer.connected)
        finally:
            ended.set()
            writer.hurry()
            thread.join(30)
        assert not thread.is_alive()


def test_a_reader_that_waits_for_room_lets_the_broker_know_that_it_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = threading.Event()
    clock, ahead_s = paho.time_func, 0.0
    monkeypatch.setattr(paho, "time_func", lambda: clock() + ahead_s)

    def wait(_: object) -> None:
        nonlocal ahead_s
        while not heard.wait(0.01):
            ahead_s += 5.0  # far beyond the time after which a silent client is dead
            client.still_here()

    with socket.create_server(("127.0.0.1", 0)) as broker:
        client = connecting(broker, sink=wait)
        with client:
            connection = accepted(broker)
            connection.sendall(CONNACK)
            assert client.wait_connected(30)
            connection.sendall(b"\x32\x08\x00\x01t\x00\x07\x00xy")  # at QoS 1, number 7
            written = b""
            while b"\xc0\x00" not in written:
                written += connection.recv(100)
            heard.set()
            while b"\x40\x02\x00\x07" not in written:  # only now: it has been taken
                more = connection.recv(100)
                assert more, "the connection was ended"
                written += more
            assert client.connections == 1
            connection.close()
