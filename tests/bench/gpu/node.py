"""A whole node on a GPU: cameras whose pictures are in memory, as fast as the node takes them.

    python -m tests.bench.gpu.node [--objects 39 1] [--cameras 16] [--seconds 10] [--py-spy FOLDER]

Each camera gives 1280x720 pictures, and waits only until the node has room for the next one. The network has
the layers of YOLOv8n in half precision (`yolo_shaped.py`); the boxes that its random weights would find are
replaced, in the network itself, by a number of objects that stand still. Everything behind it is real:
tracker, analytics, a broker in a process of its own, and a JPEG of each camera five times a second. Ages are
taken by a subscriber in another process, and count from the moment a camera has its picture, so that the wait
for room is in them.

`--engine cpu` runs the same network on the processor, and `--engine stand-in` an engine that only waits as
long as a GPU would take: they show on a machine without a GPU what the rest costs. `--py-spy` writes profiles
by thread for https://www.speedscope.app, taken after the measurement, with and without the threads that wait
for the interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge_node import interpreter
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from edge_node.config.publishing import ThumbnailSettings
from edge_node.config.settings import EdgeConfig
from edge_node.detect import detector as detector_module
from edge_node.flow import pipeline as pipeline_module
from edge_node.frames import Frame
from edge_node.pictures import U8, Lender
from shared.mqtt.address import MqttSettings
from tests.bench.gpu.detect import scene
from tests.bench.gpu.standing import StandIn, stamped
from tests.bench.gpu.yolo_shaped import write
from tests.bench.pipeline.ours import cpu_s, running
from tests.bench.pipeline.threads import shares, thread_times
from tests.bench.wire.listener import Listener
from tests.conftest import free_port, wait_for_port

WIDTH, HEIGHT = 1280, 720
PICTURES = 4
JPEGS_PER_S = 5.0
SETTLE_S = 3.0
PROFILE_S = 8


def cameras_in_memory() -> None:
    """Let every camera of pipelines made from now on give pictures as fast as the node takes them."""
    shown = [scene(index) for index in range(PICTURES)]

    def lent(lender: Lender | None) -> list[U8]:
        """The pictures in the engine's own memory, as a camera's decoder would write them there."""
        if lender is None:
            return shown
        copies = [lender.lend(HEIGHT, WIDTH) for _ in shown]
        for copy, picture in zip(copies, shown, strict=True):
            copy[...] = picture
        return copies

    def capture(camera: str, _: object, stop: threading.Event, __: object, **given: Any) -> Iterator[Frame]:
        pictures, seq = lent(given["lender"]()), 0
        while not stop.is_set():
            # The clock of a film, because a film waits for room and a camera does not.
            yield Frame(
                camera, seq, time.time_ns(), time.monotonic_ns(), pictures[seq % PICTURES], False, "media"
            )
            seq += 1

    vars(pipeline_module)["capture"] = capture


@contextmanager
def broker(engine: str) -> Iterator[int]:
    """A broker in a process of its own; its port."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "broker", "--port", str(port), "--engine", engine],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def profile(folder: Path, name: str) -> None:
    """Let py-spy look at this process: what runs, and what holds the interpreter."""
    program = shutil.which("py-spy")
    if program is None:
        raise SystemExit("py-spy is not installed: pip install py-spy")
    folder.mkdir(parents=True, exist_ok=True)
    for kind, options in {"all": [], "holding": ["--gil"]}.items():
        command = [
            program,
            "record",
            "--pid",
            str(os.getpid()),
            "--duration",
            str(PROFILE_S),
            "--rate",
            "100",
        ]
        command += [
            "--threads",
            "--nonblocking",
            "--format",
            "raw",
            "--output",
            str(folder / f"{name}-{kind}.txt"),
        ]
        subprocess.run([*command, *options], check=False, stdout=subprocess.DEVNULL)


