"""Finished tracks on their way to a real broker: with their picture, and none lost without a count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from edge_node.analytics.happenings import Happening
from edge_node.config.live import LiveStore
from edge_node.config.settings import EdgeConfig
from edge_node.outbox.outbox import Outbox
from edge_node.publish import track_sender
from edge_node.publish.compose import Composer
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from edge_node.publish.track_sender import TrackSender
from shared.mqtt.client import Client
from shared.settings import convert
from shared.wire import messages, topics
from shared.wire.messages import Track
from tests.conftest import Mosquitto, free_port
from tests.edge_node.consolidate.test_consolidation import items
from tests.edge_node.scenes import CLASSES, Actor, clock, stand, walk

ACTORS = [Actor(1, walk((0.0, 0.1, 0.5), (2.0, 0.5, 0.5))), Actor(2, stand(0.3, 0.5), class_id=1)]


class Running(NamedTuple):
    publisher: Publisher
    reader: Client


@contextmanager
def running(folder: Path, url: str) -> Iterator[Running]:
    given = {
        "node": "box",
        "mqtt": {"url": url},
        "outbox": {"path": str(folder / "outbox.db")},
        "cameras": {"street": {"source": "0", "tracks": {"enabled": True}}},
    }
    config = convert(EdgeConfig, given, where="test")
    with (
        Client(config.mqtt, name="reader") as reader,
        Client(config.mqtt, name="edge") as client,
        Outbox(client, config.outbox, "box", config.mqtt.prefix, "s") as outbox,
        SnapshotSender(client) as snapshots,
    ):
        composer = Composer("box", "s", CLASSES)
        publisher = Publisher(client, outbox, snapshots, config, LiveStore(config), composer)
        with publisher.tracks:
            for row in (topics.TRACK, topics.SNAPSHOT):
                reader.subscribe(row.filter(config.mqtt.prefix), 1)
            yield Running(publisher, reader)


def test_a_track_comes_with_the_topic_of_its_picture_when_it_ends_and_at_the_farewell(
    tmp_path: Path, broker: Mosquitto
) -> None:
    with running(tmp_path, broker.url) as (publisher, reader):
        assert reader.wait_subscribed(30)
        for item in items(ACTORS, clock(10, 4)):
            publisher.publish_all([item])
        publisher.farewell()
        came = [reader.received.get(30) for _ in range(4)]
    tracks = [messages.decode(Track, one.payload) for one in came if one.topic.endswith("/track")]
    pictures = {one.topic for one in came if not one.topic.endswith("/track")}
    assert [(one.track_id, one.label, one.ended) for one in tracks] == [
        (1, "person", "lost"),
        (2, "car", "node_stopped"),
    ]
    assert {one.snapshot for one in tracks} == pictures
    given_up_us = tracks[0].captured_us - tracks[0].ended_us
    assert given_up_us == pytest.approx(1.0e6, abs=0.2e6), "the tracker waits that long"
    assert (came[-1].qos, came[-1].retain) == (1, False)


def test_a_camera_that_came_to_its_end_before_the_node_says_so(tmp_path: Path, broker: Mosquitto) -> None:
    with running(tmp_path, broker.url) as (publisher, reader):
        assert reader.wait_subscribed(30)
        for item in items(ACTORS[1:], clock(10, 1)):
            publisher.publish_all([item])
        publisher.source_ended("street")
        publisher.farewell()
        found = [reader.received.get(30) for _ in range(2)]
    (track,) = (messages.decode(Track, one.payload) for one in found if one.topic.endswith("/track"))
    assert track.ended == "camera_stopped"


def test_while_the_broker_is_away_the_newest_wait_and_the_others_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track_sender, "MAX_WAITING", 3)
    with running(tmp_path, f"mqtt://127.0.0.1:{free_port()}") as (publisher, _):
        for item in items([Actor(n, stand(0.1 * n, 0.5, 0.0, 1.0)) for n in range(1, 6)], clock(10, 3)):
            publisher.publish_all([item])
        assert publisher.tracks.waiting[0] == 3
        assert publisher.tracks.dropped == {"no_room": 2}


def test_a_happening_of_an_unknown_track_costs_nothing(tmp_path: Path) -> None:
    with running(tmp_path, f"mqtt://127.0.0.1:{free_port()}") as (publisher, _):
        (item,) = items([], [0.0])
        item.report.happenings.append(Happening(type="track_ended", occurred_s=0.0, track_id=9, class_id=0))
        publisher.publish_all([item])
        assert publisher.tracks.waiting == (0, 0)


def test_nothing_starts_a_thread_before_the_first_track() -> None:
    with TrackSender(Client(convert(EdgeConfig, {}, where="test").mqtt, name="x")) as sender:
        assert sender.look() is None
