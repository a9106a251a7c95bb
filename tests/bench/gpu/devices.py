"""One node's pipeline over several GPUs: video files as cameras, as fast as they go.

Everything is real but the broker, which is absent: messages are made and dropped. The built-in model is no
work for a large GPU; the network shaped as YOLOv8s with a 1280x1280 input is, and what its random weights see
is not passed on. Needs NVIDIA GPUs, pycuda and onnxruntime-gpu.
`python -m tests.bench.gpu.devices VIDEO --devices 0 1`
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.model_settings import ModelSettings
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.settings import EdgeConfig
from edge_node.detect.devices import on_devices
from edge_node.detect.stages import Detect
from edge_node.flow.pipeline import Pipeline
from edge_node.outbox.outbox import Outbox
from edge_node.publish.compose import Composer
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from tests.bench.gpu.yolo_shaped import write
from tests.conftest import free_port


def measure(model: ModelSettings, video: Path, cameras: int, seconds: float) -> dict[str, Any]:
    """Frames per second through the whole pipeline, after a warm-up of a second."""
    config = EdgeConfig(
        node="n",
        model=model,
        cameras={
            f"cam{index}": CameraSettings(source=str(video), loop=True, pace="fast")
            for index in range(cameras)
        },
        mqtt=MqttSettings(url=f"mqtt://127.0.0.1:{free_port()}"),
    )
    stop, client = threading.Event(), Client(config.mqtt, name="bench")
    with on_devices(config.model) as detectors:
        outbox = Outbox(client, config.outbox, config.node, config.mqtt.prefix, "s")
        live = LiveStore(config)
        composer = Composer(config.node, "s", detectors[0].class_names)
        publisher = Publisher(client, outbox, SnapshotSender(client), config, live, composer)
        detects = [Detect(one, config.cameras, live) for one in detectors]
        pipeline = Pipeline(config, detects, publisher, live, DefinitionStore(None, config.cameras), stop)
        pipeline.start()
        time.sleep(1)
        pipeline.overview.metrics()
        before = [Counter(one.batches_run) for one in detects]
        cpu, start = time.process_time(), time.perf_counter()
        time.sleep(seconds)
        load = pipeline.overview.metrics()
        cpu, elapsed = time.process_time() - cpu, time.perf_counter() - start
        runs = [Counter(one.batches_run) - old for one, old in zip(detects, before, strict=True)]
        stop.set()
        stuck = pipeline.join(20)
        if pipeline.error:
            raise pipeline.error
        rates = [one.fps_out for one in load.cameras.values()]
        return {
            "model": Path(model.name).name,
            "devices": [
                f"{index}: {one.device}" for index, one in zip(model.devices, detectors, strict=True)
            ],
            "engine": detectors[0].backend_name,
            "cameras": cameras,
            "fps": round(sum(rates), 1),
            "slowest_and_fastest_camera_fps": [min(rates), max(rates)],
            "frames_by_detector": [sum(size * count for size, count in one.items()) for one in runs],
            "batches_run": [dict(sorted(one.items())) for one in runs],
            "cores_busy": round(cpu / elapsed, 2),
            "stuck": stuck,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--devices", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8.0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    sys.setswitchinterval(0.0005)
    with tempfile.TemporaryDirectory() as folder:
        large = write(Path(folder) / "s-1280.onnx", "s", size=1280)
        for name, confidence in (("nanodet_g", 0.3), (str(large), 1.0)):
            for devices in (args.devices[:1], args.devices):
                model = ModelSettings(
                    name=name,
                    backend="onnxruntime",
                    providers=("cuda",),
                    devices=tuple(devices),
                    confidence=confidence,
                )
                print(json.dumps(measure(model, args.video, args.cameras, args.seconds)), flush=True)


if __name__ == "__main__":
    main()
