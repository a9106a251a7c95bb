"""A running node takes up its configuration again: by command, by signal, and not when it is wrong."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import orjson
import pytest
import yaml

from edge_node.assets.download import sha256
from edge_node.assets.models import BUILT_IN, DEFAULT
from edge_node.backends.lineage import DATA, MADE, PARENT
from optimization.training.nightly import ask
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import messages, topics
from tests.conftest import Mosquitto, wait_until
from tests.edge_node.publish.homeassistant.rules import check, present
from tests.integration.test_file_to_mqtt import Listener, config, edge, listening

PARENT_SHA, DATA_SHA, TIME = "a" * 64, "b" * 64, "2026-01-02T03:04:05+00:00"
SQUARE = {"polygon": [[0, 0], [0.5, 0], [0.5, 0.5]]}


class Node:
    """A node that runs, what it says, and its configuration file."""

    def __init__(
        self, process: subprocess.Popen[str], heard: Listener, asker: Client, file: Path, prefix: str
    ) -> None:
        self.process, self.heard, self._asker, self._file, self._prefix = process, heard, asker, file, prefix

    def write(self, settings: dict[str, Any]) -> None:
        self._file.write_text(yaml.safe_dump(settings))

    def ask(self, command: str, **body: Any) -> messages.Response:
        before = self.heard.names()["response"]
        path = topics.REQUEST.path(self._prefix, node="box", command=command)
        assert self._asker.publish(topics.REQUEST, path, orjson.dumps(body)), "no connection"
        self.heard.listen_until(lambda: self.heard.names()["response"] > before)
        answer: messages.Response = self.heard.of(topics.RESPONSE)[-1]
        return answer

    def rate(self, row: topics.Topic, seconds: float = 2.0) -> float:
        """Messages a second from now on."""
        before, end = self.heard.names()[row.name], time.monotonic() + seconds
        self.heard.listen_until(lambda: time.monotonic() > end)
        return (self.heard.names()[row.name] - before) / seconds


@contextmanager
def running(broker: Mosquitto, tmp_path: Path, settings: dict[str, Any], prefix: str) -> Iterator[Node]:
    with (
        listening(broker.url, prefix) as heard,
        edge(tmp_path, settings) as process,
        Client(MqttSettings(url=broker.url), name="asker") as asker,
    ):
        heard.listen_until(lambda: heard.names()["detections"] >= 5)
        assert asker.wait_connected(30)
        yield Node(process, heard, asker, tmp_path / "edge.yaml", prefix)


def test_what_can_change_does_and_the_rest_is_named(
    broker: Mosquitto, people_video: Path, tmp_path: Path
) -> None:
    prefix = "test-reload/v1"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True)
    settings["zones_file"] = str(tmp_path / "zones.json")
    with running(broker, tmp_path, settings, prefix) as node:
        model = {"state": "unchanged", "sha256": sha256(BUILT_IN / f"{DEFAULT}.onnx")}
        assert node.ask("reload").result == {"applied": [], "restart": [], "warnings": [], "model": model}

        street = settings["cameras"]["street"]
        street |= {"detect_every": 3, "detections_fps": 2, "zones": {"corner": {**SQUARE, "name": "Ecke"}}}
        street["name"], settings["node_name"] = "Straße", "Laden"
        street["thumbnail"] = {"fps": 0}
        settings["model"] = {**settings.get("model", {}), "confidence": 0.2, "iou": 0.5}
        settings["cameras"]["second"] = {"source": str(people_video)}
        node.write(settings)
        answer = node.ask("reload")
        assert answer.error is None
        assert set(answer.result["applied"]) == {
            "node_name",
            "cameras.street.name",
            "model.confidence",
            "cameras.street.detect_every",
            "cameras.street.detections_fps",
            "cameras.street.thumbnail.fps",
            "cameras.street.thumbnail.width",
            "cameras.street.zones",
        }
        assert set(answer.result["restart"]) == {"cameras.second", "model.iou"}
        node.heard.listen_until(lambda: node.heard.of(topics.ZONES)[-1].zones.keys() == {"corner"})
        node.heard.listen_until(lambda: node.heard.of(topics.INFO)[-1].cameras[0].zones == 1)
        assert node.heard.of(topics.ZONES)[-1].zones["corner"].name == "Ecke"
        info = node.heard.of(topics.INFO)[-1]
        assert (info.name, info.cameras[0].name) == ("Laden", "Straße")
        # More than once: what was sent before may still be on its way to us.
        assert any(node.rate(topics.DETECTIONS) <= 3 for _ in range(5))
        assert any(node.rate(topics.THUMBNAIL) == 0 for _ in range(5))
        in_force = node.ask("set", paused=False).result["cameras"]["street"]
        assert (in_force["confidence"], in_force["detect_every"], in_force["thumbnail_fps"]) == (0.2, 3, 0)
        again = node.ask("reload").result
        assert (again["applied"], set(again["restart"])) == ([], {"cameras.second", "model.iou"})


def test_what_was_set_over_mqtt_stays_until_the_file_says_something_new(
    broker: Mosquitto, people_video: Path, tmp_path: Path
) -> None:
    prefix = "test-reload-set/v1"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True)
    settings["zones_file"] = str(tmp_path / "zones.json")
    with running(broker, tmp_path, settings, prefix) as node:
        node.ask("set", confidence=0.4, detect_every=2)
        node.ask("zones.set", camera="street", zones={"drawn": SQUARE}, lines={}, version=1)
        node.heard.listen_until(lambda: node.heard.of(topics.ZONES)[-1].zones.keys() == {"drawn"})
        settings["cameras"]["street"]["detect_every"] = 4
        node.write(settings)
        assert node.ask("reload").result["applied"] == ["cameras.street.detect_every"]
        in_force = node.ask("set", paused=False).result["cameras"]["street"]
        assert (in_force["confidence"], in_force["detect_every"]) == (0.4, 4)
        assert node.heard.of(topics.ZONES)[-1].zones.keys() == {"drawn"}
        settings["cameras"]["street"]["zones"] = {"filed": SQUARE}
        node.write(settings)
        node.ask("reload")
        node.heard.listen_until(lambda: node.heard.of(topics.ZONES)[-1].zones.keys() == {"filed"})
        assert node.heard.of(topics.ZONES)[-1].version == 3
        settings |= {"calendar": {"timezone": "Asia/Tokyo"}}
        settings["cameras"]["street"]["zones"] = {"third": SQUARE}
        node.write(settings)
        file = tmp_path / "zones.json"
        file.rename(tmp_path / "kept.json")
        file.mkdir()  # it cannot be written now
        assert "nothing was changed" in (node.ask("reload").error or "")
        assert node.heard.names()["calendar"] == 0
        file.rmdir()
        assert {"calendar.timezone"} < set(node.ask("reload").result["applied"])
        node.heard.listen_until(lambda: node.heard.of(topics.ZONES)[-1].zones.keys() == {"third"})
        node.process.terminate()
        assert node.process.wait(30) == 0
    with running(broker, tmp_path, settings, prefix) as node:
        last = node.heard.of(topics.ZONES)[-1]
        assert (last.version, last.zones.keys()) == (4, {"third"}), "the same after a restart"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param("cameras: [", "is not valid YAML", id="not YAML"),
        pytest.param("camras: {}", "did you mean 'cameras'", id="unknown key"),
        pytest.param(
            "cameras: {street: {source: /nowhere.avi}}", "/nowhere.avi", id="a file that is not there"
        ),
        pytest.param(None, "no such configuration file", id="gone"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason_and_changes_nothing(
    broker: Mosquitto, people_video: Path, tmp_path: Path, damage: str | None, says: str
) -> None:
    prefix = "test-reload-wrong/v1"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True)
    with running(broker, tmp_path, settings, prefix) as node:
        file = tmp_path / "edge.yaml"
        file.unlink() if damage is None else file.write_text(damage)
        answer = node.ask("reload")
        assert says in (answer.error or "")
        assert answer.result == {}
        settings["cameras"]["street"]["detections_fps"] = 1
        node.write(settings)
        assert node.ask("reload").result["applied"] == ["cameras.street.detections_fps"]


def test_a_hangup_does_the_same(broker: Mosquitto, people_video: Path, tmp_path: Path) -> None:
    prefix = "test-reload-hup/v1"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True)
    with running(broker, tmp_path, settings, prefix) as node:
        (tmp_path / "edge.yaml").write_text("nonsense: 1")
        node.process.send_signal(signal.SIGHUP)
        assert node.process.stderr is not None
        refused = next(line for line in node.process.stderr if "nothing was changed" in line)
        assert "nonsense" in refused
        assert node.process.poll() is None
        settings["cameras"]["street"]["zones"] = {"corner": SQUARE}
        node.write(settings)
        node.process.send_signal(signal.SIGHUP)
        node.heard.listen_until(lambda: node.heard.of(topics.ZONES)[-1].zones.keys() == {"corner"})
        node.process.terminate()
        said = node.process.communicate(timeout=60)[1]
    assert "applied: cameras.street.zones" in said


def test_home_assistant_follows_zones_that_are_drawn_and_configured_while_the_node_runs(
    broker: Mosquitto, people_video: Path, tmp_path: Path
) -> None:
    prefix, discovery = "ha-follow/v1", "ha-follow-discovery"
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True)
    settings["homeassistant"] = {"enabled": True, "prefix": discovery}
    settings["zones_file"] = str(tmp_path / "zones.json")
    path = f"{discovery}/device/box/street/config"
    came: list[dict[str, Any]] = []
    with Client(MqttSettings(url=broker.url), name="ha") as ha:
        ha.subscribe(path, 1)
        assert ha.wait_subscribed(30)

        def components() -> set[str]:
            while len(ha.received):
                payload = ha.received.get().payload
                came.append(orjson.loads(payload) if payload else {"components": {}})
            return set(present(came[-1])["components"]) if came else set()

        with running(broker, tmp_path, settings, prefix) as node:
            wait_until(lambda: {"zone-all-count", "line-gate-in"} <= components())
            node.ask("zones.set", camera="street", zones={"drawn": SQUARE}, lines={}, version=1)
            wait_until(lambda: "zone-drawn-count" in components() and "zone-all-count" not in components())
            gone = {"zone-all-count": "sensor", "zone-all-occupied": "binary_sensor"}
            gone |= {"line-gate-in": "sensor", "line-gate-out": "sensor"}
            for key, platform in gone.items():
                assert came[-1]["components"][key] == {"platform": platform}
            check(present(came[-1]))
            before = len(came)
            node.ask("set", detect_every=2)
            node.ask("reload")
            assert components()
            assert len(came) == before, "what has not changed is not announced again"
            settings["cameras"]["street"]["zones"] = {"filed": SQUARE}
            settings["cameras"]["street"]["thumbnail"] = {"fps": 0}
            node.write(settings)
            node.ask("reload")
            wait_until(lambda: "zone-filed-count" in components() and "zone-drawn-count" not in components())
            assert "picture" not in components()
            check(present(came[-1]))
            settings["homeassistant"]["enabled"] = False
            node.write(settings)
            assert node.ask("reload").result["applied"] == ["homeassistant.enabled"]
            wait_until(lambda: not components())


def adapted(path: Path, *, person: str = "person") -> Path:
    """The built-in model with slightly other weights and a lineage, written whole beside `path`."""
    model = onnx.load(BUILT_IN / f"{DEFAULT}.onnx")
    for tensor in model.graph.initializer:
        if tensor.name.startswith("unknown_") and tensor.data_type == onnx.TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(tensor) * np.float32(1.0001)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    known = {item.key: item.value for item in model.metadata_props}
    lineage = {PARENT: PARENT_SHA, DATA: DATA_SHA, MADE: TIME}
    names = known["names"].replace("person", person)
    onnx.helper.set_model_props(model, known | lineage | {"names": names})
    new = path.with_name("new")
    onnx.save(model, new)
    return new


def reason_says(node: Node, text: str) -> bool:
    return text in (node.heard.of(topics.STATUS)[-1].reason or "")


@pytest.mark.timing  # a publisher that gets no processor leaves out frames, as it should
def test_frames_go_on_while_a_new_file_takes_over_and_a_bad_one_is_refused(
    broker: Mosquitto, people_video: Path, tmp_path: Path
) -> None:
    prefix, model = "test-model-reload/v1", tmp_path / "yard.onnx"
    model.write_bytes((BUILT_IN / f"{DEFAULT}.onnx").read_bytes())
    before = sha256(model)
    settings = config(broker.url, people_video, prefix, pace="realtime", loop=True)
    settings["model"] = {"name": str(model), "input_size": 256}
    with running(broker, tmp_path, settings, prefix) as node:
        about = node.heard.of(topics.INFO)[-1].model
        assert (about.sha256, about.parent, about.data, about.made) == (before, None, None, None)

        new = adapted(model)
        after = sha256(new)
        new.replace(model)
        session = node.heard.of(topics.DETECTIONS)[-1].session
        said = ask.reload(MqttSettings(url=broker.url, prefix=prefix), "box")
        assert said == {"state": "loaded", "sha256": after}
        assert ask.words("box", said, model) == "node box runs the new file"
        assert "runs another model: set model.name" in ask.words("box", {**said, "sha256": before}, model)
        node.heard.listen_until(lambda: node.heard.of(topics.INFO)[-1].model.sha256 == after)
        about = node.heard.of(topics.INFO)[-1].model
        assert (about.parent, about.data, about.made) == (PARENT_SHA, DATA_SHA, TIME)
        seen = len(node.heard.of(topics.DETECTIONS))
        node.heard.listen_until(lambda: any(one.objects for one in node.heard.of(topics.DETECTIONS)[seen:]))
        frames = node.heard.of(topics.DETECTIONS)
        assert {one.session for one in frames} == {session}
        assert frames[-1].dropped == 0

        for damage, says in (
            (model.read_bytes()[:-1000], "ONNX Runtime cannot load it"),
            (adapted(model, person="human").read_bytes(), "has other classes"),
            (None, "no such file"),
        ):
            model.unlink()
            if damage is not None:
                model.write_bytes(damage)
            answer = node.ask("reload")
            assert answer.error is None
            refused = answer.result["model"]
            assert (refused["state"], refused["sha256"]) == ("refused", after)
            assert says in refused["why"]
            node.heard.listen_until(partial(reason_says, node, says))
            seen = len(node.heard.of(topics.DETECTIONS))
            node.heard.listen_until(lambda: len(node.heard.of(topics.DETECTIONS)) > seen)  # noqa: B023 - used inside its turn

        model.write_bytes((BUILT_IN / f"{DEFAULT}.onnx").read_bytes())
        node.process.send_signal(signal.SIGHUP)
        node.heard.listen_until(lambda: node.heard.of(topics.INFO)[-1].model.sha256 == before)
        node.heard.listen_until(lambda: node.heard.of(topics.STATUS)[-1].reason is None)
