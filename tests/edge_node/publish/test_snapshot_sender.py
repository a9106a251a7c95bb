"""Snapshots wait for the broker: bounded, newest first to stay, and none is lost without being counted."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_node.publish import snapshot_sender as module
from edge_node.publish.snapshot_sender import Pictures
from shared.mqtt.client import Client, MqttSettings
from tests.conftest import MosquittoProcess, wait_until


def path(track: int) -> str:
    return f"darner/v1/n/camera/c/snapshot/{track}"


def about(seq: int) -> dict[str, str]:
    return {"seq": str(seq)}


@contextmanager
def sending(broker: MosquittoProcess) -> Iterator[tuple[Client, Pictures]]:
    with Client(MqttSettings(url=broker.url), name="edge") as client, Pictures(client) as pictures:
        yield client, pictures


@contextmanager
def receiving(broker: MosquittoProcess) -> Iterator[Client]:
    with Client(MqttSettings(url=broker.url), name="reader") as reader:
        reader.subscribe("darner/v1/#", 1)
        yield reader


def test_pictures_of_an_outage_come_after_it_with_what_they_show(own_broker: MosquittoProcess) -> None:
    with sending(own_broker) as (client, pictures), receiving(own_broker) as reader:
        assert client.wait_connected(10)
        own_broker.kill()
        wait_until(lambda: not client.connected and not reader.connected)
        for track in (1, 2, 3):
            pictures.offer(path(track), b"worse", about(track))
        pictures.offer(path(2), b"better", about(20))
        assert pictures.metrics().waiting == 3
        own_broker.start()
        came: dict[str, tuple[bytes, str, bool]] = {}
        while len(came) < 3:
            received = reader.received.get(10)
            came[received.topic] = received.payload, received.user_properties["seq"], received.retain
        # The reader may have them before their sender has the broker's word for it.
        wait_until(lambda: not pictures.metrics().waiting)
    assert came == {
        path(1): (b"worse", "1", False),
        path(2): (b"better", "20", False),
        path(3): (b"worse", "3", False),
    }
    assert pictures.metrics().dropped == {}, "a view that a better one replaced is no loss"


def test_what_the_broker_had_not_acknowledged_when_it_died_is_sent_again(
    own_broker: MosquittoProcess,
) -> None:
    with sending(own_broker) as (client, pictures), receiving(own_broker) as reader:
        assert client.wait_connected(10)
        assert own_broker._process is not None
        os.kill(own_broker._process.pid, signal.SIGSTOP)
        for track in range(10):
            pictures.offer(path(track), b"jpeg", about(track))
        wait_until(lambda: len(pictures._in_flight) == module.IN_FLIGHT)
        own_broker.kill()
        wait_until(lambda: not client.connected and not reader.connected)
        own_broker.start()
        came: set[str] = set()
        while len(came) < 10:
            came.add(reader.received.get(10).topic)
        assert pictures.drain(5)


@pytest.mark.parametrize(
    ("size", "kept"),
    [
        pytest.param(10, module.MAX_WAITING, id="too many"),
        pytest.param(module.MAX_BYTES // 10, 10, id="too large together"),
    ],
)
def test_where_there_is_no_room_the_newest_stay_and_the_others_are_counted(size: int, kept: int) -> None:
    pictures = Pictures(Client(MqttSettings(), name="never connected"))
    for track in range(200):
        pictures.offer(path(track), bytes(size), about(track))
    metrics = pictures.metrics()
    assert (metrics.waiting, metrics.bytes, metrics.dropped) == (kept, kept * size, {"no_room": 200 - kept})
    assert list(pictures._waiting) == [path(track) for track in range(200 - kept, 200)]
    assert not pictures.drain(0.1)


def test_a_picture_that_the_broker_does_not_take_is_counted_and_holds_up_no_other(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text(f"topic readwrite {path(3)}\n")
    rules.chmod(0o644)
    tmp_path.chmod(0o755)
    strict = MosquittoProcess(tmp_path, extra=f"acl_file {rules}\nmax_packet_size 5000")
    strict.start()
    with sending(strict) as (client, pictures), receiving(strict) as reader:
        assert client.wait_connected(10)
        wait_until(lambda: reader.connected)
        pictures.offer(path(1), bytes(9000), about(1))
        pictures.offer(path(2), b"refused", about(2))
        pictures.offer(path(3), b"taken", about(3))
        assert reader.received.get(10).payload == b"taken"
        assert pictures.drain(5)
        assert pictures.metrics().dropped == {"too_large": 1, "refused": 1}
        assert client.dropped["refused"] == 1
    strict.kill()
