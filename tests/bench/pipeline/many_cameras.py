"""Many cameras on one node: what each costs, whether they get their share, how old their boxes are.

    python tests/bench/pipeline/many_cameras.py [--json FILE] [--seconds 10] [--cameras 1,4,16,64] [--fps 12]

Each camera gives a picture of 640x360 twelve times a second (`--fps`), and a JPEG of 320 pixels once a second
(`--jpegs`) goes out with them. The detector is injected: a batch of up to 16 takes 3 ms, and 0.5 ms more for
each further picture; 18 objects are tracked in each. Two more cameras are there every time: a slow one that
gives a picture a second, and a dead one whose driver never returns. Ages are taken by a subscriber in another
process. `--threads` prints what share of a processor each thread used. Exit code 1 when among the healthy
cameras the most frames are over 1.1 times the fewest.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.assets.samples import find_video
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.publishing import ThumbnailSettings
from edge_node.config.settings import BatchSettings, EdgeConfig
from edge_node.pictures import U8
from shared.mqtt.address import MqttSettings
from tests.bench.pipeline.ours import InjectedBackend, cpu_s, film, inject, running
from tests.bench.pipeline.paced import pictures
from tests.bench.pipeline.threads import shares, thread_times
from tests.bench.wire.listener import Listener
from tests.conftest import MosquittoProcess

FPS = 12.0
BATCH, FIRST_MS, FURTHER_MS = 16, 3.0, 0.5
FAIR = 1.1
SETTLE_S = 2.0


def _camera(name: str, shown: list[U8], healthy_fps: float) -> Iterator[tuple[U8, int]]:
    """Its pictures; cameras are not in step with each other."""
    if name == "dead":
        threading.Event().wait()
    fps = 1.0 if name == "slow" else healthy_fps
    began = time.perf_counter() + (hash(name) % 1000) / 1000 / fps
    number = 0
    while True:
        time.sleep(max(0.0, began + number / fps - time.perf_counter()))
        yield shown[number % len(shown)], time.time_ns() // 1000
        number += 1


def node(port: int, cameras: int, seconds: float, jpegs: float, fps: float) -> dict[str, Any]:
    """Run a node with this number of healthy cameras, and return what the node itself measures."""
    shown = [np.asarray(cv2.resize(image, (640, 360)), np.uint8) for image in pictures(str(find_video()))]
    inject(InjectedBackend(FIRST_MS, FURTHER_MS, BATCH, live=True))
    film(lambda name: _camera(name, shown, fps))
    names = [*(f"c{number}" for number in range(cameras)), "slow", "dead"]
    settings = CameraSettings(source="rtsp://paced", thumbnail=ThumbnailSettings(fps=jpegs, width=320))
    config = EdgeConfig(
        node="many",
        cameras=dict.fromkeys(names, settings),
        batch=BatchSettings(),
        mqtt=MqttSettings(url=f"mqtt://127.0.0.1:{port}"),
    )
    with running(config) as (pipeline, publisher, _):
        time.sleep(SETTLE_S)
        before, cpu, started = pipeline.overview.metrics().cameras, cpu_s(), time.perf_counter()
        threads = thread_times()
        publisher.stopwatch.report()
        batches = dict(pipeline.detects[0].batches_run)
        time.sleep(seconds)
        after, elapsed = pipeline.overview.metrics().cameras, time.perf_counter() - started
        cpu = cpu_s() - cpu
        busy = shares(threads, thread_times(), elapsed)
        stages = {name: stage.p50 for name, stage in publisher.stopwatch.report().items()}
        batches = {
            size: count - batches.get(size, 0) for size, count in pipeline.detects[0].batches_run.items()
        }
        if pipeline.error is not None:
            raise pipeline.error
    done = sum(after[name].processed - before[name].processed for name in names)
    captured = sum(after[name].captured - before[name].captured for name in names)
    return {
        "cpu_ms": cpu * 1e3 / max(done, 1),
        "cpu_percent": cpu * 100 / elapsed,
        "dropped": captured - done,
        "batch": sum(size * count for size, count in batches.items()) / max(1, sum(batches.values())),
        "stages_p50_ms": stages,
        "threads_percent": busy,
    }


def measure(cameras: int, options: argparse.Namespace) -> dict[str, Any]:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        broker = MosquittoProcess(Path(folder))
        broker.start()
        try:
            with Listener(broker.port, "darner/v1/many/camera/+/detections") as listener:
                asked = [
                    str(broker.port),
                    str(cameras),
                    str(options.seconds),
                    str(options.jpegs),
                    str(options.fps),
                ]
                done = subprocess.run(
                    [sys.executable, __file__, "--node", *map(str, asked)],
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                    timeout=options.seconds + 120,
                )
        finally:
            broker.kill()
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    began = min(rows[0][0] for rows in listener.arrived.values()) + SETTLE_S
    by_camera = {
        topic.split("/")[4]: [age for at, age in rows if began <= at < began + options.seconds]
        for topic, rows in listener.arrived.items()
    }
    slow = by_camera.pop("slow", [])
    rates = [len(ages) / options.seconds for ages in by_camera.values()]
    p50, p95 = np.percentile([age for ages in by_camera.values() for age in ages], [50, 95]).tolist()
    return found | {
        "cameras": cameras,
        "seen": len(by_camera),
        "fps": sum(rates),
        "fps_min": min(rates),
        "fps_max": max(rates),
        "fairness": max(rates) / min(rates),
        "p50_ms": p50,
        "p95_ms": p95,
        "slow_p50_ms": float(np.median(slow)) if slow else float("nan"),
        "load": os.getloadavg()[0],
    }


def main() -> int:
    """Measure and print; 1 when cameras do not get their share."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--cameras", type=lambda text: [int(one) for one in text.split(",")])
    parser.add_argument("--jpegs", type=float, default=1.0, help="a second and camera")
    parser.add_argument("--fps", type=float, default=FPS, help="pictures a second of a healthy camera")
    parser.add_argument("--threads", action="store_true", help="print each thread's share of a processor")
    parser.add_argument("--node", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.node:
        port, cameras, *others = options.node
        print(json.dumps(node(int(port), int(cameras), *map(float, others))), flush=True)
        os._exit(0)  # the dead camera's thread would hold the others, as in `edge_node.node`
    columns = (
        "cameras fps cpu_ms cpu_percent batch dropped fps_min fps_max fairness p50_ms p95_ms slow_p50_ms load"
    )
    print("".join(f"{column:>12}" for column in columns.split()))
    rows = []
    for cameras in options.cameras or [1, 4, 16, 64]:
        rows.append(measure(cameras, options))
        print("".join(f"{rows[-1][column]:12.2f}" for column in columns.split()), flush=True)
        if options.threads:
            print("  " + ", ".join(f"{name} {busy} %" for name, busy in rows[-1]["threads_percent"].items()))
    if options.json:
        options.json.write_text(json.dumps({"cores": os.cpu_count(), "rows": rows}, indent=2) + "\n")
    unfair = [row for row in rows if row["fairness"] > FAIR or row["seen"] < row["cameras"]]
    for row in unfair:
        print(
            f"{row['cameras']} cameras: the fastest has {row['fairness']:.2f} times the slowest's frames "
            f"(at most {FAIR}); {row['seen']} were heard of",
            file=sys.stderr,
        )
    return 1 if unfair else 0


if __name__ == "__main__":
    sys.exit(main())
