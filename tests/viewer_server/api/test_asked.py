"""Saving zones over HTTP, against a real broker and the edge's own code."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest

from shared.asking.requests import NodeRequests
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.messages import Response, ZoneDefinition, encode
from tests.browser.answering import AnsweringEdge
from tests.conftest import Mosquitto, wait_until
from tests.viewer_server.asking import request as asked
from tests.viewer_server.fake_edge import FakeEdge, picture_of, suspect
from tests.viewer_server.process import ARRIVES_S, ViewerProcess
from tests.viewer_server.wire import camera, status, zones
from viewer_server.api.asked import Asked
from viewer_server.api.endpoint import Endpoint, register
from viewer_server.api.schemas.asked import ZoneChange, ZonesSaved
from viewer_server.api.schemas.common import Nothing
from viewer_server.live.hub import Hub
from viewer_server.live.state import State
from viewer_server.stored.versions import Versions

SQUARE = {"polygon": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]}
BODY: dict[str, Any] = {"version": 1, "zones": {"square": SQUARE}, "lines": {}}


@pytest.fixture
def edge(own_broker: Any) -> Iterator[AnsweringEdge]:
    node = AnsweringEdge(own_broker.url)
    with node:
        node.begin()
        yield node


@pytest.fixture
def viewer(
    own_broker: Any,
    edge: AnsweringEdge,  # noqa: ARG001 - must be there first
    tmp_path: Path,
) -> Iterator[ViewerProcess]:
    with ViewerProcess(own_broker.url, tmp_path) as process:
        wait_for_zones(process)
        yield process


@pytest.fixture(scope="module")
def unasked(
    broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ViewerProcess, AnsweringEdge]]:
    """A viewer and a node, for requests that change nothing."""
    prefix = "unasked/v1"
    node = AnsweringEdge(broker.url, prefix=prefix)
    with node:
        node.begin()
        with ViewerProcess(broker.url, tmp_path_factory.mktemp("v"), f"mqtt.prefix={prefix}") as process:
            wait_for_zones(process)
            yield process, node


def wait_for_zones(viewer: ViewerProcess) -> None:
    """Wait until the viewer has the camera's definitions, which can come later than the camera."""

    def are_there() -> bool:
        try:
            return bool(viewer.get("/api/v1/zones/test/yard/versions"))
        except urllib.error.HTTPError:
            return False

    wait_until(are_there)


def post(
    viewer: ViewerProcess, body: object, path: str = "/api/v1/zones/test/yard", **headers: str
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
    return list(json.loads(viewer.get("/api/v1/zones/test/yard/versions"))["versions"])


def test_what_is_saved_is_used_and_the_first_to_save_wins(viewer: ViewerProcess, edge: AnsweringEdge) -> None:
    assert post(viewer, BODY) == (200, {"version": 2, "warnings": [], "saved": True})
    assert edge.store["yard"].zones["square"].polygon == ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9))
    assert post(viewer, BODY)[0] == 409, "it replaces version 1, and version 2 is saved"
    assert post(viewer, BODY | {"version": 2, "zones": {}})[0] == 200


def test_an_older_node_says_no_code_and_its_version_tells_a_conflict(own_broker: Any, tmp_path: Path) -> None:
    square = {"square": ZoneDefinition(polygon=((0.1, 0.1), (0.9, 0.1), (0.9, 0.9)))}
    with ViewerProcess(own_broker.url, tmp_path) as viewer, FakeEdge(own_broker.url) as edge:
        edge.announce("yard")
        edge.zones("yard", square, {}, version=3)
        wait_for_zones(viewer)
        edge.client.subscribe(edge.path(topics.REQUEST, command="zones.set"), 1)
        answering = threading.Thread(target=refuse_as_before_codes, args=(edge,), daemon=True)
        answering.start()
        for version, status in ((2, 409), (3, 422)):
            code, answer = post(viewer, BODY | {"version": version})
            assert (code, answer["detail"]) == (status, "no")


def refuse_as_before_codes(edge: FakeEdge) -> None:
    """Answer every request with an error that has no code; ends with the connection."""
    for request in edge.client.received:
        assert request.response_topic is not None
        refusal = Response(**edge.common(), command="zones.set", error="no")  # type: ignore[arg-type]
        edge.client.publish(
            topics.RESPONSE, request.response_topic, encode(refusal), correlation=request.correlation
        )


