"""Our pipeline, whole, with the detector of `injected.py` in place of the network; see `pipeline_cost.py`."""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the repository, when run as a script

from edge_node import detector as detector_module
from edge_node.__main__ import SWITCH_S
from edge_node.backends.backend import Inference, ModelFile, Tensor, Wanted
from edge_node.config import CameraSettings, EdgeConfig, ModelSettings, ThumbnailSettings
from edge_node.definitions import DefinitionStore
from edge_node.detect import Detect
from edge_node.detector import Detector
from edge_node.frames import U8
from edge_node.live import Controls
from edge_node.outbox import Outbox, OutboxSettings
from edge_node.pictures import Pictures
from edge_node.pipeline import Pipeline
from edge_node.preprocess import InputFormat, Preprocessor, TensorFormat
from edge_node.publisher import Publisher
from shared.mqtt import Client, MqttSettings
from tests.bench.injected import ANCHORS, HEIGHT, WIDTH, Injected

WARM = 50


class InjectedBackend:
    """An engine that takes bytes, as ours on the CPU do, and waits."""

    name, device, max_batch, letterboxes = "injected", "nowhere", 1, False
    model = ModelFile(
        (Tensor("images", (1, 3, HEIGHT, WIDTH)),), (Tensor("output", (1, 84, ANCHORS)),), {"imgsz": "640"}
    )

    def __init__(self, milliseconds: float) -> None:
        self._network = Injected(milliseconds)
        self._prepare: Preprocessor | None = None

    def infer(self, images: Sequence[U8], target: InputFormat, wanted: Wanted) -> Inference:  # noqa: ARG002
        """See `Backend`."""
        if self._prepare is None:
            self._prepare = Preprocessor(target, TensorFormat("uint8", channels_last=True))
        start = time.perf_counter()
        _, fits = self._prepare.batch(images)
        ready = time.perf_counter()
        output = self._network.run()[0].copy()
        return Inference([[output]], fits, (ready - start) * 1e3, (time.perf_counter() - ready) * 1e3)

    def close(self) -> None:
        """Nothing is held."""


def bare(milliseconds: float, frames: int) -> float:
    """Runs a second of the detector alone, with nothing before or behind it."""
    network = Injected(milliseconds)
    for _ in range(WARM):
        network.run()
    start = time.perf_counter()
    for _ in range(frames):
        network.run()
    return frames / (time.perf_counter() - start)


def main() -> None:
    """Process the video as fast as it goes and print what it took."""
    video, port, milliseconds, frames = sys.argv[1:]
    count = int(frames)
    sys.setswitchinterval(SWITCH_S)
    vars(detector_module)["choose"] = lambda *_: InjectedBackend(float(milliseconds))
    cameras = {
        "c": CameraSettings(
            source=video, pace="fast", loop=True, thumbnail=ThumbnailSettings(fps=5, width=320)
        )
    }
    config = EdgeConfig(node="bench", cameras=cameras, mqtt=MqttSettings(url=f"mqtt://127.0.0.1:{port}"))
    stop, objects = threading.Event(), 0
    with (
        Detector(ModelSettings()) as detector,
        Client(config.mqtt, name="bench") as client,
        Outbox(client, OutboxSettings(path=None), "bench", config.mqtt.prefix, "s") as outbox,
        Pictures(client) as pictures,
    ):
        client.wait_connected(10)
        seen: list[tuple[float, float, int]] = []

        def note(item: object) -> None:
            seen.append((time.perf_counter(), _cpu(), len(item.tracks)))  # type: ignore[attr-defined]

        publisher = Publisher(client, outbox, pictures, config, detector.class_names, "s", note)
        controls = Controls(config)
        detect = Detect(detector, cameras, controls)
        pipeline = Pipeline(config, [detect], publisher, controls, DefinitionStore(None, cameras), stop)
        pipeline.start()
        while len(seen) < count + WARM and pipeline.error is None:
            time.sleep(0.02)
        stop.set()
        pipeline.join(5)
        stages = publisher.stopwatch.report()
    (began, cpu, _), (ended, cpu_end, _) = seen[WARM], seen[WARM + count - 1]
    objects = int(np.mean([row[2] for row in seen[WARM:]]))
    result = {
        "fps": (count - 1) / (ended - began),
        "cpu_ms": (cpu_end - cpu) * 1e3 / (count - 1),
        "objects": objects,
        "published": client.dropped["detections"],
        "stages_p50_ms": {name: stage.p50 for name, stage in stages.items()},
        "bare_fps": bare(float(milliseconds), 300),
    }
    print("RESULT " + json.dumps(result))


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
