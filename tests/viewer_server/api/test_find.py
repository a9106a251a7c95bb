"""A few of many nodes and cameras: those that are searched for, in parts."""

from __future__ import annotations

import json
from typing import Any

import flask
import pytest

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from tests.viewer_server.wire import camera, info, metrics, received, status, zone, zones
from viewer_server.api.newest import Newest
from viewer_server.api.schemas.common import CamerasQuery, FindQuery, ZonesQuery
from viewer_server.config import QuotaSettings
from viewer_server.live.hub import Hub
from viewer_server.live.state import State
from viewer_server.mqtt.interests import Interests
from viewer_server.mqtt.media import Media
from viewer_server.quotas import Quotas
from viewer_server.stored.reading import Database


@pytest.fixture
def newest() -> Newest:
    """Nodes n0 to n11 with cameras c and d each; n3 is called Gate and offline, and its camera c Yard."""
    quotas = Quotas(QuotaSettings())
    hub = Hub(State("darner/v1", quotas), 3, {})
    for name in (f"n{number}" for number in range(12)):
        for message in (
            status(name),
            metrics(name),
            info("c", "d", of=name),
            camera(of=name),
            camera("d", of=name),
        ):
            hub.handle(message)
        hub.handle(zones("a", of=name))
        hub.handle(zone("a", of=name))
    said = json.loads(info("c", "d", of="n3").payload)
    said["name"], said["cameras"][0]["name"] = "Gate", "Yard"
    hub.handle(received("n3/info", said))
    hub.handle(status("n3", status="offline"))
    for node in ("n3", "n4", "stranger", ""):
        quotas.hit(node, "messages", 1)
    client = Client(MqttSettings(), name="test")  # never connected: nobody asks for a picture
    media = Media(client, "darner/v1", hub, Interests(client, "darner/v1", "test", str, hub.online, 1))
    return Newest(hub, Database(None), media)


@pytest.mark.parametrize(
    ("query", "total", "names"),
    [
        (FindQuery(), 12, ["n0", "n1", "n10", "n11", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"]),
        (FindQuery(limit=2), 12, ["n0", "n1"]),
        (FindQuery(skip=10, limit=5), 12, ["n8", "n9"]),
        (FindQuery(skip=50, limit=5), 12, []),
        (FindQuery(find="N1"), 3, ["n1", "n10", "n11"]),
        (FindQuery(find="gate offline"), 1, ["n3"]),
        (FindQuery(find="yard"), 1, ["n3"]),  # by what one of its cameras is called
        (FindQuery(find="gate online"), 0, []),
    ],
)
def test_nodes_are_found_by_words_and_given_in_parts(
    newest: Newest, query: FindQuery, total: int, names: list[str]
) -> None:
    answer = newest.nodes(query)
    assert (answer["total"], [one["node"] for one in answer["nodes"]]) == (total, names)
    assert all(one["info"] and one["metrics"] for one in answer["nodes"])


def test_limits_are_those_of_the_nodes_in_the_answer_and_of_nodes_without_a_place_in_it(
    newest: Newest,
) -> None:
    def limits(**asked: Any) -> list[str | None]:
        return [one["node"] for one in newest.nodes(FindQuery(**asked))["limits"]]

    assert limits() == [None, "n3", "n4", "stranger"]
    assert limits(find="gate") == [None, "n3", "stranger"]


@pytest.mark.parametrize(
    ("query", "total", "found"),
    [
        (CamerasQuery(limit=3), 24, ["n0/c", "n0/d", "n1/c"]),
        (CamerasQuery(find="yard"), 1, ["n3/c"]),
        (CamerasQuery(find="gate streaming"), 2, ["n3/c", "n3/d"]),
        (CamerasQuery(node="n1"), 2, ["n1/c", "n1/d"]),
        (CamerasQuery(node="n1", find="d", limit=1), 1, ["n1/d"]),
        (CamerasQuery(node="nobody"), 0, []),
    ],
)
def test_cameras_are_found_by_words_and_given_in_parts(
    newest: Newest, query: CamerasQuery, total: int, found: list[str]
) -> None:
    with flask.Flask("viewer").test_request_context():
        answer = newest.cameras(query)
    assert (answer["total"], [f"{one['node']}/{one['camera']}" for one in answer["cameras"]]) == (
        total,
        found,
    )
    assert all(one["status"]["status"] == "streaming" and one["source"] for one in answer["cameras"])


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (ZonesQuery(), 12),
        (ZonesQuery(node="n3"), 1),
        (ZonesQuery(node="n3", camera="d"), 0),
        (ZonesQuery(camera="c"), 12),
    ],
)
def test_zones_are_those_of_a_node_or_a_camera(newest: Newest, query: ZonesQuery, count: int) -> None:
    assert len(newest.zones(query)["zones"]) == count
