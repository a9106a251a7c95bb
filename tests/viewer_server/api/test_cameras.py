"""Cameras over HTTP, against a real broker and the edge's own code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.cameras.settable import SettableEdge
from tests.conftest import Mosquitto
from tests.viewer_server.api.test_asked import post
from tests.viewer_server.fake_edge import FakeEdge
from tests.viewer_server.process import ViewerProcess

PREFIX = "cameras-api/v1"
YARD = {"source": "rtsp://192.168.1.20/sub"}
BODY = {"version": 0, "cameras": {"a": YARD}}


@pytest.fixture(scope="module")
def edge(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SettableEdge]:
    node = SettableEdge(broker.url, prefix=PREFIX)
    with node:
        node.begin(tmp_path_factory.mktemp("node"))
        yield node


@pytest.fixture(scope="module")
def viewer(
    broker: Mosquitto, edge: SettableEdge, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewerProcess]:
    with ViewerProcess(broker.url, tmp_path_factory.mktemp("v"), f"mqtt.prefix={PREFIX}") as process:
        process.wait(cameras=len([edge]))
        yield process


def shown(viewer: ViewerProcess) -> dict[str, Any]:
    [node] = json.loads(viewer.get("/api/v1/cameras/settings"))["nodes"]
    return dict(node)


def test_what_can_be_changed_is_shown_without_secrets(viewer: ViewerProcess) -> None:
    node = shown(viewer)
    assert (node["node"], node["online"], node["settings"]["changeable"]) == ("test", True, "network")
    yard = node["settings"]["cameras"]["yard"]
    assert (yard["name"], yard["source"], yard["login"]) == ("Hof", "rtsp://192.168.1.20/sub", True)
    assert "swordfish" not in json.dumps(node)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "says"),
    [
        ("test", b"[", {}, 400, "JSON object"),
        ("test", {"version": 0}, {}, 422, "cameras"),
        ("test", {"version": 0, "cameras": {"a b": YARD}}, {}, 422, "a b|pattern|key"),
        ("test", {"version": 0, "cameras": {"a": {"source": ""}}}, {}, 422, "source"),
        ("test", {"version": 0, "cameras": {"a": {"source": "/etc/passwd"}}}, {}, 422, "a file or a device"),
        ("test", {"version": 7, "cameras": {"a": YARD}}, {}, 409, "somebody else saved first"),
        ("nobody", BODY, {}, 404, "no node 'nobody'"),
        ("test", BODY, {"Origin": "http://evil.example"}, 403, "may not"),
        ("test", BODY, {"Content-Type": "text/plain"}, 415, "application/json"),
        ("test/probe", {"cameras": {"a": {"source": "rtsp://127.0.0.1:1/"}}}, {}, 422, "Connection refused"),
        ("test/probe", {"cameras": {"a": {"source": "file:///etc/passwd"}}}, {}, 422, "a file or a device"),
        ("test/probe", {"cameras": {}}, {}, 422, "the one camera to try"),
        ("test/discover", {"host": "http://10.0.0.1/"}, {}, 422, "must be an IPv4 address"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_changed(
    viewer: ViewerProcess,
    edge: SettableEdge,
    path: str,
    body: object,
    headers: dict[str, str],
    status: int,
    says: str,
) -> None:
    code, answer = post(viewer, body, f"/api/v1/cameras/{path}", **headers)
    assert code == status, answer
    assert any(word in answer["detail"] for word in says.split("|")), answer
    assert edge.store.version == 0


def test_a_node_of_an_older_version_has_no_settings(viewer: ViewerProcess, broker: Mosquitto) -> None:
    with FakeEdge(broker.url, node="old", prefix=PREFIX) as old:
        old.announce("attic")
        viewer.wait(cameras=2)
        nodes = {one["node"]: one for one in json.loads(viewer.get("/api/v1/cameras/settings"))["nodes"]}
        assert nodes["old"]["settings"] is None
        assert post(viewer, BODY, "/api/v1/cameras/old")[0] == 404


def test_a_page_of_its_own_weighs_little(viewer: ViewerProcess) -> None:
    static = Path(__file__).resolve().parents[3] / "viewer_server/static/cameras"
    assert len(viewer.get("/cameras")) + sum(len(path.read_bytes()) for path in static.iterdir()) < 32_000


def test_saving_answers_with_the_version(viewer: ViewerProcess, edge: SettableEdge) -> None:
    body = {
        "version": 0,
        "cameras": {"lane": {"source": "rtsp://h/lane", "user": "u", "password": "hunter-99"}},
    }
    assert post(viewer, body, "/api/v1/cameras/test") == (200, {"version": 1, "restarts": True})
    assert edge.store.current["lane"].source == "rtsp://u:hunter-99@h/lane"