def test_a_refusal_comes_with_the_nodes_reason(viewer: ViewerProcess, edge: AnsweringEdge) -> None:
    edge.refusal = "the disk is full"
    status, answer = post(viewer, BODY)
    assert (status, answer["detail"]) == (422, "the disk is full")


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "reason"),
    [
        ("/api/v1/zones/test/yard", b"[", {}, 400, "JSON object"),
        ("/api/v1/zones/test/yard", b'{"version": NaN}', {}, 400, "no JSON: unexpected character"),
        ("/api/v1/zones/test/yard", {"version": 1}, {}, 400, "version, zones and lines"),
        ("/api/v1/zones/test/yard", BODY | {"zones": {"a b": SQUARE}}, {}, 422, "a b|pattern|key"),
        ("/api/v1/zones/test/yard", BODY | {"zones": {"a": {"polygon": [[0, 0]]}}}, {}, 422, "polygon"),
        ("/api/v1/zones/test/other", BODY, {}, 404, "no camera 'other'"),
        ("/api/v1/zones/test/a+b", BODY, {}, 400, "letters, digits"),
        ("/api/v1/zones/test/yard", BODY, {"Origin": "http://evil.example"}, 403, "this page may not"),
        ("/api/v1/zones/test/yard", BODY, {"Content-Type": "text/plain"}, 415, "application/json"),
    ],
)
def test_what_cannot_be_saved_is_refused_before_the_node_is_asked(
    unasked: tuple[ViewerProcess, AnsweringEdge],
    path: str,
    body: object,
    headers: dict[str, str],
    status: int,
    reason: str,
) -> None:
    viewer, edge = unasked
    code, answer = post(viewer, body, path, **headers)
    assert code == status
    assert any(part in answer["detail"] for part in reason.split("|"))
    assert edge.store["yard"].version == 1


def test_a_node_that_is_silent_is_given_up(own_broker: Any) -> None:
    settings = MqttSettings(url=own_broker.url)
    hub = Hub(State(settings.prefix), 1, {})
    for message in (status(), camera(), zones("square")):
        hub.handle(message)
    with Client(settings, name="silence") as client:
        assert client.wait_connected(30)
        asked = Asked(hub, NodeRequests(client, settings, deadline_s=0.2), Versions(None))
        save = Endpoint(
            "/zones/<node>/<camera>", asked.save_zones, Nothing, ZonesSaved, "", "POST", body=ZoneChange
        )
        api = flask.Blueprint("api", __name__)
        register(api, [save])
        app = flask.Flask(__name__)
        app.register_blueprint(api)
        answer = app.test_client().post("/zones/n/c", json=BODY)
    assert answer.status_code == 504
    assert "no answer after 0.2" in answer.get_data(as_text=True)


GOOD = {"width": 640, "height": 360, "timings_ms": {"inference": 1.5}, "objects": []}
FOUND = {"class_id": 0, "label": "bus", "score": 0.5, "box": [0, 0, 1, 1]}
DEEP = b'{"a":' * 600 + b"1" + b"}" * 600


class SayingEdge(FakeEdge):
    """A node that answers a command with any bytes as its result."""

    results: dict[str, bytes]

    def answer(self, *commands: str) -> None:
        """Answer these commands with `results` from now on; ends with the connection."""
        self.results = {}
        for command in commands:
            self.client.subscribe(self.path(topics.REQUEST, command=command), 1)
        assert self.client.wait_subscribed(30)
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        for request in self.client.received:
            command = request.topic.rpartition("/")[2]
            empty = encode(Response(**self.common(), command=command))  # type: ignore[arg-type]
            payload = empty.replace(b'"result":{}', b'"result":' + self.results[command])
            assert request.response_topic is not None
            self.client.publish(
                topics.RESPONSE, request.response_topic, payload, correlation=request.correlation
            )


@pytest.fixture(scope="module")
def saying(broker: Mosquitto) -> Iterator[SayingEdge]:
    edge = SayingEdge(broker.url, prefix="saying/v1")
    with edge:
        edge.announce("yard")
        edge.zones("yard", {}, {})
        edge.answer("detect", "heatmap", "zones.set")
        yield edge


@pytest.fixture(scope="module")
def listening(
    broker: Mosquitto, saying: SayingEdge, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewerProcess]:
    folder = tmp_path_factory.mktemp("viewer")
    with ViewerProcess(broker.url, folder, f"mqtt.prefix={saying.prefix}", "history.path=null") as viewer:
        wait_for_zones(viewer)
        yield viewer