def settings(options: argparse.Namespace, folder: Path, objects: int) -> ModelSettings:
    """The network in its engine."""
    if options.engine == "stand-in":
        vars(detector_module)["choose"] = lambda *_: StandIn(objects)
        return ModelSettings()
    half = options.engine == "cuda"
    path = stamped(write(folder / f"n-{objects}.onnx", "n", half=half), objects)
    return ModelSettings(name=str(path), backend="onnxruntime", providers=(options.engine,))


def measure(options: argparse.Namespace, objects: int) -> dict[str, Any]:
    """One row: a node that sees this many objects in each picture."""
    names = [f"c{number}" for number in range(options.cameras)]
    camera = CameraSettings(source="rtsp://memory", thumbnail=ThumbnailSettings(fps=JPEGS_PER_S))
    with tempfile.TemporaryDirectory() as folder, broker(options.broker) as port:
        config = EdgeConfig(
            node="gpu",
            model=settings(options, Path(folder), objects),
            cameras=dict.fromkeys(names, camera),
            mqtt=MqttSettings(url=f"mqtt://127.0.0.1:{port}"),
        )
        with (
            Listener(port, "darner/v1/gpu/camera/+/detections", version=5) as listener,
            running(config) as (pipeline, publisher, client),
        ):
            time.sleep(SETTLE_S)
            publisher.stopwatch.report()
            before, cpu, began = pipeline.overview.metrics().cameras, cpu_s(), time.time()
            jpegs, threads = sum(publisher.thumbnails_sent.values()), thread_times()
            lost = sum(publisher.outgoing.dropped.values()) + sum(client.dropped.values())
            time.sleep(options.seconds)
            after, ended = pipeline.overview.metrics().cameras, time.time()
            cpu, seconds = cpu_s() - cpu, ended - began
            busy = shares(threads, thread_times(), seconds)
            jpegs = sum(publisher.thumbnails_sent.values()) - jpegs
            stages = {name: stage.p50 for name, stage in publisher.stopwatch.report().items()}
            lost = sum(publisher.outgoing.dropped.values()) + sum(client.dropped.values()) - lost
            seen = [len(item.tracks) for name in names if (item := publisher.newest(name))]
            if pipeline.error is not None:
                raise pipeline.error
            if options.py_spy:
                profile(options.py_spy, f"{options.engine}-{objects}")
    rows = [row for rows in listener.arrived.values() for row in rows]
    ages = [age for at, age in rows if began <= at < ended]
    rates = [(after[name].processed - before[name].processed) / seconds for name in names]
    quantiles = np.percentile(ages, [50, 95, 99]).round(1).tolist() if ages else [float("nan")] * 3
    return {
        "objects": objects,
        "cameras": options.cameras,
        "switch_s": interpreter.SWITCH_S,
        "tracked": float(np.mean(seen)),
        "fps": round(sum(rates), 1),
        "published_per_s": round(len(ages) / seconds, 1),
        "fairness": round(max(rates) / max(min(rates), 1e-9), 3),
        "age_ms": dict(zip(("p50", "p95", "p99"), quantiles, strict=True)),
        "jpegs_per_s": round(jpegs / seconds, 1),
        "replaced_or_lost": lost,
        "cpu_ms_per_frame": round(cpu * 1e3 / max(1.0, sum(rates) * seconds), 3),
        "threads_percent": busy,
        "stages_p50_ms": stages,
    }


def main() -> None:
    """Measure what is asked for; one line of JSON for each number of objects."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, nargs="+", default=[39, 1], help="in each picture")
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--engine", choices=("cuda", "cpu", "stand-in"), default="cuda")
    parser.add_argument("--broker", choices=("auto", "mosquitto", "rumqttd"), default="auto")
    parser.add_argument("--py-spy", type=Path, metavar="FOLDER")
    parser.add_argument("--switch", type=float, metavar="SECONDS", help="see edge_node/interpreter.py")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cameras_in_memory()
    if options.switch:
        vars(interpreter)["SWITCH_S"] = options.switch
    rows = []
    for objects in options.objects:
        rows.append(measure(options, objects))
        print(json.dumps(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps({"cores": os.cpu_count(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
