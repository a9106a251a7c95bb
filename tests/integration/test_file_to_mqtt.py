"""A frame's whole way, from a file to the broker, as separate processes would see it."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pytest
import yaml

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import messages, topics
from tests.conftest import REPO, Mosquitto, MosquittoProcess, free_port

PREFIX = "darner/v1"


class Listener:
    """Everything a subscriber of the whole tree sees, checked against the contract as it comes."""

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self.seen: list[tuple[topics.Topic, dict[str, str], Received, Any]] = []

    def listen_until(self, condition: Callable[[], bool], timeout: float = 60.0) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"not in {timeout} s; seen {self.names()}"
            try:
                received = self._client.received.get(0.5)
            except TimeoutError:
                continue
            found = topics.match(self._prefix, received.topic)
            assert found is not None, f"{received.topic} is not in the topic table"
            row, ids = found
            if not received.payload:
                continue
            # A request is anybody's, and may be a picture.
            unread = row.payload == "jpeg" or row is topics.REQUEST
            body = None if unread else messages.decode(row.payload, received.payload)  # type: ignore[arg-type]
            self.seen.append((row, ids, received, body))

    def names(self) -> dict[str, int]:
        return {row.name: sum(seen[0] is row for seen in self.seen) for row in topics.TABLE}

    def of(self, row: topics.Topic) -> list[Any]:
        return [body for seen, _, _, body in self.seen if seen is row]


def listen_to_the_end(heard: Listener) -> None:
    """Until the node says that it goes."""
    heard.listen_until(lambda: any(status.status == "offline" for status in heard.of(topics.STATUS)))


@contextmanager
def edge(tmp_path: Path, config: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    file = tmp_path / "edge.yaml"
    file.write_text(yaml.safe_dump(config))
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_node", "--config", str(file)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPO,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def listening(url: str, prefix: str = PREFIX) -> Iterator[Listener]:
    with Client(MqttSettings(url=url), name="listener") as client:
        client.subscribe(f"{prefix}/#", 1)
        assert client.wait_subscribed(30)
        yield Listener(client, prefix)


def config(url: str, video: Path, prefix: str = PREFIX, **camera: Any) -> dict[str, Any]:
    street = {
        "source": str(video),
        "pace": "fast",
        "thumbnail": {"fps": 5, "width": 320},
        "zones": {"all": {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}},
        "lines": {"gate": {"points": [[0.5, 1], [0.5, 0]]}},
    }
    return {
        "node": "box",
        "zones_file": None,
        "mqtt": {"url": url, "prefix": prefix},
        # Half of the processor time, and nine in ten of the same people: what is said matters here.
        "model": {"classes": ["person"], "input_size": 256},
        "cameras": {"street": street | camera},
    }


@pytest.fixture(scope="module")
def short_video(people_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 60 frames of it."""
    path = tmp_path_factory.mktemp("video") / "short.avi"
    reader = cv2.VideoCapture(str(people_video))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (768, 576))
    for _ in range(60):
        writer.write(reader.read()[1])
    writer.release()
    return path


