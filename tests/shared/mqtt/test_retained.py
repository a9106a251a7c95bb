"""Retained state against a real Mosquitto: what is there in the end is the newest of each topic."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.mqtt import retained
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.link import connection
from shared.wire import topics
from tests.conftest import Mosquitto, MosquittoProcess, wait_until
from tests.shared.mqtt.connections import connected, take

STATUS = "darner/v1/n/status"


def test_state_is_there_for_a_late_subscriber_and_is_cleared_by_an_empty_one(broker: Mosquitto) -> None:
    topic = "darner/v1/late/status"
    with connected(broker.url) as writer, connected(broker.url) as reader:
        writer.set_state(topics.STATUS, topic, b"1")
        assert writer.finish(30)
        reader.subscribe(topic, 1)
        assert [(got.payload, got.retain) for got in take(reader)] == [(b"1", True)]
        writer.set_state(topics.STATUS, topic, b"")
        assert take(reader)[0].payload == b""


@pytest.mark.timing
def test_a_broker_that_lost_everything_is_refilled_and_subscribed_again(own_broker: MosquittoProcess) -> None:
    with connected(own_broker.url) as writer, connected(own_broker.url) as reader:
        writer.set_state(topics.STATUS, STATUS, b"online")
        reader.subscribe("darner/v1/#", 1)
        assert take(reader)[0].payload == b"online"
        assert writer.finish(30)  # what is not acknowledged yet would be sent again, before the newer one
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
        assert racer.wait_connected(30)
        assert racer.finish(30)
        reader.subscribe("race/+", 1)
        newest = {got.topic: got.payload for got in take(reader, len(paths))}
    assert newest == dict.fromkeys(paths, b"39")


def test_of_state_that_the_network_does_not_take_only_the_newest_is_kept(
    own_broker: MosquittoProcess,
) -> None:
    paths = [f"darner/v1/n/camera/c/zone/z{number}" for number in range(200)]
    with connected(own_broker.url) as writer:
        writer.set_state(topics.STATUS, STATUS, b"online")
        assert writer.finish(30)
        own_broker.pause()
        for path in paths:
            writer.set_state(topics.ZONE, path, b"0")
        assert writer.state_waiting == len(paths) - retained.STATE_WINDOW
        for round_ in range(1, 5):
            for path in paths:
                writer.set_state(topics.ZONE, path, b"%d" % round_)
        writer.set_state(topics.STATUS, STATUS, b"goes first")
        assert writer.state_waiting == len(paths), "the newest of each zone, and not the status"
        own_broker.resume()
        assert writer.finish(30)
        with connected(own_broker.url) as late:
            late.subscribe("darner/v1/n/#", 1)
            held = {got.topic: got.payload for got in take(late, 201)}
    assert held == {**dict.fromkeys(paths, b"4"), STATUS: b"goes first"}


def test_a_status_never_overtakes_the_state_for_which_it_vouches(own_broker: MosquittoProcess) -> None:
    paths = [f"darner/v1/n/camera/c/zone/z{number}" for number in range(150)]
    street, yard = "darner/v1/n/camera/c/status", "darner/v1/n/camera/d/status"

    def came(reader: Client) -> list[tuple[str, bytes]]:
        return [(got.topic.rpartition("/")[2], got.payload) for got in take(reader, 153)]

    with connected(own_broker.url) as reader, connected(own_broker.url) as writer:
        reader.subscribe("darner/v1/n/#", 1)
        assert reader.wait_subscribed(30)
        own_broker.pause()
        writer.set_state(topics.CAMERA_STATUS, street, b"starting")
        writer.set_state(topics.CAMERA_STATUS, yard, b"starting")
        writer.set_state(topics.STATUS, STATUS, b"online")
        for path in paths:
            writer.set_state(topics.ZONE, path, b"1")
        writer.set_state(topics.CAMERA_STATUS, street, b"streaming")
        own_broker.resume()
        first = [(got.topic, got.payload) for got in take(reader, 154)]
        assert first[:3] == [(street, b"starting"), (yard, b"starting"), (STATUS, b"online")]
        assert first[3:] == [*((path, b"1") for path in paths), (street, b"streaming")]
        own_broker.kill()
        wait_until(lambda: not writer.connected)
        writer.set_state(topics.ZONE, paths[0], b"2")
        own_broker.start()
        again = came(reader)
    assert again[:150] == [("z0", b"2"), *((f"z{number}", b"1") for number in range(1, 150))]
    assert sorted(again[150:152]) == [("status", b"starting"), ("status", b"streaming")]
    assert again[152] == ("status", b"online"), "a new connection begins with what the statuses vouch for"


def test_the_first_status_of_a_connection_waits_for_room_and_later_ones_do_not(
    own_broker: MosquittoProcess,
) -> None:
    with connected(own_broker.url) as writer:
        own_broker.pause()
        for number in range(retained.STATE_WINDOW + 5):
            writer.set_state(topics.ZONE, f"darner/v1/n/camera/c/zone/z{number}", b"1")
        writer.set_state(topics.STATUS, STATUS, b"online")
        assert writer.state_waiting == 6, "five zones, and the status behind them"
        own_broker.resume()
        assert writer.finish(30)
        own_broker.pause()
        for number in range(retained.STATE_WINDOW + 5):
            writer.set_state(topics.ZONE, f"darner/v1/n/camera/c/zone/z{number}", b"2")
        writer.set_state(topics.STATUS, STATUS, b"online, but late")
        assert writer.state_waiting == 5
        own_broker.resume()
        assert writer.finish(30)


def test_state_is_published_again_only_on_a_connection(own_broker: MosquittoProcess) -> None:
    zone = "darner/v1/n/camera/c/zone/z"
    with connected(own_broker.url) as writer, connected(own_broker.url) as reader:
        writer.set_state(topics.ZONE, zone, b"1")
        assert writer.finish(30)
        reader.subscribe(zone, 1)
        assert take(reader)[0].payload == b"1"
        writer.refresh(zone)
        assert take(reader)[0].payload == b"1", "once more, though nothing has changed"
        own_broker.kill()
        wait_until(lambda: not writer.connected and not reader.connected)
        writer.refresh(zone)  # paho would keep it, and send it before what is newer
        writer.set_state(topics.ZONE, zone, b"2")
        own_broker.start()
        assert take(reader)[0].payload == b"2"


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[MosquittoProcess]:
    """A broker that queues more for a subscriber than the 1,000 messages of its default."""
    process = MosquittoProcess(tmp_path, extra="max_queued_messages 0")
    process.start()
    yield process
    process.kill()


def test_state_that_finds_the_queue_full_is_published_as_soon_as_there_is_room(
    roomy: MosquittoProcess,
) -> None:
    paths = [f"full/{number}" for number in range(connection.MAX_QUEUED + 300)]
    with connected(roomy.url) as writer:
        roomy.pause()
        for path in paths:
            writer.set_state(topics.STATUS, path, b"old")
        assert writer.state_waiting == 300
        writer.set_state(topics.STATUS, paths[-1], b"new")
        roomy.resume()
        assert writer.finish(30)
        assert writer.state_waiting == 0
        with connected(roomy.url) as reader:
            reader.subscribe("full/#", 1)
            came = {got.topic: got.payload for got in take(reader, len(paths))}
    assert came == dict.fromkeys(paths, b"old") | {paths[-1]: b"new"}


def test_more_state_than_the_queue_holds_is_all_there_after_a_reconnect(roomy: MosquittoProcess) -> None:
    paths = [f"many/{number}" for number in range(connection.MAX_QUEUED + 300)]
    with connected(roomy.url) as writer:
        for path in paths:
            writer.set_state(topics.STATUS, path, b"1")
        assert writer.finish(30)
        roomy.kill()
        wait_until(lambda: not writer.connected)
        roomy.start()
        assert writer.wait_connected(30)
        assert writer.finish(30)
        with connected(roomy.url) as reader:
            reader.subscribe("many/#", 1)
            assert {got.topic for got in take(reader, len(paths))} == set(paths)


@pytest.mark.timing
def test_an_archive_of_a_fleet_is_not_held_to_the_window_of_one_attempt(broker: Mosquitto) -> None:
    """3,000 acknowledgements, one for each node; at 64 in 50 ms they would take 2.3 s."""
    with connected(broker.url) as writer:
        began = time.monotonic()
        for number in range(3000):
            writer.set_state(topics.ACK, f"darner/v1/n{number}/ack/v", b"{}")
        assert writer.finish(30)
        assert time.monotonic() - began < 2.0
