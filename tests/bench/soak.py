"""Hours of work in minutes: broker, edge node, viewer and browsers at a high rate, watched for what creeps.

    python tests/bench/soak.py [--minutes 30] [--cameras 4] [--json FILE]

The cameras are looped video files in real time. Every 5 s memory, file descriptors and threads of each
process are read, and the age of what arrives at a subscriber. A first tenth of the time, at least a minute,
is for warming up. What is left is judged: memory of a process may rise by 3 % (least squares over the whole
time), descriptors and threads not at all, and the latency's median of the last quarter may be a fifth above
that of the first. Exit code 1 when one of them does more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from websocket import WebSocket, create_connection

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the repository, when run as a script

from edge_node.samples import find_video
from shared import messages, topics
from shared.messages import now_us
from shared.mqtt import Client, MqttSettings
from tests.conftest import REPO, MosquittoProcess, free_port, wait_for_port

EVERY_S = 5.0
MEMORY_SHARE = 0.03
LATENCY_SHARE = 0.2


class Ages:
    """Milliseconds from capture to a subscriber, of the last moments."""

    def __init__(self, url: str) -> None:
        self._client = Client(MqttSettings(url=url), name="soak")
        self._ages: deque[float] = deque(maxlen=5000)
        self.received = 0

    def __enter__(self) -> Ages:
        self._client.__enter__()
        self._client.subscribe(topics.DETECTIONS.filter(topics.DEFAULT_PREFIX))
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__(None, None, None)

    def take(self) -> float:
        """The median since the last call."""
        ages, self._ages = self._ages, deque(maxlen=5000)
        return float(np.median(ages)) if ages else float("nan")

    def _listen(self) -> None:
        for received in self._client.received:
            message = messages.decode(messages.DetectionsMessage, received.payload)
            self._ages.append((now_us() - message.captured_us) / 1e3)
            self.received += 1


class Browser(threading.Thread):
    """Takes every frame, as a page does."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._socket: WebSocket = create_connection(
            f"ws://127.0.0.1:{port}/ws", origin=f"http://127.0.0.1:{port}", timeout=30
        )
        self.frames = 0

    def run(self) -> None:
        """Until the connection ends."""
        self._socket.send('{"type": "ready", "frames": 4}')
        while True:
            try:
                opcode, _ = self._socket.recv_data()
            except Exception:  # noqa: BLE001 - the end of the soak, in whatever form
                return
            if opcode == 2:
                self.frames += 1
                self._socket.send('{"type": "ready", "frames": 1}')


def _start(module: str, config: dict[str, Any], folder: Path, stack: ExitStack) -> psutil.Process:
    file = folder / f"{module}.yaml"
    file.write_text(yaml.safe_dump(config))
    log = stack.enter_context((folder / f"{module}.log").open("w"))
    process = subprocess.Popen([sys.executable, "-m", module, "--config", str(file)], cwd=REPO, stderr=log)
    stack.callback(process.wait, 20)
    stack.callback(process.terminate)
    return psutil.Process(process.pid)


def _sample(programs: dict[str, psutil.Process], ages: Ages, started: float) -> dict[str, float]:
    row = {"s": round(time.monotonic() - started, 1), "age_ms": ages.take()}
    for name, program in programs.items():
        family = [program, *program.children(recursive=True)]
        row[f"{name} MB"] = sum(process.memory_info().rss for process in family) / 1e6
        row[f"{name} descriptors"] = sum(process.num_fds() for process in family)
        row[f"{name} threads"] = sum(process.num_threads() for process in family)
    return row


def run(minutes: float, cameras: int) -> tuple[list[dict[str, float]], dict[str, float]]:
    """Let it run; a row every 5 s, and totals."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = MosquittoProcess(folder)
        broker.start()
        stack.callback(broker.kill)
        port = free_port()
        video = str(find_video())
        camera = {"source": video, "loop": True, "detect_every": 4, "thumbnail": {"fps": 10}}
        camera["zones"] = {"all": {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}}
        camera["lines"] = {"middle": {"points": [[0.5, 0], [0.5, 1]]}}
        edge = {
            "node": "soak",
            "mqtt": {"url": broker.url},
            "cameras": {f"c{number}": camera for number in range(cameras)},
            "outbox": {"path": str(folder / "outbox.db")},
        }
        viewer = {
            "mqtt": {"url": broker.url},
            "http": {"port": port},
            "history": {"path": str(folder / "history.db")},
        }
        programs = {
            "edge": _start("edge_node", edge, folder, stack),
            "viewer": _start("viewer_server", viewer, folder, stack),
        }
        wait_for_port(port, 60)
        browsers = [Browser(port) for _ in range(2)]
        for browser in browsers:
            browser.start()
        ages = stack.enter_context(Ages(broker.url))
        rows, started = [], time.monotonic()
        while time.monotonic() - started < minutes * 60:
            time.sleep(EVERY_S)
            rows.append(_sample(programs, ages, started))
            if len(rows) % 12 == 0:
                print("  ".join(f"{name} {value:.1f}" for name, value in rows[-1].items()), flush=True)
        totals: dict[str, float] = {
            "messages": ages.received,
            "frames to a browser": min(b.frames for b in browsers),
        }
    return rows, totals


def judge(rows: list[dict[str, float]]) -> list[str]:
    """What crept, in words."""
    seconds = np.array([row["s"] for row in rows])
    warm = seconds >= max(60.0, seconds[-1] / 10)
    problems = []
    for name in rows[0]:
        values = np.array([row[name] for row in rows])[warm]
        if name.endswith(" MB"):
            slope, base = np.polyfit(seconds[warm], values, 1)
            growth = slope * (seconds[-1] - seconds[warm][0]) / (base + slope * seconds[warm][0])
            if growth > MEMORY_SHARE:
                problems.append(f"{name}: grew by {growth:.1%}")
        elif name.endswith(("descriptors", "threads")):
            if np.median(values[-10:]) > np.median(values[:10]):
                problems.append(f"{name}: from {np.median(values[:10]):.0f} to {np.median(values[-10:]):.0f}")
        elif name == "age_ms":
            quarter = max(1, len(values) // 4)
            first, last = np.nanmedian(values[:quarter]), np.nanmedian(values[-quarter:])
            if last > first * (1 + LATENCY_SHARE):
                problems.append(f"latency: from {first:.0f} to {last:.0f} ms")
    return problems


def main() -> int:
    """Run, print what was seen, and judge it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows, totals = run(options.minutes, options.cameras)
    problems = judge(rows)
    warm = [row for row in rows if row["s"] >= max(60.0, rows[-1]["s"] / 10)] or rows
    for name in rows[0]:
        values = [row[name] for row in warm]
        first, middle, last = values[0], np.nanmedian(values), values[-1]
        print(f"{name:20} first {first:10.1f}   median {middle:10.1f}   last {last:10.1f}")
    print("  ".join(f"{name}: {value}" for name, value in totals.items()))
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "totals": totals, "problems": problems}))
    for problem in problems:
        print(f"crept: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