@pytest.mark.timing  # a publisher that gets no processor leaves out frames, as it should
def test_a_file_becomes_every_documented_message_and_the_node_ends_by_itself(
    broker: Mosquitto, short_video: Path, tmp_path: Path
) -> None:
    prefix = "test-all/v1"
    with (
        listening(broker.url, prefix) as heard,
        edge(tmp_path, config(broker.url, short_video, prefix, pace="realtime")) as process,
    ):
        listen_to_the_end(heard)
        assert process.wait(30) == 0
    counts = heard.names()
    asked_for = {
        "request",
        "response",
        "ack",
        "interest",
        "track",
        "calendar",
        "mode",
        "rules",
        "alert",
    }
    assert min(count for name, count in counts.items() if name not in asked_for) >= 1, counts
    assert [m.status for m in heard.of(topics.STATUS)] == ["online", "offline"]
    assert [m.status for m in heard.of(topics.CAMERA_STATUS)] == ["starting", "streaming", "ended"]

    frames = heard.of(topics.DETECTIONS)
    assert len(frames) >= 50, "a few may come too late on a busy machine"
    assert [m.seq - m.dropped for m in frames] == list(range(len(frames))), "what is left out is counted"
    assert all((m.width, m.height) == (768, 576) for m in frames)
    assert {"preprocess", "inference", "decode", "track", "analyse"} <= set(frames[-1].timings_ms)
    people = frames[-1].objects
    assert len(people) >= 3
    assert all(one["label"] == "person" and one["zones"] == ["all"] for one in people)
    assert len({one["track_id"] for one in people}) == len(people)
    assert all(0 <= one["box"][0] < one["box"][2] <= 1 for one in people)

    states = [m for m in heard.of(topics.ZONE) if m.zone == "all"]
    assert max(state.occupancy for state in states) >= 3
    assert states[-1].occupancy == 0, "nobody is inside when the node has gone"
    started = {m.track_id for m in heard.of(topics.EVENTS) if m.type == "track_started"}
    assert {one["track_id"] for one in people} <= started
    published = {received.topic for row, _, received, _ in heard.seen if row is topics.SNAPSHOT}
    referred = {m.snapshot for m in heard.of(topics.EVENTS)} - {None}
    assert referred
    assert referred <= published
    ids = [m.event_id for m in heard.of(topics.EVENTS)]
    assert len(set(ids)) == len(ids)


def test_a_node_answers_what_it_is_asked(broker: Mosquitto, people_video: Path, tmp_path: Path) -> None:
    prefix = "test-ask/v1"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True)
    picture = cv2.imencode(".jpg", cv2.VideoCapture(str(people_video)).read()[1])[1].tobytes()
    with (
        listening(broker.url, prefix) as heard,
        edge(tmp_path, settings),
        Client(MqttSettings(url=broker.url), name="asker") as asker,
    ):

        def ask(command: str, body: dict[str, Any] | bytes) -> messages.Response:
            path = topics.REQUEST.path(prefix, node="box", command=command)
            asker.publish(topics.REQUEST, path, body if isinstance(body, bytes) else orjson.dumps(body))
            before = heard.names()["response"]
            heard.listen_until(lambda: heard.names()["response"] > before)
            response = heard.of(topics.RESPONSE)[-1]
            assert response.command == command
            return response  # type: ignore[no-any-return]

        heard.listen_until(lambda: heard.names()["detections"] >= 10)
        assert ask("ping", {}).result["cameras"] == ["street"]
        seconds = np.array(ask("heatmap", {"camera": "street"}).result["seconds"])
        assert seconds.shape == (36, 64)
        assert seconds.sum() > 1
        elsewhere = ask("heatmap", {"camera": "x"})
        assert "this node's cameras are: street" in (elsewhere.error or "")
        assert elsewhere.code == "unknown"
        shot = ask("snapshot", {"camera": "street"}).result
        jpeg = np.frombuffer(base64.b64decode(shot["jpeg_base64"]), np.uint8)
        shown = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        assert shown is not None
        assert shown.shape == (shot["height"], shot["width"], 3) == (576, 768, 3)
        people = ask("detect", picture).result["objects"]
        assert len(people) >= 3
        assert {one["label"] for one in people} == {"person"}
        assert "damaged JPEG or PNG" in (ask("detect", b"\xff\xd8 broken").error or "")
        assert "nothing to set" in (ask("set", {}).error or "")
        assert "$.confidence" in (ask("set", {"confidence": 7}).error or "")
        done = ask("set", {"camera": "street", "confidence": 0.99, "thumbnail_fps": 0}).result
        assert done["cameras"]["street"]["confidence"] == 0.99
        last = heard.of(topics.DETECTIONS)[-1].seq
        heard.listen_until(lambda: heard.of(topics.DETECTIONS)[-1].seq > last + 15)
        assert heard.of(topics.DETECTIONS)[-1].objects == [], "nobody is that sure"


