"""What a running node tells monitors of its parts."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.settings import PrometheusSettings
from edge_node.control.late_stages import LateStages
from edge_node.control.monitored import Monitoring, Shown
from edge_node.monitoring.meter import Meter
from shared.service.watchdog import Look, Stage, Watchdog
from shared.wire.messages import ModelInfo
from tests.edge_node.flow.test_pipeline import StandInDetector, make

MODEL = ModelInfo(name="m", classes=("person",), input_width=1, input_height=1, layout="l")


class Scene:
    """A node whose parts are there, and do not run."""

    def __init__(self, monitoring: Monitoring) -> None:
        self.monitoring, self.now_s, self.stopping = monitoring, 0.0, False
        self.cameras = {"door": CameraSettings(source="0", name="Tür")}
        self.pipeline, _, self.publisher, _, self.client = make(self.cameras, StandInDetector())
        self.late = LateStages("n", lambda _: None, lambda _: None)
        stages = [Stage("infer", lambda: Look(1))]
        self.watchdog = Watchdog(stages, self.late.note, lambda _: None, clock=lambda: self.now_s)

    def begin(self) -> None:
        self.monitoring.begin(
            Shown(
                client=self.client,
                publisher=self.publisher,
                pipeline=self.pipeline,
                watchdog=self.watchdog,
                late=self.late,
                definitions=DefinitionStore(None, self.cameras),
                problems=dict,
                meter=Meter(self.cameras, ("person",)),
                running=lambda: (MODEL, "onnx", "cpu"),
                stopping=lambda: self.stopping,
            )
        )

    def get(self, page: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.monitoring.port}/{page}", timeout=5
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def reasons(self, page: str) -> tuple[int, list[str]]:
        status, text = self.get(page)
        return status, json.loads(text)["reasons"]


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Monitoring(PrometheusSettings(port=0), "n") as monitoring:
        yield Scene(monitoring)


def test_the_port_answers_before_the_parts_are_there(scene: Scene) -> None:
    assert scene.reasons("health") == (200, [])
    assert scene.reasons("ready") == (503, ["the model is being loaded"])
    assert scene.get("metrics") == (200, "")


def test_a_node_without_broker_and_frames_is_alive_and_says_what_is_missing(scene: Scene) -> None:
    scene.begin()
    scene.publisher.state.camera_status("door", "reconnecting", "no route to host")
    assert scene.reasons("health") == (200, [])
    missing = ["the broker is not connected", "camera door is reconnecting: no route to host"]
    assert scene.reasons("ready") == (503, missing)
    _, text = scene.get("metrics")
    assert 'darner_edge_broker_connected{node="n"} 0.0' in text
    assert 'darner_edge_camera_reconnects_total{camera="door",node="n"} 1.0' in text
    assert 'darner_edge_camera_info{camera="door",name="Tür",node="n"} 1.0' in text
    assert 'model="m"' in text


def test_an_error_of_a_stage_is_told(scene: Scene) -> None:
    scene.begin()
    scene.pipeline.error = RuntimeError("the network has gone")
    assert scene.reasons("health") == (503, ["the network has gone"])


def test_no_reason_tells_a_password(scene: Scene) -> None:
    scene.begin()
    scene.pipeline.error = RuntimeError("cannot open rtsp://admin:hunter2@10.0.0.9/live")
    scene.publisher.state.camera_status("door", "reconnecting", "rtsp://admin:hunter2@10.0.0.9/live: refused")
    for page in ("health", "ready", "metrics"):
        assert "hunter2" not in scene.get(page)[1]
    assert "10.0.0.9" in scene.get("ready")[1]


def test_a_stage_that_stands_still_is_named(scene: Scene) -> None:
    scene.begin()
    for _ in range(12):
        scene.now_s += 1.0
        if not scene.watchdog.look():
            break
    status, reasons = scene.reasons("health")
    assert status == 503
    assert "stand" in reasons[0]


def test_a_node_that_stops_takes_no_more_work(scene: Scene) -> None:
    scene.begin()
    scene.stopping = True
    assert scene.reasons("health") == (200, [])
    assert "the node is stopping" in scene.reasons("ready")[1]