@pytest.mark.parametrize(
    ("command", "result", "status", "says"),
    [
        pytest.param("detect", json.dumps(GOOD | {"objects": [FOUND]}), 200, "bus", id="as declared"),
        pytest.param("detect", json.dumps(GOOD | {"node": "shop"}), 200, "test", id="another node's name"),
        pytest.param(
            "detect", json.dumps(GOOD | {"objects": "many"}), 502, "objects", id="a text for a list"
        ),
        pytest.param("detect", json.dumps(GOOD | {"width": -1}), 502, "width", id="a size below nothing"),
        pytest.param("detect", "{}", 502, "width", id="nothing"),
        pytest.param("detect", json.dumps(GOOD | {"x": 2**70}), 502, "number", id="an integer of 71 bits"),
        pytest.param("detect", DEEP.decode(), 502, "nested", id="600 levels"),
        pytest.param("heatmap", '{"seconds": [[0.5, 1]]}', 200, "0.5", id="a heatmap"),
        pytest.param("heatmap", '{"seconds": [[0.5, "x"]]}', 502, "seconds", id="a text in a heatmap"),
        pytest.param("heatmap", '{"seconds": [[-1]]}', 502, "seconds", id="less than no time"),
        pytest.param("heatmap", f'{{"seconds": {[[0]] * 300}}}', 502, "seconds", id="too many rows"),
        pytest.param("zones.set", '{"version": 2, "warnings": [], "saved": 7}', 200, "true", id="zones"),
        pytest.param("zones.set", '{"version": "new"}', 502, "version", id="a version that is none"),
    ],
)
def test_an_answer_is_as_declared_or_said_to_be_broken(
    listening: ViewerProcess, saying: SayingEdge, command: str, result: str, status: int, says: str
) -> None:
    saying.results[command] = result.encode()
    if command == "detect":
        answer = asked(listening, "POST", "/api/v1/detect", picture_of(1))
    elif command == "heatmap":
        answer = asked(listening, "GET", "/api/v1/heatmap?node=test&camera=yard")
    else:
        body = json.dumps(BODY).encode()
        answer = asked(listening, "POST", "/api/v1/zones/test/yard", body, Content_Type="application/json")
    assert (answer.status, says in answer.body.decode()) == (status, True), answer.body
    if status == 200 and command == "detect":
        assert answer.json["node"] == "test"


MASKS = {"sky": {"polygon": [[0, 0], [1, 0], [1, 0.4]], "classes": ["kite"]}}
FILTERS = {"all": {"min_size": 0.02}}


def test_masks_and_filters_are_saved_with_the_zones_and_stay_where_a_client_leaves_them_out(
    viewer: ViewerProcess, edge: AnsweringEdge
) -> None:
    assert post(viewer, BODY | {"masks": MASKS, "filters": FILTERS})[0] == 200
    kept = edge.store["yard"].masks, edge.store["yard"].filters
    assert kept[0]["sky"].classes == ("kite",)
    assert kept[1]["all"].min_size == 0.02
    assert post(viewer, BODY | {"version": 2, "zones": {}})[0] == 200, "an older client knows no masks"
    assert (edge.store["yard"].masks, edge.store["yard"].filters) == kept
    assert post(viewer, BODY | {"version": 3, "masks": {}, "filters": None})[0] == 200
    assert (edge.store["yard"].masks, edge.store["yard"].filters) == ({}, kept[1])
    seen = versions(viewer)
    assert [list(version["masks"]) for version in seen] == [[], ["sky"], ["sky"], []]
    assert [list(version["filters"]) for version in seen] == [["all"], ["all"], ["all"], []]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param({"masks": {"sky": {"polygon": [[0, 0]]}}}, "polygon", id="two corners too few"),
        pytest.param({"masks": {"sky": MASKS["sky"] | {"overlap": 0}}}, "overlap", id="no share"),
        pytest.param({"masks": {"a b": MASKS["sky"]}}, "a b|pattern|key", id="a name with a space"),
        pytest.param({"masks": {"square": MASKS["sky"]}}, "'square' names a zone and a mask", id="taken"),
        pytest.param({"filters": {"all": {"score": 2}}}, "score", id="a score of 2"),
        pytest.param({"filters": {"all": {"min_size": 2, "max_size": 1}}}, "min_size", id="crossed bounds"),
        pytest.param({"masks": []}, "masks|object", id="a list"),
    ],
)
def test_masks_and_filters_that_mean_nothing_are_refused_with_their_key(
    unasked: tuple[ViewerProcess, AnsweringEdge], body: dict[str, object], reason: str
) -> None:
    viewer, edge = unasked
    code, answer = post(viewer, BODY | body)
    assert code == 422
    assert any(part in answer["detail"] for part in reason.split("|")), answer["detail"]
    assert edge.store["yard"].version == 1