def test_zones_drawn_elsewhere_are_in_force_at_once_and_after_a_restart(
    broker: Mosquitto, people_video: Path, tmp_path: Path
) -> None:
    prefix = "test-draw/v1"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True)
    settings["zones_file"] = str(tmp_path / "zones.json")
    drawn = {
        "left": {"polygon": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]},
        "dot": {"polygon": [[0, 0], [0, 0], [0, 0]]},
    }
    request = {"camera": "street", "zones": drawn, "lines": {}, "version": 1, "transaction": "me"}
    path = topics.REQUEST.path(prefix, node="box", command="zones.set")
    with listening(broker.url, prefix) as heard, Client(MqttSettings(url=broker.url), name="asker") as asker:
        with edge(tmp_path, settings):
            heard.listen_until(lambda: bool(heard.of(topics.DETECTIONS)))
            for _ in range(2):
                asker.publish(topics.REQUEST, path, orjson.dumps(request))
            heard.listen_until(lambda: heard.names()["response"] >= 2)
            heard.listen_until(lambda: any(m.zone == "left" for m in heard.of(topics.ZONE)))
            done, conflict = heard.of(topics.RESPONSE)
            assert (done.error, done.transaction, done.result["version"]) == (None, "me", 2)
            assert any("dot" in warning for warning in done.result["warnings"])
            assert "somebody else saved first" in (conflict.error or "")
            assert conflict.code == "conflict"
            assert heard.of(topics.ZONES)[-1].zones.keys() == drawn.keys()
        with listening(broker.url, prefix) as later:
            later.listen_until(lambda: later.names()["zones"] >= 1)
            kept = {ids["zone"] for row, ids, _, _ in later.seen if row is topics.ZONE}
            assert kept <= drawn.keys(), "the numbers of deleted zones are cleared"
        with edge(tmp_path, settings):
            heard.listen_until(lambda: heard.of(topics.STATUS)[-1].status == "online")
            before = heard.names()["zones"]
            heard.listen_until(lambda: heard.names()["zones"] > before)
            assert heard.of(topics.ZONES)[-1].version == 2
            assert heard.of(topics.ZONES)[-1].zones.keys() == drawn.keys()


def test_a_thumbnail_is_the_frame_its_number_names(
    broker: Mosquitto, short_video: Path, tmp_path: Path
) -> None:
    prefix = "test-jpeg/v1"
    with (
        listening(broker.url, prefix) as heard,
        edge(tmp_path, config(broker.url, short_video, prefix, pace="realtime")),
    ):
        heard.listen_until(lambda: heard.names()["thumbnail"] >= 10)
    reader = cv2.VideoCapture(str(short_video))
    originals = [cv2.resize(reader.read()[1], (320, 240), interpolation=cv2.INTER_AREA) for _ in range(60)]
    for row, _, received, _ in heard.seen:
        if row is topics.THUMBNAIL:
            shown = cv2.imdecode(np.frombuffer(received.payload, np.uint8), cv2.IMREAD_COLOR)
            assert shown is not None
            distances = [float(np.abs(shown.astype(int) - original).mean()) for original in originals]
            assert int(np.argmin(distances)) == int(received.user_properties["seq"])
            assert received.user_properties["width"] == "320"


def test_mqtt_3_1_1_carries_the_same_messages(broker: Mosquitto, short_video: Path, tmp_path: Path) -> None:
    prefix = "test-311/v1"
    settings = config(broker.url, short_video, prefix)
    settings["mqtt"]["version"] = "3.1.1"
    with listening(broker.url, prefix) as heard, edge(tmp_path, settings) as process:
        listen_to_the_end(heard)
        assert process.wait(30) == 0
    assert heard.names()["detections"] >= 1
    assert heard.names()["events"] >= 3


