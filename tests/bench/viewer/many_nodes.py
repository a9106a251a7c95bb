"""Many nodes, one broker, one viewer: up to which rate everything arrives, and what gives way first.

    python tests/bench/viewer/many_nodes.py [--json FILE] [--nodes 200] [--rates 5,10,20,30,40] [--seconds 6]

One process speaks for all nodes, each with a connection, a camera and retained state of its own, and sends
detections messages of 5 objects at an even rate, all nodes in turn. The viewer is the real one behind a real
Mosquitto. Twice a second a retained camera status goes out between them; a browser's websocket says when it
arrived: that is the lag. What the viewer took in is read from its /metrics. The knee is the last rate at
which everything arrived within half a second. Exit code 1 when that is below 10 a second.
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
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client.parser import text_string_to_metric_families
from websocket import create_connection

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from shared.wire import topics
from shared.wire.messages import CameraStatus, DetectedObject, DetectionsMessage, NodeStatus, encode, now_us
from tests.conftest import REPO, MosquittoProcess, free_port, wait_for_port

OBJECTS = 5
KNEE_LAG_MS = 500.0
WANTED = 10.0
"""Messages a second and node that must arrive."""
PREFIX = topics.DEFAULT_PREFIX
PROBE = "n0"
_PROBE_NAME = b'"node":"n0"'


class Nodes:
    """All the nodes, in the process that sends.

    Args:
        count: How many.
        port: The broker's.
    """

    def __init__(self, count: int, port: int) -> None:
        self._names = [f"n{number}" for number in range(count)]
        self._clients = {name: self._connect(name, port) for name in self._names}
        self._seq = 0
        self.probes: dict[int, int] = {}
        """When each camera status was sent, by its `since_us`."""

    def _connect(self, name: str, port: int) -> mqtt.Client:
        # Without a thread: what is published is written at once, and little else happens here.
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        client.connect("127.0.0.1", port, keepalive=3600)
        while not client.is_connected():
            client.loop(0.1)
        status = NodeStatus(node=name, session="s", published_us=now_us(), status="online", version="1")
        client.publish(topics.STATUS.path(PREFIX, node=name), encode(status), 0, True)
        self._status(client, name)
        return client

    def _status(self, client: mqtt.Client, name: str) -> int:
        at_us = now_us()
        message = CameraStatus(
            node=name, session="s", published_us=at_us, camera="c", status="streaming", since_us=at_us
        )
        path = topics.CAMERA_STATUS.path(PREFIX, node=name, camera="c")
        client.publish(path, encode(message), 0, True)
        return at_us

    def send(self, rate: float, seconds: float) -> tuple[int, float]:
        """Send evenly; how many detections messages, and how many a second and node that came to."""
        interval = 1.0 / (rate * len(self._names))
        start = time.perf_counter()
        sent, next_probe, payload = 0, start, b""
        while time.perf_counter() < start + seconds:
            ahead = start + sent * interval - time.perf_counter()
            if ahead > 0.002:  # a few at a time: waking up costs more than sending
                time.sleep(ahead)
            turn = sent % len(self._names)
            if turn == 0:
                self._seq += 1
                payload = encode(_detections(PROBE, self._seq))
            name = self._names[turn]
            path = topics.DETECTIONS.path(PREFIX, node=name, camera="c")
            self._clients[name].publish(path, payload.replace(_PROBE_NAME, f'"node":"{name}"'.encode()))
            sent += 1
            if time.perf_counter() > next_probe:
                next_probe += 0.5
                self.probes[self._status(self._clients[PROBE], PROBE)] = time.time_ns()
        elapsed = time.perf_counter() - start
        return sent, sent / elapsed / len(self._names)


def _detections(node: str, seq: int) -> DetectionsMessage:
    objects: list[DetectedObject] = [
        {
            "track_id": seq + number,
            "class_id": 0,
            "label": "person",
            "score": 0.8123,
            "box": (0.10123, 0.20456, 0.15789, 0.40123),
            "age_s": 12.345,
            "velocity": (0.01234, -0.00567),
            "speed_m_s": None,
            "predicted": False,
            "zones": ["door"],
        }
        for number in range(OBJECTS)
    ]
    return DetectionsMessage(
        node=node,
        session="s",
        published_us=now_us(),
        camera="c",
        seq=seq,
        captured_us=now_us(),
        width=1280,
        height=720,
        timings_ms={"preprocess": 0.5, "inference": 8.5, "decode": 0.3, "track": 0.1, "analyse": 0.2},
        dropped=0,
        objects=objects,
    )


class Browser(threading.Thread):
    """Notes when each camera status of the probed node arrived."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        origin = f"http://127.0.0.1:{port}"
        self._socket = create_connection(f"ws://127.0.0.1:{port}/ws", origin=origin, timeout=60)
        self.arrived: dict[int, int] = {}

    def run(self) -> None:
        """Until the connection ends."""
        while True:
            try:
                text = self._socket.recv()
                if not text:
                    return
            except Exception:  # noqa: BLE001 - the end of the measurement, in whatever form
                return
            update = json.loads(text)
            if update["type"] == "camera_status" and update["node"] == PROBE:
                self.arrived.setdefault(update["message"]["since_us"], time.time_ns())


