"""What the subscriber opens, it closes, also when it cannot start."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.messages import encode
from tests.conftest import MosquittoProcess, wait_until
from tests.viewer_server.stored.test_history import event
from viewer_server.config import HistorySettings
from viewer_server.live.hub import Hub
from viewer_server.live.metrics import ViewerMetrics
from viewer_server.live.state import State
from viewer_server.mqtt.subscriber import Subscriber
from viewer_server.stored.history import History

NOWHERE = "mqtt://127.0.0.1:9"


def subscriber(history: History, url: str = NOWHERE) -> tuple[Subscriber, ViewerMetrics]:
    hub = Hub(State(topics.DEFAULT_PREFIX), 1, {})
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
        assert edge.wait_connected(10)
        with running:
            wait_until(lambda: metrics.broker_connected)
            edge.publish(topics.EVENTS, "darner/v1/n/camera/c/events", encode(event(1)))
            wait_until(lambda: b'messages_total{topic="events"} 1.0' in metrics.text())
    assert not history.is_open
    with History(settings) as again:
        assert not again.add(event(1)), "it is stored already"
