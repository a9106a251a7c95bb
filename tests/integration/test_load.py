"""What a node says of itself while it runs, and cameras on several detectors."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

import cv2
import pytest

from shared.wire import messages, topics
from tests.conftest import Mosquitto, free_port
from tests.integration.test_file_to_mqtt import config, edge, listen_to_the_end, listening


@pytest.fixture(scope="module")
def short_video(people_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "short.avi"
    reader = cv2.VideoCapture(str(people_video))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (768, 576))
    for _ in range(30):
        writer.write(reader.read()[1])
    writer.release()
    return path


def test_a_node_says_where_its_frames_come_from_and_what_waits(
    broker: Mosquitto, short_video: Path, tmp_path: Path
) -> None:
    prefix, port = "test-load/v1", free_port()
    settings = config(broker.url, short_video, prefix, pace="realtime", loop=True, max_fps=4, motion_gate=1)
    settings["prometheus"] = {"port": port}
    with listening(broker.url, prefix) as heard, edge(tmp_path, settings):
        heard.listen_until(lambda: len(heard.of(topics.METRICS)) == 2)
        exported, ready = (
            urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=30).read().decode()
            for page in ("metrics", "ready")
        )
    assert '"status": "ready"' in ready
    infos = heard.of(topics.INFO)
    assert (infos[0].cameras[0].clock, infos[0].cameras[0].reader) == (None, None), "no frame yet"
    assert (infos[-1].cameras[0].clock, infos[-1].cameras[0].reader) == ("media", "opencv ffmpeg")
    assert len(infos) == 2, "said once, not with every frame"
    metrics: messages.Metrics = heard.of(topics.METRICS)[-1]
    street = metrics.cameras["street"]
    assert list(metrics.stages) == ["capture", "look", "watch", "publish"]
    assert metrics.stages["capture"].dropped >= street.captured - street.processed - 4
    assert metrics.stages["capture"].dropped > 10, "what max_fps holds back"
    assert sum(int(size) * runs for size, runs in metrics.batches.items()) + street.still >= street.processed
    assert {"send", "capture_to_publish", "inference"} <= set(metrics.stages_ms)
    node = metrics.node
    assert f'darner_edge_stage_dropped_total{{node="{node}",stage="capture"}}' in exported
    assert f'darner_edge_batches_total{{frames="1",node="{node}"}}' in exported
    latency = f'darner_edge_latency_seconds_count{{camera="street",node="{node}"}} '
    assert float(exported.partition(latency)[2].split()[0]) > 0
    assert f'darner_edge_stage_seconds_count{{node="{node}",stage="wait"}}' in exported


@pytest.mark.long
def test_cameras_on_two_detectors_see_what_they_see_on_one(
    broker: Mosquitto, short_video: Path, tmp_path: Path
) -> None:
    seen: list[dict[tuple[str, int], Any]] = []
    for devices in ([0], [0, 1]):
        prefix = f"test-devices-{len(devices)}/v1"
        settings = config(broker.url, short_video, prefix, pace="realtime", fps=20)
        settings["cameras"]["yard"] = settings["cameras"]["street"]
        settings["model"] |= {"devices": devices, "threads": 1}
        with listening(broker.url, prefix) as heard, edge(tmp_path, settings) as node:
            listen_to_the_end(heard)
            assert node.wait(30) == 0
        assert heard.of(topics.INFO)[-1].device == ", ".join(["cpu"] * len(devices))
        seen.append({(m.camera, m.seq): m.objects for m in heard.of(topics.DETECTIONS)})
    one, two = seen
    assert {camera for camera, _ in two} == {"street", "yard"}
    both = one.keys() & two.keys()
    assert len(both) > 40, "a node under load may drop some"
    assert all(one[key] == two[key] for key in both)
