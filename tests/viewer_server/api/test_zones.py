"""Saving zones over HTTP, against a real broker and the edge's own code."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.wire.messages import LineDefinition, ZoneDefinition, Zones
from tests.browser.answering import AnsweringEdge
from tests.viewer_server.process import ARRIVES_S, ViewerProcess
from viewer_server.stored.versions import KEPT, Versions

SQUARE = {"polygon": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]}
BODY: dict[str, Any] = {"version": 1, "zones": {"square": SQUARE}, "lines": {}}


@pytest.fixture
def edge(own_broker: Any) -> Iterator[AnsweringEdge]:
    node = AnsweringEdge(own_broker.url)
    with node:
        node.begin()
        yield node


@pytest.fixture
def viewer(own_broker: Any, edge: AnsweringEdge, tmp_path: Path) -> Iterator[ViewerProcess]:
    with ViewerProcess(own_broker.url, tmp_path) as process:
        process.wait(cameras=len([edge]))
        yield process


def post(
    viewer: ViewerProcess, body: object, path: str = "/zones/test/yard", **headers: str
) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | headers
    request = urllib.request.Request(viewer.url + path, data, headers)  # noqa: S310 - our own
    try:
        with urllib.request.urlopen(request, timeout=ARRIVES_S) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else {"detail": text.decode()}


def versions(viewer: ViewerProcess) -> list[dict[str, Any]]:
    return list(json.loads(viewer.get("/zones/test/yard/versions"))["versions"])


def test_what_is_saved_is_in_force_and_the_first_to_save_wins(
    viewer: ViewerProcess, edge: AnsweringEdge
) -> None:
    assert post(viewer, BODY) == (200, {"version": 2, "warnings": [], "saved": True})
    assert edge.store["yard"].zones["square"].polygon == ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9))
    assert post(viewer, BODY)[0] == 409, "it replaces version 1, which is not in force any more"
    assert post(viewer, BODY | {"version": 2, "zones": {}})[0] == 200


def test_a_refusal_comes_with_the_nodes_reason(viewer: ViewerProcess, edge: AnsweringEdge) -> None:
    edge.refusal = "the disk is full"
    status, answer = post(viewer, BODY)
    assert (status, answer["detail"]) == (422, "the disk is full")


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "reason"),
    [
        ("/zones/test/yard", b"[", {}, 400, "JSON object"),
        ("/zones/test/yard", {"version": 1}, {}, 400, "version, zones and lines"),
        ("/zones/test/yard", BODY | {"zones": {"a b": SQUARE}}, {}, 422, "a b|pattern|key"),
        ("/zones/test/yard", BODY | {"zones": {"a": {"polygon": [[0, 0]]}}}, {}, 422, "polygon"),
        ("/zones/test/other", BODY, {}, 404, "no camera other"),
        ("/zones/test/a+b", BODY, {}, 404, "letters, digits"),
        ("/zones/test/yard", BODY, {"Origin": "http://evil.example"}, 403, "this page may not"),
        ("/zones/test/yard", BODY, {"Content-Type": "text/plain"}, 415, "application/json"),
    ],
)
def test_what_cannot_be_saved_is_refused_before_the_node_is_asked(
    viewer: ViewerProcess,
    edge: AnsweringEdge,
    path: str,
    body: object,
    headers: dict[str, str],
    status: int,
    reason: str,
) -> None:
    code, answer = post(viewer, body, path, **headers)
    assert code == status
    assert any(part in answer["detail"] for part in reason.split("|"))
    assert edge.store["yard"].version == 1


def test_a_node_that_is_silent_is_given_up(viewer: ViewerProcess, edge: AnsweringEdge) -> None:
    edge.__exit__()
    status, answer = post(viewer, BODY)
    assert status == 504
    assert "no answer after 5" in answer["detail"]
    with edge:
        pass  # the fixture's end wants a connection to close


def test_earlier_versions_survive_a_restart_of_the_viewer(viewer: ViewerProcess, edge: AnsweringEdge) -> None:
    post(viewer, BODY)
    post(viewer, BODY | {"version": 2, "zones": {}})
    viewer.stop()
    viewer.start()
    viewer.wait(cameras=1)
    seen = versions(viewer)
    assert [version["version"] for version in seen] == [3, 2, 1]
    assert [list(version["zones"]) for version in seen] == [[], ["square"], []]
    edge.publish_zones()  # again, as after every reconnect
    assert len(versions(viewer)) == 3


def zones_of(number: int, camera: str = "yard") -> Zones:
    corner = (number / 1000, 0.5)
    return Zones(
        node="n", session="s", published_us=1, camera=camera, version=number,
        zones={"z": ZoneDefinition(polygon=((0.0, 0.0), (1.0, 0.0), corner))},
        lines={"l": LineDefinition(points=((0.0, 0.0), corner))},
    )  # fmt: skip


def test_the_newest_versions_are_kept_and_repeats_are_none(tmp_path: Path) -> None:
    path = tmp_path / "zones.db"
    with Versions(path) as kept:
        for number in range(1, KEPT + 11):
            kept.add(zones_of(number))
            kept.add(zones_of(number))
        kept.add(zones_of(1, "other"))
    with Versions(path) as kept, Versions(path) as another:  # the second cannot open it, and goes without
        assert [one["version"] for one in kept.of("n", "yard")] == list(range(KEPT + 10, 10, -1))
        assert kept.of("n", "yard")[0]["lines"]["l"]["points"] == [[0.0, 0.0], [0.04, 0.5]]
        assert [one["version"] for one in kept.of("n", "other")] == [1]
        another.add(zones_of(5))
        assert [one["version"] for one in another.of("n", "yard")] == [5]


def test_all_cameras_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viewer_server.stored.versions.MAX_BYTES", 20_000)
    with Versions(None) as kept:
        for number in range(1, 201):
            kept.add(zones_of(number, f"c{number % 20}"))
        sizes = [len(json.dumps(kept.of("n", f"c{number}"))) for number in range(20)]
    assert 5_000 < sum(sizes) < 40_000
