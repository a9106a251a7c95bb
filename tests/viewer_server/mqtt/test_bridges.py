"""A node and a viewer on two brokers, with a real bridge between them that changes topics and properties."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.picture_names import without_name
from tests.conftest import MosquittoProcess, free_port
from tests.shared.asking.test_requests import JPEG, asking, node
from tests.viewer_server.fake_edge import FakeEdge, picture_of
from viewer_server.config import HistorySettings
from viewer_server.live.state import State
from viewer_server.live.updates import jpeg_of
from viewer_server.stored.snapshots import SnapshotStore, picture

SITE = "site1/darner/v1"
PLAIN = "darner/v1"


@dataclass
class Bridged:
    """The node's side and the viewer's."""

    edge: str
    edge_prefix: str
    central: str
    prefix: str
    keeps_properties: bool


@pytest.fixture(
    params=[
        (version, site) for version in ("mqttv311", "mqttv50") for site in ("at the viewer", "at the node")
    ],
    ids=" ".join,
)
def bridged(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bridged]:
    version, site = request.param
    at_viewer = site == "at the viewer"
    central = MosquittoProcess(tmp_path)
    lines = (
        "connection up",
        f"address 127.0.0.1:{central.port}",
        f"bridge_protocol_version {version}",
        "restart_timeout 1",
        f"topic {PLAIN}/# both 1 " + ('"" site1/' if at_viewer else "site1/"),
    )
    edge = MosquittoProcess(tmp_path, free_port(), extra="\n".join(lines))
    central.start()
    edge.start()
    prefixes = (PLAIN, SITE) if at_viewer else (SITE, PLAIN)
    yield Bridged(edge.url, prefixes[0], central.url, prefixes[1], version == "mqttv50")
    edge.kill()
    central.kill()


def test_commands_pictures_and_snapshots_come_over_a_bridge(bridged: Bridged, tmp_path: Path) -> None:
    settings = MqttSettings(url=bridged.central, prefix=bridged.prefix)
    history = HistorySettings(path=str(tmp_path / "history.db"))
    with (
        Client(settings, name="viewer") as viewer,
        FakeEdge(bridged.edge, node="shop", prefix=bridged.edge_prefix) as edge,
        node(bridged.edge, bridged.edge_prefix, "shop", "5"),
        asking(bridged.central, bridged.prefix, "5") as requests,
    ):
        viewer.subscribe(f"{bridged.prefix}/shop/#", 1)
        edge.announce("yard")
        came = {viewer.received.get(30).topic for _ in range(3)}  # the bridge is there
        assert f"{bridged.prefix}/shop/info" in came

        assert requests.ask("shop", "detect", {"confidence": 0.5}, JPEG).result == {
            "image": len(JPEG),
            "confidence": 0.5,
        }
        assert requests.ask("shop", "set", {}).error == "no"

        state = State(bridged.prefix)
        for row in (topics.STATUS, topics.CAMERA_STATUS):
            state.apply(retained(settings, row.path(bridged.prefix, node="shop", camera="yard")))
        edge.detections("yard", 1)
        edge.picture("yard", 1, commented=True)
        snapshot = topics.SNAPSHOT.path(bridged.edge_prefix, node="shop", camera="yard", track="4")
        edge.client.publish(topics.SNAPSHOT, snapshot, picture_of(4), user_properties={"session": "s1"})
        frames = []
        with SnapshotStore(history) as store:
            while True:
                received = viewer.received.get(30)
                found = topics.match(bridged.prefix, received.topic)
                assert found is not None
                row, ids = found
                if row in (topics.DETECTIONS, topics.THUMBNAIL):
                    frames += state.apply(received)
                elif row is topics.SNAPSHOT:
                    store.add(ids, received, "s1")
                    break
            assert [without_name(jpeg_of(frame.payload)) for frame in frames] == [picture_of(1)]
            assert (state.joined, state.unnamed) == (1, 0), "with properties or without"
    with closing(sqlite3.connect(str(history.snapshots_file))) as db:
        assert picture(db, "shop", "yard", 4, "s1") == picture_of(4)


def retained(settings: MqttSettings, path: str) -> Received:
    """What the broker retains on a topic."""
    with Client(settings, name="late") as late:
        late.subscribe(path, 1)
        return late.received.get(30)
