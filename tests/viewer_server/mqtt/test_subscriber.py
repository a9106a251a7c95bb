"""What the subscriber opens, it closes, also when it cannot start."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.messages import Ack, decode, encode, now_us
from shared.wire.topics import Topic
from tests.conftest import MosquittoProcess, wait_until
from tests.viewer_server import wire
from tests.viewer_server.stored.test_history import event
from viewer_server.config import HistorySettings, QuotaSettings
from viewer_server.live.hub import Hub
from viewer_server.live.metrics import ViewerMetrics
from viewer_server.live.nodes import SILENT_S
from viewer_server.live.state import State
from viewer_server.live.updates import content
from viewer_server.mqtt.subscriber import Subscriber
from viewer_server.quotas import Quotas
from viewer_server.stored.feed import Filter, page
from viewer_server.stored.history import History
from viewer_server.stored.reading import Database

NOWHERE = "mqtt://127.0.0.1:9"


def subscriber(
    history: History, url: str = NOWHERE, state: State | None = None
) -> tuple[Subscriber, ViewerMetrics]:
    hub = Hub(state or State(topics.DEFAULT_PREFIX), 1, {})
    metrics = ViewerMetrics(hub)
    return Subscriber(MqttSettings(url=url), hub, metrics, history, lambda _: None), metrics


def test_a_client_that_cannot_start_leaves_no_store_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Client) -> Client:
        raise OSError("no more threads")

    history = History(HistorySettings(path=str(tmp_path / "h.db")))
    failed, _ = subscriber(history)
    monkeypatch.setattr(Client, "__enter__", fail)
    with pytest.raises(OSError, match="no more threads"):
        failed.__enter__()
    assert not failed.alive
    assert not history.is_open


def test_events_that_have_arrived_are_stored_before_the_end(
    own_broker: MosquittoProcess, tmp_path: Path
) -> None:
    settings = HistorySettings(path=str(tmp_path / "h.db"))
    history = History(settings)
    running, metrics = subscriber(history, own_broker.url)
    with Client(MqttSettings(url=own_broker.url), name="edge") as edge:
        assert edge.wait_subscribed(30)
        with running:
            wait_until(lambda: metrics.broker_connected)
            edge.publish(topics.EVENTS, "darner/v1/n/camera/c/events", encode(event(1)))
            wait_until(lambda: b'messages_total{topic="events"} 1.0' in metrics.text())
    assert not history.is_open
    with History(settings) as again:
        assert not again.add(event(1)), "it is stored already"


def test_an_event_of_a_newer_node_is_shown_and_leaves_no_hole(
    own_broker: MosquittoProcess, tmp_path: Path
) -> None:
    settings = HistorySettings(path=str(tmp_path / "h.db"))
    running, metrics = subscriber(History(settings), own_broker.url)
    path = "darner/v1/n/camera/c/events"
    newer = orjson.loads(encode(event(2, zone="z"))) | {"type": "zone_emptied", "since": [7]}
    with Client(MqttSettings(url=own_broker.url), name="edge") as edge, running:
        edge.subscribe("darner/v1/n/ack/+", 1)
        assert edge.wait_subscribed(30)
        wait_until(lambda: metrics.broker_connected)
        for payload in (encode(event(1)), orjson.dumps(newer), encode(event(3))):
            edge.publish(topics.EVENTS, path, payload)
        acks = iter(edge.received)
        while decode(Ack, next(acks).payload).number < 3:
            continue
    reader = Database(Path(str(settings.file)))
    with reader.reading() as db:
        found, _ = page(db, Filter(zone="z"), 9)
        [(kept,)] = db.execute("SELECT payload FROM events WHERE number = 2").fetchall()
    assert [(one.type, one.zone, one.problem) for one in found] == [("zone_emptied", "z", None)]
    assert orjson.loads(kept) == newer, "a later version may know more"


def test_a_viewer_without_a_history_shows_events_once_and_acknowledges_none(
    own_broker: MosquittoProcess,
) -> None:
    running, metrics = subscriber(History(HistorySettings(path=None)), own_broker.url)
    assert not running.keeps_history
    with Client(MqttSettings(url=own_broker.url), name="edge") as edge, running:
        edge.subscribe("darner/v1/+/ack/+", 1)
        assert edge.wait_subscribed(30)
        wait_until(lambda: metrics.broker_connected)
        edge.publish(topics.SNAPSHOT, "darner/v1/n/camera/c/snapshot/1", b"a picture")
        for number in (1, 2, 1, 2, 3):
            edge.publish(topics.EVENTS, "darner/v1/n/camera/c/events", encode(event(number)))
        wait_until(lambda: b'messages_total{topic="events"} 5.0' in metrics.text())
        assert b"darner_viewer_events_repeated_total 2.0" in metrics.text()
        assert b'messages_total{topic="snapshot"}' not in metrics.text(), "nobody here would keep it"
        assert len(edge.received) == 0


def edge_messages(*messages: Received) -> Iterator[tuple[Topic, str, bytes]]:
    """For a client that publishes them."""
    for one in messages:
        found = topics.match(topics.DEFAULT_PREFIX, one.topic)
        assert found is not None
        yield found[0], one.topic, one.payload


def test_an_event_of_a_wrong_clock_is_shown_at_its_arrival(
    own_broker: MosquittoProcess, tmp_path: Path
) -> None:
    state = State(topics.DEFAULT_PREFIX)
    history = History(HistorySettings(path=str(tmp_path / "h.db")), quotas=state.quotas)
    running, metrics = subscriber(history, own_broker.url, state)
    with running, Client(MqttSettings(url=own_broker.url), name="edge") as edge:
        assert edge.wait_subscribed(30)
        wait_until(lambda: metrics.broker_connected)
        for topic, path, payload in edge_messages(wire.status(), wire.camera()):
            edge.set_state(topic, path, payload)
        wait_until(lambda: state.cameras == [("n", "c")])
        before = now_us()
        future = dataclasses.replace(event(1), occurred_us=2**52, captured_us=2**52)
        edge.publish(topics.EVENTS, "darner/v1/n/camera/c/events", encode(future))
        wait_until(lambda: [one for one in state.everything() if one.kind == "event"])
        [shown] = [one for one in state.everything() if one.kind == "event"]
        message = json.loads(bytes(content(shown.payload)))["message"]
        assert before - 1_000_000 <= message["occurred_us"] <= now_us()
        assert message["captured_us"] == message["occurred_us"]
    text = metrics.text().decode()
    assert 'darner_viewer_limit_reached_total{limit="clock",node="n"} 1.0' in text


def test_a_node_for_which_there_was_no_room_is_known_as_soon_as_there_is(
    own_broker: MosquittoProcess,
) -> None:
    now_s = 0.0
    state = State(topics.DEFAULT_PREFIX, Quotas(QuotaSettings(nodes=1)), lambda: now_s)
    running, metrics = subscriber(History(HistorySettings(path=None)), own_broker.url, state)
    with running, Client(MqttSettings(url=own_broker.url), name="edge") as edge:
        assert edge.wait_subscribed(30)
        wait_until(lambda: metrics.broker_connected)
        edge.set_state(*next(edge_messages(wire.status("first"))))
        wait_until(lambda: state.knows("first"))
        for topic, path, payload in edge_messages(wire.status("shop"), wire.camera(of="shop")):
            edge.set_state(topic, path, payload)
        wait_until(lambda: b'refused_total{topic="camera_status"} 1.0' in metrics.text())
        now_s += SILENT_S + 1
        topic, path, payload = next(edge_messages(wire.metrics("shop")))
        edge.publish(topic, path, payload)
        wait_until(lambda: state.nodes == {"shop"})
        wait_until(lambda: state.cameras == [("shop", "c")])


def test_pictures_of_tracks_are_stored_for_nodes_that_are_known(
    own_broker: MosquittoProcess, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = State(topics.DEFAULT_PREFIX)
    history = History(HistorySettings(path=str(tmp_path / "h.db")), quotas=state.quotas)
    running, metrics = subscriber(history, own_broker.url, state)
    with running, Client(MqttSettings(url=own_broker.url), name="edge") as edge:
        assert edge.wait_subscribed(30)
        wait_until(lambda: metrics.broker_connected)
        edge.set_state(*next(edge_messages(wire.status())))
        wait_until(lambda: state.knows("n"))
        for node in ("n", "invented"):
            path = topics.SNAPSHOT.path(topics.DEFAULT_PREFIX, node=node, camera="c", track="1")
            edge.publish(topics.SNAPSHOT, path, b"GIF89a")
        wait_until(lambda: b'messages_total{topic="snapshot"} 2.0' in metrics.text())
    assert "darner/v1/invented/camera/c/snapshot/1': skipped a message: its node has not" in caplog.text
    assert "darner/v1/n/camera/c/snapshot/1" not in caplog.text
