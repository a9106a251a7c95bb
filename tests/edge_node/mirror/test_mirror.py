"""ONVIF's messages on a real broker: what is retained, what is taken back, and what is never sent."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jsonschema
import orjson
import pytest

from edge_node.analytics.happenings import Happening
from edge_node.config.publishing import OnvifSettings
from edge_node.config.settings import EdgeConfig
from edge_node.mirror.mirror import Mirror
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.settings import convert
from shared.wire import topics
from tests.conftest import Mosquitto, wait_until
from tests.edge_node.consolidate.test_consolidation import items
from tests.edge_node.mirror.test_rules import ACROSS, LINES, ZONES
from tests.edge_node.onvif.shapes import EVENT, EVENT_TOPIC, SCENE, SCENE_TOPIC
from tests.edge_node.scenes import CLASSES, Actor, clock, stand

INSIDE = "box/onvif-ej/RuleEngine/FieldDetector/ObjectsInside/&street/yard"
MOVED = "box/onvif-ej/VideoSource/GlobalSceneChange/AnalyticsService/&street"


def config(url: str = "mqtt://127.0.0.1:9", **onvif: Any) -> EdgeConfig:
    given = {"node": "box", "mqtt": {"url": url}, "cameras": {"street": {"source": "0"}}, "onvif": onvif}
    return convert(EdgeConfig, given, where="test")


@contextmanager
def mirroring(broker: Mosquitto, **onvif: Any) -> Iterator[tuple[Mirror, Client, Client]]:
    settings = config(broker.url, **onvif)
    with (
        Client(settings.mqtt, name="reader") as reader,
        Client(settings.mqtt, name="edge") as client,
        Mirror(client, settings, CLASSES) as mirror,
    ):
        reader.subscribe(f"{settings.onvif.prefix or 'box'}/#", 1, as_published=True)
        assert reader.wait_subscribed(30)
        assert client.wait_connected(30)
        yield mirror, client, reader


def heard(reader: Client, last: str) -> list[Received]:
    """What came, up to a message whose topic ends so."""
    came: list[Received] = []
    while not came or not came[-1].topic.endswith(last):
        came.append(reader.received.get(30))
    return came


def test_events_come_as_onvif_writes_them_and_properties_stay_until_the_farewell(broker: Mosquitto) -> None:
    with mirroring(broker, events=True) as (mirror, _, reader):
        mirror.judge("street", frozenset())
        for item in items([Actor(7, ACROSS)], clock(10, 14), ZONES, LINES):
            mirror.offer(item)
            mirror.judge("street", frozenset(["moved"]))
        mirror.farewell()
        came = [reader.received.get(30)]
        while {one.topic for one in came if one.retain} != {one.topic for one in came if not one.payload}:
            came.append(reader.received.get(30))
    for one in came:
        assert re.fullmatch(EVENT_TOPIC, one.topic)
        assert one.qos == 1
        if one.payload:
            jsonschema.validate(orjson.loads(one.payload), EVENT)
    kept = {one.topic.split("/")[4] for one in came if one.retain}
    assert kept == {
        "ObjectsInside",
        "ObjectIsLoitering",
        "Counter",
        "OccupancyCounter",
        "AnalyticsService",
    }
    changed = [orjson.loads(one.payload)["Data"] for one in came if one.topic == MOVED and one.payload]
    assert changed == [{"State": False}, {"State": True}]
    assert {one.topic.split("/")[4] for one in came if not one.retain} == {"Crossed", "Object"}
    inside = [orjson.loads(one.payload)["Data"] for one in came if one.topic == INSIDE and one.payload]
    assert [one["IsInside"] for one in inside] == [False, True, False]


def test_scenes_are_one_message_for_a_frame_at_no_more_than_the_asked_rate(broker: Mosquitto) -> None:
    with mirroring(broker, frames=True, fps=2.0, prefix="MyDevice") as (mirror, _, reader):
        for item in items([Actor(7, stand(0.5, 0.5, 0.0, 1.0)), Actor(8, stand(0.2, 0.5))], clock(10, 3)):
            mirror.offer(item)
            wait_until(lambda: not len(mirror.waiting))
        scenes: list[dict[str, Any]] = []
        while not scenes or "ObjectTree" not in scenes[-1]:
            received = reader.received.get(30)
            assert re.fullmatch(SCENE_TOPIC, received.topic)
            assert received.topic == "MyDevice/onvif-mj/VideoAnalytics/street/Darner"
            assert (received.qos, received.retain) == (0, False)
            said = orjson.loads(received.payload)
            jsonschema.validate(said, SCENE)
            scenes.append(said["Frame"][0])
    assert 3 <= len(scenes) <= 6
    assert [one["@ObjectId"] for one in scenes[0]["Object"]] == [7, 8]
    assert scenes[-1]["ObjectTree"] == {"Delete": [{"@ObjectId": 7}]}


def test_ids_that_end_between_two_scenes_are_named_in_the_next() -> None:
    mirror = Mirror(Client(config().mqtt, name="x"), config(frames=True, fps=1.0), CLASSES)
    frames = list(items([Actor(1, stand(0.5, 0.5))], clock(10, 1)))
    ended = [Happening(type="track_ended", occurred_s=0.0, track_id=9, class_id=0)]
    linked = Happening(type="track_linked", occurred_s=0.0, track_id=1, class_id=0, linked_track_id=9)
    for item in frames[1:4]:
        item.report.happenings.extend([*ended, linked, linked] if item is frames[2] else [])
        mirror.offer(item)
    (content,) = orjson.loads(mirror.compose(frames[4]))["Frame"]
    assert content["ObjectTree"] == {
        "Rename": [{"from": {"@ObjectId": 9}, "to": {"@ObjectId": 1}}],
        "Delete": [{"@ObjectId": 9}],
    }
    assert "ObjectTree" not in orjson.loads(mirror.compose(frames[5]))["Frame"][0]


def test_an_empty_scene_is_said_once_a_second() -> None:
    client = Client(config().mqtt, name="x")
    mirror = Mirror(client, config(frames=True, fps=10.0), CLASSES)
    taken = 0
    for item in items([], clock(10, 3)):
        mirror.offer(item)
        taken += len(mirror.waiting)
        while len(mirror.waiting):
            mirror.waiting.get()
    assert 3 <= taken + client.dropped[topics.ONVIF_SCENE.name] <= 4


def test_it_is_off_by_default_and_switched_while_the_node_runs(broker: Mosquitto) -> None:
    frames = list(items([Actor(1, stand(0.5, 0.5))], clock(10, 3), ZONES))
    with mirroring(broker) as (mirror, client, reader):
        mirror.offer(frames[0])
        mirror.conclude(frames[0])
        assert (mirror.look(), len(mirror.waiting), client.state_waiting) == (None, 0, 0)
        mirror.reconfigure(OnvifSettings(events=True, classes={"person": "Worker"}))
        for item in frames[1:5]:
            mirror.offer(item)
        came = {one.topic: orjson.loads(one.payload)["Data"] for one in heard(reader, "Objects")}
        assert came[INSIDE] == {"IsInside": True, "ObjectId": "1", "ClassTypes": "Worker"}
        mirror.reconfigure(OnvifSettings())
        mirror.offer(frames[6])
        wait_until(lambda: reader.received.get(30).payload == b"")


def test_what_a_killed_run_left_is_cleared_and_what_is_true_now_stays(broker: Mosquitto) -> None:
    old = INSIDE.replace("yard", "former")
    with Client(config(broker.url).mqtt, name="former run") as before:
        before.set_state(topics.ONVIF_PROPERTY, old, b'{"Data": {"IsInside": true}}')
        assert before.wait_connected(30)
        assert before.finish(30)
        before.abandon()
    with mirroring(broker, events=True) as (mirror, client, _):
        for item in items([Actor(1, stand(0.5, 0.5))], clock(10, 1), ZONES):
            mirror.offer(item)
        while (received := client.received.get(30)).topic != old:
            mirror.handle(received)
        mirror.handle(received)
        assert client.finish(30)
        with Client(config(broker.url).mqtt, name="late") as late:
            late.subscribe("box/#", 1)
            kept = {late.received.get(30).topic for _ in range(2)}
        mirror.farewell()
        assert client.finish(30)
    assert kept == {
        INSIDE,
        INSIDE.replace("FieldDetector/ObjectsInside", "CountAggregation/OccupancyCounter"),
    }


def test_below_a_prefix_that_nodes_share_the_cameras_of_others_are_left_alone(broker: Mosquitto) -> None:
    below = "site/onvif-ej/RuleEngine/FieldDetector/ObjectsInside/"
    own, other = f"{below}&street/former", f"{below}&gate/yard"
    of_picture = MOVED.replace("box/", "site/")
    with Client(config(broker.url).mqtt, name="others") as before:
        for path in (other, own, of_picture):
            before.set_state(topics.ONVIF_PROPERTY, path, b'{"Data": {"IsInside": true}}')
        assert before.wait_connected(30)
        assert before.finish(30)
        before.abandon()
    with mirroring(broker, events=True, prefix="site") as (mirror, client, _):
        mirror.offer(next(iter(items([Actor(1, stand(0.5, 0.5))], clock(10, 1)))))
        for _ in range(3):
            mirror.handle(client.received.get(30))
        assert client.finish(30)
        with Client(config(broker.url).mqtt, name="late") as late:
            late.subscribe("site/#", 1)
            assert late.received.get(30).topic == other
            assert late.wait_subscribed(30)
            assert not len(late.received)
        client.set_state(topics.ONVIF_PROPERTY, other, b"")
        assert client.finish(30)


def test_a_fault_in_it_costs_a_frame_for_onvif_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    mirror = Mirror(Client(config().mqtt, name="x"), config(events=True), CLASSES[:1])
    for item in items([Actor(1, stand(0.5, 0.5), class_id=2)], clock(10, 1), ZONES):
        mirror.offer(item)
    assert [one.getMessage() for one in caplog.records] == [
        "camera street: a frame was left out for ONVIF (said once)"
    ]


def test_a_prefix_that_would_change_the_topic_is_refused() -> None:
    for wrong in ("a/b", "", "+", "#", "a b"):
        with pytest.raises(Exception, match="prefix"):
            config(prefix=wrong)
    assert dataclasses.asdict(OnvifSettings())["prefix"] is None
