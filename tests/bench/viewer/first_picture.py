"""How soon a page has a picture of a camera that nobody has looked at, from a real node.

    python tests/bench/viewer/first_picture.py [--cameras 10] [--rates 5,1]

A real node with that many cameras plays the sample video for a real viewer. Each camera is looked at once, as
a page does it, and the time to its first picture counts: with thumbnails that are always made, and with
thumbnails on demand, at each rate of `thumbnail.fps`. Exit code 1: 95 % of the looks at the first rate waited
for more than a second.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.assets.samples import find_video
from tests.bench.viewer.unwatched import first_picture_s
from tests.conftest import REPO, MosquittoProcess, free_port, wait_for_port

NODE = "n"
WARM = 20
"""Frames that each camera has given before it is looked at."""
LONGEST_S = 60.0
LIMIT_MS = 1000.0


def measure(cameras: int, fps: float, *, on_demand: bool) -> tuple[list[float], dict[str, Any]]:
    """How long each look waited, milliseconds, and the first camera's metrics before the first look."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = MosquittoProcess(folder)
        broker.start()
        stack.callback(broker.kill)
        names, port = [f"c{number}" for number in range(cameras)], free_port()
        camera = {
            "source": str(find_video()),
            "loop": True,
            "max_fps": 5,
            "detect_every": 50,
            "thumbnail": {"fps": fps, "width": 320, "on_demand": on_demand},
        }
        file = folder / "edge.yaml"
        config = {"node": NODE, "mqtt": {"url": broker.url}, "cameras": dict.fromkeys(names, camera)}
        file.write_text(yaml.safe_dump(config))
        viewer = ["viewer_server", f"--set=mqtt.url={broker.url}", f"--set=http.port={port}"]
        _start(stack, [*viewer, "--set=history.path=null"], folder)
        wait_for_port(port, 60)
        _start(stack, ["edge_node", "--config", str(file)], folder)
        before = _warm(port)
        return [first_picture_s(port, NODE, name) * 1e3 for name in names], before


def _start(stack: ExitStack, words: list[str], folder: Path) -> None:
    log = stack.enter_context((folder / f"{words[0]}.log").open("wb"))
    environment = {"DARNER_STATE": str(folder), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-m", *words], stdout=log, stderr=log, cwd=REPO, env=environment
    )
    stack.callback(process.wait, 20)
    stack.callback(process.terminate)


def _warm(port: int) -> dict[str, Any]:
    """Wait until all cameras run; the first one's metrics."""
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/metrics", timeout=30) as answer:
            found = json.load(answer)["metrics"]
        if found and min(one["processed"] for one in found[0]["cameras"].values()) >= WARM:
            first: dict[str, Any] = found[0]["cameras"]["c0"]
            return first
        time.sleep(0.5)
    raise TimeoutError(f"not all cameras gave {WARM} frames within {LONGEST_S:g} s")


def main() -> int:
    """Measure and print; 1 when looks wait too long."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cameras", type=int, default=10)
    parser.add_argument("--rates", default="5,1")
    options = parser.parse_args()
    rates = [float(one) for one in options.rates.split(",")]
    worst = 0.0
    print(f"{'thumbnails':>12}{'fps':>6}{'p50 ms':>9}{'p95 ms':>9}{'made before':>13}{'not made':>10}")
    for on_demand in (False, True):
        for fps in rates:
            waited, before = measure(options.cameras, fps, on_demand=on_demand)
            p50, p95 = np.percentile(waited, [50, 95])
            kind, made = "on demand" if on_demand else "always", before["thumbnails"]
            idle = before["thumbnails_unwatched"]
            print(f"{kind:>12}{fps:6g}{p50:9.0f}{p95:9.0f}{made:13d}{idle:10d}", flush=True)
            worst = max(worst, p95 if fps == rates[0] else 0.0)
    return int(worst > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