def test_what_is_not_sent_is_counted_in_the_next_message(
    broker: Mosquitto, short_video: Path, tmp_path: Path
) -> None:
    prefix = "test-cap/v1"
    with (
        listening(broker.url, prefix) as heard,
        edge(tmp_path, config(broker.url, short_video, prefix, pace="realtime", detections_fps=5)),
    ):
        listen_to_the_end(heard)
    frames = heard.of(topics.DETECTIONS)
    assert 25 <= len(frames) <= 32
    assert [m.seq - m.dropped for m in frames] == list(range(len(frames)))


def test_analytics_of_a_file_do_not_depend_on_how_fast_it_is_processed(
    broker: Mosquitto, short_video: Path, tmp_path: Path
) -> None:
    outcomes = []
    for pace in ("fast", "realtime"):
        prefix = f"test-{pace}/v1"
        with (
            listening(broker.url, prefix) as heard,
            edge(tmp_path, config(broker.url, short_video, prefix, pace=pace)) as process,
        ):
            listen_to_the_end(heard)
            assert process.wait(30) == 0  # a node that is killed leaves events for the next one
        if pace == "fast":
            assert [m.seq for m in heard.of(topics.DETECTIONS)] == list(range(60)), "a file loses no frame"
        events = [(m.type, m.track_id, m.seq, m.zone, m.dwell_s) for m in heard.of(topics.EVENTS)]
        last = {m.zone: (m.entered, m.exited, m.occupancy, m.dwell) for m in heard.of(topics.ZONE)}
        outcomes.append((events, last))
    assert outcomes[0] == outcomes[1]


@pytest.mark.timing
def test_the_broker_may_be_killed_and_restarted(
    own_broker: MosquittoProcess, people_video: Path, tmp_path: Path
) -> None:
    with edge(tmp_path, config(own_broker.url, people_video, pace="realtime", loop=True)) as process:
        with listening(own_broker.url) as heard:
            heard.listen_until(lambda: heard.names()["detections"] >= 5)
        own_broker.kill()
        time.sleep(1)
        own_broker.start()
        returned = time.monotonic()
        with listening(own_broker.url) as heard:
            wanted = (topics.STATUS, topics.INFO, topics.ZONES, topics.CAMERA_STATUS, topics.DETECTIONS)
            heard.listen_until(lambda: all(heard.of(row) for row in wanted))
            assert time.monotonic() - returned < 5
            assert heard.of(topics.CAMERA_STATUS)[-1].status == "streaming"
            assert heard.of(topics.DETECTIONS)[-1].dropped > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


def test_the_will_says_offline_when_the_node_is_killed(
    own_broker: MosquittoProcess, people_video: Path, tmp_path: Path
) -> None:
    with (
        listening(own_broker.url) as heard,
        edge(tmp_path, config(own_broker.url, people_video, pace="realtime", loop=True)) as process,
    ):
        heard.listen_until(lambda: bool(heard.of(topics.DETECTIONS)))
        process.kill()
        heard.listen_until(lambda: heard.of(topics.STATUS)[-1].status == "offline")
        assert heard.of(topics.STATUS)[-1].session == heard.of(topics.STATUS)[0].session


@pytest.mark.timing
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_code_0_within_5_s(
    broker: Mosquitto, people_video: Path, tmp_path: Path, number: signal.Signals
) -> None:
    prefix = f"test-{number.name}/v1"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True)
    with listening(broker.url, prefix) as heard, edge(tmp_path, settings) as process:
        heard.listen_until(lambda: bool(heard.of(topics.DETECTIONS)))
        process.send_signal(number)
        assert process.wait(5) == 0
        heard.listen_until(lambda: heard.of(topics.STATUS)[-1].status == "offline")


