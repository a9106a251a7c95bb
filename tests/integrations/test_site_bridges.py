"""examples/fleet/site-bridge.conf: two sites, each with a broker of its own, and one in the centre."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_node.control.identity import holder
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.messages import Ack, encode, now_us
from shared.wire.picture_names import frame_of
from tests.conftest import REPO, MosquittoProcess, free_port, wait_until
from tests.shared.asking.test_requests import asking, node
from tests.viewer_server.fake_edge import FakeEdge

PREFIX = topics.DEFAULT_PREFIX
EXAMPLE = REPO / "examples" / "fleet" / "site-bridge.conf"


@dataclass
class Sites:
    """The addresses of the brokers."""

    centre: MosquittoProcess
    sites: tuple[MosquittoProcess, MosquittoProcess]


@pytest.fixture(params=["mqttv50", "mqttv311"])
def brokers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sites]:
    (tmp_path / "centre").mkdir()
    centre = MosquittoProcess(tmp_path / "centre")
    centre.start()
    sites = []
    for name in ("site1", "site2"):
        text = EXAMPLE.read_text()
        for pattern, value in (
            (r"^address .*", f"address 127.0.0.1:{centre.port}"),
            (r"^remote_clientid .*", f"remote_clientid {name}"),
            (r"^bridge_protocol_version .*", f"bridge_protocol_version {request.param}"),
        ):
            text, count = re.subn(pattern, value, text, flags=re.MULTILINE)
            assert count == 1, pattern
        (tmp_path / name).mkdir()
        sites.append(MosquittoProcess(tmp_path / name, free_port(), extra=text))
        sites[-1].start()
    yield Sites(centre, (sites[0], sites[1]))
    for one in (*sites, centre):
        one.kill()


def test_the_centre_sees_and_asks_every_node_and_sites_see_nothing_of_each_other(brokers: Sites) -> None:
    centre = MqttSettings(url=brokers.centre.url)
    first, second = (MqttSettings(url=one.url) for one in brokers.sites)
    with (
        Client(centre, name="everything") as hears,
        Client(second, name="stranger") as stranger,
        Client(first, name="own") as own,
        FakeEdge(first.urls[0], node="shop", prefix=PREFIX) as edge,
        node(first.urls[0], PREFIX, "shop", "5"),
        asking(brokers.centre.url, PREFIX, "5") as requests,
    ):
        hears.subscribe(f"{PREFIX}/shop/camera/#", 1)
        stranger.subscribe(f"{PREFIX}/shop/#", 1)
        own.subscribe(f"{PREFIX}/shop/ack/#", 1)
        edge.announce("yard")
        heard: dict[str, Received] = {}

        def arrived(row: topics.Topic) -> Received | None:
            edge.picture("yard", 1, commented=True)
            while hears.received:
                received = hears.received.get(1)
                heard[received.topic] = received
            return heard.get(row.path(PREFIX, node="shop", camera="yard"))

        wait_until(lambda: arrived(topics.CAMERA_STATUS) and arrived(topics.THUMBNAIL))
        shown = heard[topics.THUMBNAIL.path(PREFIX, node="shop", camera="yard")]
        assert frame_of(shown.user_properties, shown.payload) == (edge.session, 1)
        assert requests.ask("shop", "set", {}).error == "no", "the node's own answer"
        assert holder(centre, "shop", "", "forget") is not None, "so nobody in the centre forgets it"
        ack = Ack(node="shop", session="v", published_us=now_us(), archive="centre", boot="b", number=7)
        path = topics.ACK.path(PREFIX, node="shop", archive="centre")
        hears.set_state(topics.ACK, path, encode(ack))
        assert own.received.get(10).topic == path
        while stranger.received:
            found = topics.match(PREFIX, stranger.received.get(1).topic)
            assert found is not None
            assert found[0] in (topics.REQUEST, topics.ACK)


def test_events_of_a_cut_line_arrive_when_it_is_back(brokers: Sites) -> None:
    centre = MqttSettings(url=brokers.centre.url)
    with (
        Client(centre, name="archive") as archive,
        FakeEdge(brokers.sites[0].url, node="shop", prefix=PREFIX) as edge,
    ):
        archive.subscribe(f"{PREFIX}/shop/camera/yard/events", 1)
        edge.announce("yard")
        wait_until(lambda: _event_comes(edge, archive))
        brokers.centre.kill()
        for number in range(50):
            edge.client.publish(topics.EVENTS, edge.path(topics.EVENTS, camera="yard"), b"%d" % number)
        brokers.centre.start()
        left = {b"%d" % number for number in range(50)}
        while left:
            left.discard(archive.received.get(20).payload)


def _event_comes(edge: FakeEdge, archive: Client) -> bool:
    edge.client.publish(topics.EVENTS, edge.path(topics.EVENTS, camera="yard"), b"first")
    try:
        return archive.received.get(1).payload == b"first"
    except TimeoutError:
        return False
