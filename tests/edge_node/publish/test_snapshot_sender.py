"""Snapshots wait for the broker: bounded, newest first to stay, and none is lost without being counted."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_node.publish import snapshot_sender as module
from edge_node.publish.snapshot_sender import SnapshotSender
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from tests.conftest import MosquittoProcess, wait_until


def path(track: int) -> str:
    return f"darner/v1/n/camera/c/snapshot/{track}"


def about(seq: int) -> dict[str, str]:
    return {"seq": str(seq)}


class Clock:
    """Stands still until it is told to go on; then it goes on whenever it is read."""

    now_s = 100.0
    step_s = 0.0

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


@contextmanager
def sending(
    broker: MosquittoProcess, clock: Callable[[], float] = time.monotonic
) -> Iterator[tuple[Client, SnapshotSender]]:
    with (
        Client(MqttSettings(url=broker.url), name="edge") as client,
        SnapshotSender(client, clock) as snapshots,
    ):
        yield client, snapshots


@contextmanager
def receiving(broker: MosquittoProcess) -> Iterator[Client]:
    with Client(MqttSettings(url=broker.url), name="reader") as reader:
        reader.subscribe("darner/v1/#", 1)
        yield reader


def test_snapshots_of_an_outage_come_when_the_brokers_other_clients_are_back(
    own_broker: MosquittoProcess,
) -> None:
    clock = Clock()
    with sending(own_broker, clock) as (client, snapshots), receiving(own_broker) as reader:
        assert client.wait_connected(30)
        own_broker.kill()
        wait_until(lambda: not client.connected and not reader.connected)
        for track in (1, 2, 3):
            snapshots.offer(path(track), b"worse", about(track))
        snapshots.offer(path(2), b"better", about(20))
        assert snapshots.metrics().waiting == 3
        own_broker.start()
        wait_until(lambda: client.connected and reader.subscribed)
        assert snapshots.in_flight == 0, "the reader might have been the slower one"
        clock.step_s = module.SETTLE_S
        came: dict[str, tuple[bytes, str, bool]] = {}
        while len(came) < 3:
            received = reader.received.get(30)
            came[received.topic] = received.payload, received.user_properties["seq"], received.retain
        # The reader may have them before their sender has the broker's word for it.
        wait_until(lambda: not snapshots.metrics().waiting)
    assert came == {
        path(1): (b"worse", "1", False),
        path(2): (b"better", "20", False),
        path(3): (b"worse", "3", False),
    }
    assert snapshots.metrics().dropped == {}, "a view that a better one replaced is no loss"


def test_a_farewell_does_not_wait_for_the_brokers_other_clients(own_broker: MosquittoProcess) -> None:
    with sending(own_broker, Clock()) as (client, snapshots):
        assert client.wait_connected(30)
        own_broker.kill()
        wait_until(lambda: not client.connected)
        snapshots.offer(path(1), b"jpeg", about(1))
        assert not snapshots.drain(0.1), "there is no broker"
        own_broker.start()
        wait_until(lambda: client.connected)
        assert snapshots.drain(30), "the clock stands still, so the time to settle never passes"


def test_what_the_broker_had_not_acknowledged_when_it_died_is_sent_again(
    own_broker: MosquittoProcess,
) -> None:
    clock = Clock()
    with sending(own_broker, clock) as (client, snapshots), receiving(own_broker) as reader:
        assert client.wait_connected(30)
        os.kill(own_broker.pid, signal.SIGSTOP)
        for track in range(10):
            snapshots.offer(path(track), b"jpeg", about(track))
        wait_until(lambda: snapshots.in_flight == module.IN_FLIGHT)
        own_broker.kill()
        wait_until(lambda: not client.connected and not reader.connected)
        own_broker.start()
        wait_until(lambda: client.connected and reader.subscribed and not snapshots.in_flight)
        clock.step_s = module.SETTLE_S
        came: set[str] = set()
        while len(came) < 10:
            came.add(reader.received.get(30).topic)
        assert snapshots.drain(30)


@pytest.mark.parametrize(
    ("size", "kept"),
    [
        pytest.param(10, module.MAX_WAITING, id="too many"),
        pytest.param(module.MAX_BYTES // 10, 10, id="too large together"),
    ],
)
def test_where_there_is_no_room_the_newest_stay_and_the_others_are_counted(
    own_broker: MosquittoProcess, size: int, kept: int
) -> None:
    clock = Clock()
    with sending(own_broker, clock) as (client, snapshots), receiving(own_broker) as reader:
        assert client.wait_connected(30)
        assert reader.wait_subscribed(30)
        own_broker.kill()
        wait_until(lambda: not client.connected and not reader.connected)
        for track in range(200):
            snapshots.offer(path(track), bytes(size), about(track))
        metrics = snapshots.metrics()
        assert (metrics.waiting, metrics.bytes) == (kept, kept * size)
        assert metrics.dropped == {"no_room": 200 - kept}
        own_broker.start()
        wait_until(lambda: client.connected and reader.subscribed)
        clock.step_s = module.SETTLE_S
        came = {reader.received.get(30).topic for _ in range(kept)}
    assert came == {path(track) for track in range(200 - kept, 200)}


def test_a_snapshot_that_the_broker_does_not_take_is_counted_and_holds_up_no_other(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text(f"topic readwrite {path(3)}\n")
    rules.chmod(0o644)
    tmp_path.chmod(0o755)
    strict = MosquittoProcess(tmp_path, extra=f"acl_file {rules}\nmax_packet_size 5000")
    strict.start()
    with sending(strict) as (client, snapshots), receiving(strict) as reader:
        assert client.wait_connected(30)
        assert reader.wait_subscribed(30)
        snapshots.offer(path(1), bytes(9000), about(1))
        snapshots.offer(path(2), b"refused", about(2))
        snapshots.offer(path(3), b"taken", about(3))
        assert reader.received.get(30).payload == b"taken"
        assert snapshots.drain(30)
        assert snapshots.metrics().dropped == {"too_large": 1, "refused": 1}
        assert client.dropped["refused"] == 1
    strict.kill()