def bad_zone(settings: dict[str, Any]) -> None:
    settings["cameras"]["street"]["zones"]["all"]["polygon"] = [[0, 0], [320, 0], [1, 1]]


def bad_key(settings: dict[str, Any]) -> None:
    settings["cameras"]["street"]["zone"] = {}


def no_model(settings: dict[str, Any]) -> None:
    settings["model"]["name"] = "/nowhere/model.onnx"


def no_video(settings: dict[str, Any]) -> None:
    settings["cameras"]["street"]["source"] = "/nowhere/video.avi"


def broken_video(settings: dict[str, Any]) -> None:
    settings["cameras"]["street"]["source"] = __file__


def bad_name(settings: dict[str, Any]) -> None:
    settings["cameras"]["front door"] = settings["cameras"].pop("street")


def bad_url(settings: dict[str, Any]) -> None:
    settings["mqtt"]["url"] = "localhost"


def no_cameras(settings: dict[str, Any]) -> None:
    settings["cameras"] = {}


def same_name(settings: dict[str, Any]) -> None:
    settings["cameras"]["street"]["lines"]["all"] = {"points": [[0, 0], [1, 1]]}


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (bad_zone, "cameras.street.zones.all.polygon.1.0: 320: expected a number <= 2"),
        (bad_key, "cameras.street.zone: unknown key; did you mean 'zones'?"),
        (no_model, "model '/nowhere/model.onnx': no such file"),
        (no_video, "camera street: source '/nowhere/video.avi': no such file"),
        (broken_video, "it is not a video"),
        (bad_name, "cameras.front door: as a name: 'front door': expected 1 to 64 letters, digits"),
        (bad_url, "mqtt.url 'localhost': expected mqtt://HOST:PORT"),
        (no_cameras, "no cameras: name one with --source"),
        (same_name, "cameras.street: 'all' names a zone and a line"),
    ],
)
def test_a_users_mistake_is_one_clear_line_and_a_failure(
    tmp_path: Path, short_video: Path, spoil: Callable[[dict[str, Any]], None], says: str
) -> None:
    settings = config(f"mqtt://127.0.0.1:{free_port()}", short_video)
    spoil(settings)
    file = tmp_path / "edge.yaml"
    file.write_text(yaml.safe_dump(settings))
    result = subprocess.run(
        [sys.executable, "-m", "edge_node", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"DARNER_LOG_LEVEL": "ERROR"},
        cwd=REPO,
        check=False,
    )
    assert result.returncode in (1, 2)
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if "ERROR" in line]
    assert len(errors) == 1, result.stderr


def test_a_metrics_port_that_is_taken_ends_the_node_before_it_has_said_anything(
    broker: Mosquitto, people_video: Path, tmp_path: Path
) -> None:
    prefix = "test-port/v1"
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        Client(MqttSettings(url=broker.url), name="listener") as listener,
    ):
        listener.subscribe(f"{prefix}/+/info", 1)
        assert listener.wait_subscribed(30)
        port = taken.getsockname()[1]
        settings = config(broker.url, people_video, prefix) | {"prometheus": {"port": port}}
        with edge(tmp_path, settings) as process:
            said = process.communicate(timeout=60)[1]
        assert process.returncode == 2
        assert f"prometheus: 127.0.0.1:{port}: Address already in use" in said
        assert len(listener.received) == 0, "it is known before the node announces itself"


def test_any_json_reader_understands_a_message(broker: Mosquitto, short_video: Path, tmp_path: Path) -> None:
    prefix = "test-json/v1"
    with listening(broker.url, prefix) as heard, edge(tmp_path, config(broker.url, short_video, prefix)):
        heard.listen_until(lambda: heard.names()["detections"] >= 1)
    raw = next(received.payload for row, _, received, _ in heard.seen if row is topics.DETECTIONS)
    assert json.loads(raw) == orjson.loads(raw)
    assert next(iter(json.loads(raw))) == "schema"