def _counters(port: int) -> dict[str, float]:
    """The viewer's: detections taken in, and those refused."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    found = {"received": 0.0, "refused": 0.0}
    for family in families:
        for sample in family.samples:
            if sample.labels.get("topic") != "detections" or not sample.name.endswith("_total"):
                continue
            found["refused" if "refused" in sample.name else "received"] += sample.value
    return found


def _cpu_s(process: psutil.Process) -> float:
    family = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in family)


def _step(
    nodes: Nodes,
    browser: Browser,
    port: int,
    programs: dict[str, psutil.Process],
    rate: float,
    seconds: float,
) -> dict[str, Any]:
    """One rate."""
    nodes.probes.clear()
    before, cpu = _counters(port), {name: _cpu_s(process) for name, process in programs.items()}
    started = time.perf_counter()
    sent, reached = nodes.send(rate, seconds)
    elapsed = time.perf_counter() - started
    used = {name: (_cpu_s(process) - cpu[name]) * 100 / elapsed for name, process in programs.items()}
    _settle(port)
    after = _counters(port)
    taken, refused = (after[key] - before[key] for key in ("received", "refused"))
    lags = [
        (browser.arrived[at] - sent_ns) / 1e6 for at, sent_ns in nodes.probes.items() if at in browser.arrived
    ]
    return {
        "rate": rate,
        "reached": reached,
        "messages_s": sent / elapsed,
        "taken": taken / sent,
        "refused": refused / sent,
        "probes_lost": len(nodes.probes) - len(lags),
        "lag_p50_ms": float(np.median(lags)) if lags else float("inf"),
        "lag_max_ms": max(lags, default=float("inf")),
        **{f"{name}_cpu": value for name, value in used.items()},
        "load": os.getloadavg()[0],
    }


def _settle(port: int) -> None:
    """Wait until the viewer has taken in what it will."""
    last, deadline = -1.0, time.monotonic() + 30
    while (now := _counters(port)["received"]) != last and time.monotonic() < deadline:
        last = now
        time.sleep(0.7)


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each rate, until one in ten messages is lost."""
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = MosquittoProcess(folder)
        broker.start()
        stack.callback(broker.kill)
        port = free_port()
        file = folder / "viewer.yaml"
        settings = {"mqtt": {"url": broker.url}, "http": {"port": port}, "history": {"path": None}}
        file.write_text(yaml.safe_dump(settings))
        viewer = subprocess.Popen([sys.executable, "-m", "viewer_server", "--config", str(file)], cwd=REPO)
        stack.callback(viewer.wait, 20)
        stack.callback(viewer.terminate)
        wait_for_port(port, 60)
        nodes = Nodes(options.nodes, broker.port)
        time.sleep(1.0)
        browser = Browser(port)
        browser.start()
        programs = {
            "viewer": psutil.Process(viewer.pid),
            "broker": psutil.Process(broker.pid),
            "sender": psutil.Process(),
        }
        print(f"{options.nodes} nodes; the viewer knows {_known(port)} of them")
        print("".join(f"{column:>13}" for column in _COLUMNS))
        for rate in options.rates:
            rows.append(_step(nodes, browser, port, programs, rate, options.seconds))
            print("".join(f"{rows[-1][column]:13.2f}" for column in _COLUMNS), flush=True)
            if rows[-1]["taken"] < 0.9 or rows[-1]["reached"] < 0.8 * rate:
                break
    return rows


_COLUMNS = (
    "rate reached messages_s taken refused probes_lost lag_p50_ms lag_max_ms "
    "viewer_cpu broker_cpu sender_cpu load"
).split()


def _known(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as answer:
        return int(json.load(answer)["nodes"])


def main() -> int:
    """Sweep and print; 1 when the knee is below what is wanted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument(
        "--rates",
        type=lambda text: [float(one) for one in text.split(",")],
        default=[5.0, 10.0, 20.0, 30.0, 40.0],
    )
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    rows = measure(options)
    good = [
        row["rate"]
        for row in rows
        if row["taken"] > 0.999
        and not row["refused"]
        and row["lag_max_ms"] < KNEE_LAG_MS
        and not row["probes_lost"]
    ]
    knee = max(good, default=0.0)
    print(f"knee: {knee:g} messages a second and node, {knee * options.nodes:g} in all")
    if options.json:
        report = {"nodes": options.nodes, "cores": os.cpu_count(), "knee": knee, "rows": rows}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if knee < WANTED:
        print(f"limit missed: {WANTED:g} a second and node are wanted", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
