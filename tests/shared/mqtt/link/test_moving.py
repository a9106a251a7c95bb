"""A node and a viewer that know two brokers, of which one dies and then the other: nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from edge_node.config.settings import OutboxSettings
from edge_node.control.commands import Commands
from edge_node.control.inbox import Inbox
from edge_node.outbox.outbox import Outbox
from shared.asking.requests import NoAnswer
from shared.errors import BrokerError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.messages import CameraStatus, Event, NodeStatus, Request, encode, now_us
from tests.conftest import MosquittoProcess, wait_until
from tests.integration.test_outbox_chaos import expect_archives, stored
from tests.shared.mqtt.connections import connected, take
from viewer_server.config import HistorySettings
from viewer_server.live.hub import Hub
from viewer_server.live.metrics import ViewerMetrics
from viewer_server.live.state import State
from viewer_server.mqtt.subscriber import Subscriber
from viewer_server.stored.history import History

NODE, PREFIX = "box", topics.DEFAULT_PREFIX
STATUS = topics.STATUS.path(PREFIX, node=NODE)


class Node:
    """A node's own connection, outbox and commands."""

    def __init__(self, settings: MqttSettings, folder: Path, stack: ExitStack) -> None:
        self.made = 0
        self.client = stack.enter_context(Client(settings, name=NODE))
        outbox = OutboxSettings(path=str(folder / "outbox.db"), replay_per_s=1000)
        self._outbox = stack.enter_context(Outbox(self.client, outbox, NODE, PREFIX, "s"))
        commands = stack.enter_context(Commands(self.client, PREFIX, NODE, "s", {"detect": _detect}))
        taking = {topics.REQUEST: commands.accept, topics.ACK: self._outbox.acknowledged}
        Inbox(self.client, PREFIX, NODE, taking).start()
        common: dict[str, Any] = {"node": NODE, "session": "s", "published_us": now_us()}
        camera = CameraStatus(**common, camera="front", status="streaming", since_us=now_us())
        path = topics.CAMERA_STATUS.path(PREFIX, node=NODE, camera="front")
        self.client.set_state(topics.CAMERA_STATUS, path, encode(camera))
        self.client.set_state(
            topics.STATUS, STATUS, encode(NodeStatus(**common, status="online", version="1"))
        )

    def happen(self, count: int) -> None:
        for _ in range(count):
            self.made += 1
            event = Event(
                node=NODE,
                session="s",
                published_us=now_us(),
                camera="front",
                seq=self.made,
                captured_us=now_us(),
                event_id="",
                type="zone_entered",
                occurred_us=now_us(),
                label="person",
                track_id=self.made,
            )
            self._outbox.add(event)

    def delivered(self) -> bool:
        return not self._outbox.metrics().backlog


class Told(Hub):
    """Notes what it tells browsers of the broker."""

    at: str | None = None

    def broker(self, connected: bool, address: str | None) -> None:
        self.at = address
        super().broker(connected, address)

    def wait_at(self, url: str) -> None:
        wait_until(lambda: self.at == url)


def _detect(request: Request, image: bytes | None) -> dict[str, Any]:  # noqa: ARG001 - a command is called so
    return {}


def _refused(error: BrokerError) -> None:
    raise error


def _answers(viewer: Subscriber) -> bool:
    try:
        return viewer.requests.ask(NODE, "detect", {}, deadline_s=0.5).error is None
    except NoAnswer:
        time.sleep(0.05)
        return False


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[MosquittoProcess, MosquittoProcess]]:
    """Two brokers that know nothing of each other, and keep nothing when they die."""
    brokers = MosquittoProcess(tmp_path), MosquittoProcess(tmp_path)
    yield brokers
    for one in brokers:
        one.kill()


def test_events_state_and_commands_move_to_another_broker_and_back(
    two: tuple[MosquittoProcess, MosquittoProcess], tmp_path: Path
) -> None:
    there, other = two
    settings = MqttSettings(url=(there.url, other.url))
    expect_archives(tmp_path, "history")
    hub = Told(State(PREFIX), 1, {})
    history = History(HistorySettings(path=str(tmp_path / "history.db")))
    there.start()
    with ExitStack() as stack:
        viewer = stack.enter_context(Subscriber(settings, hub, ViewerMetrics(hub), history, _refused))
        node = Node(settings, tmp_path, stack)
        node.happen(40)
        wait_until(node.delivered)
        for _ in range(2):
            node.happen(40)  # some of these are in flight when the broker dies
            there.kill()
            node.happen(40)
            other.start()
            there, other = other, there
            wait_until(lambda: _answers(viewer))
            with connected(there.url) as reader:
                reader.subscribe(STATUS, 1)
                assert take(reader)[0].retain, "it was published again"
            wait_until(node.delivered)
            hub.wait_at(there.url)
    numbers = sorted(number for _, number in stored(tmp_path, "history"))
    assert numbers == list(range(1, node.made + 1)), "none is lost, and none is stored twice"