def test_an_older_node_gets_no_masks_that_it_would_drop(own_broker: Any, tmp_path: Path) -> None:
    edge = AnsweringEdge(own_broker.url)
    edge.capabilities = ()
    with ViewerProcess(own_broker.url, tmp_path) as viewer, edge:
        edge.begin()
        viewer.wait(cameras=1, nodes=1)
        for ignoring in ({"masks": MASKS}, {"filters": FILTERS}):
            code, answer = post(viewer, BODY | ignoring)
            assert (code, "of an older version, which has no masks" in answer["detail"]) == (422, True)
        assert post(viewer, BODY | {"masks": {}, "filters": {}})[0] == 200


def test_suspects_are_listed_and_dismissed(viewer: ViewerProcess, edge: AnsweringEdge) -> None:
    def listed() -> list[str]:
        answer = json.loads(viewer.get("/api/v1/suspects"))
        return [one["id"] for camera in answer["cameras"] for one in camera["suspects"]]

    dismiss = "/api/v1/suspects/test/yard/dismiss"
    assert listed() == []
    edge.suspect(suspect("a1"), suspect("b2"))
    wait_until(lambda: listed() == ["a1", "b2"])
    assert post(viewer, {"id": "a1"}, dismiss) == (200, {"id": "a1"})
    wait_until(lambda: listed() == ["b2"])
    assert post(viewer, {"id": "a1"}, dismiss)[0] == 404
    assert post(viewer, {"id": "b2"}, "/api/v1/suspects/test/door/dismiss")[0] == 404
    wrong: tuple[object, ...] = (b"[", [], {}, {"id": 7})
    for body in wrong:
        assert post(viewer, body, dismiss)[0] == 400
    assert post(viewer, {"id": "a b"}, dismiss)[0] == 422
    assert post(viewer, {"id": "b2"}, dismiss, Origin="http://evil.example")[0] == 403
    assert listed() == ["b2"]


def test_a_picture_goes_to_the_only_node_or_to_the_named_one(own_broker: Any, tmp_path: Path) -> None:
    edge, shop = SayingEdge(own_broker.url), SayingEdge(own_broker.url, node="shop")
    with ViewerProcess(own_broker.url, tmp_path) as viewer, edge, shop:
        edge.announce("yard")
        viewer.wait(nodes=1, cameras=1)
        for node in (edge, shop):
            node.answer("detect")
            node.results["detect"] = json.dumps(GOOD).encode()
        assert asked(viewer, "POST", "/api/v1/detect", picture_of(1)).json["node"] == "test"
        shop.announce("door")
        viewer.wait(nodes=2, cameras=2)
        unnamed = asked(viewer, "POST", "/api/v1/detect", picture_of(1))
        assert unnamed.status == 409
        assert "name one as `node`: shop, test" in unnamed.json["detail"]
        assert asked(viewer, "POST", "/api/v1/detect?node=shop", picture_of(1)).json["node"] == "shop"


@pytest.mark.parametrize(
    ("zone", "says"),
    [
        pytest.param('{"polygon": [], "new": ' + "[" * 300 + "]" * 300 + "}", "nested", id="300 levels"),
        pytest.param('{"polygon": [], "new": 1' + "0" * 30 + "}", "", id="a large number"),
        pytest.param('{"crowd": {"count": 1' + "0" * 30 + "}}", "", id="a crowd of 1e30"),
    ],
)
def test_zones_that_nobody_could_pass_on_are_refused(
    unasked: tuple[ViewerProcess, AnsweringEdge], zone: str, says: str
) -> None:
    viewer, edge = unasked
    body = f'{{"version": 1, "lines": {{}}, "zones": {{"z": {zone}}}}}'.encode()
    status, answer = post(viewer, body)
    assert (status, says in answer["detail"]) == (422, True)
    assert edge.store["yard"].version == 1


def test_earlier_versions_survive_a_restart_of_the_viewer(viewer: ViewerProcess, edge: AnsweringEdge) -> None:
    post(viewer, BODY)
    post(viewer, BODY | {"version": 2, "zones": {}})
    viewer.stop()
    viewer.start()
    wait_for_zones(viewer)
    seen = versions(viewer)
    assert [version["version"] for version in seen] == [3, 2, 1]
    assert [list(version["zones"]) for version in seen] == [[], ["square"], []]
    edge.publish_zones()  # again, as after every reconnect
    assert len(versions(viewer)) == 3
