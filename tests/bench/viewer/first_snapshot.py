"""What a page of a large fleet costs: the first snapshot over the websocket, and what Chromium makes of it.

    python tests/bench/viewer/first_snapshot.py [--json FILE] [--nodes 100,1000,10000] [--shots FOLDER]

One process publishes the retained state of all nodes through a real Mosquitto: status and description, and of
one camera status, zones, the numbers of a zone and a line, and the count. Then it reads the websocket as
programs do (everything) and as the page does (names first), and opens the page in Chromium. Bytes and seconds
are those of the whole snapshot. The changes are metrics of all nodes, which none of 20 browsers shows.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import selectors
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import yaml
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from playwright.sync_api import Browser, sync_playwright
from websocket import create_connection

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from shared.wire import topics
from shared.wire.messages import (
    CameraInfo,
    CameraMetrics,
    CameraStatus,
    CountState,
    Dwell,
    LineDefinition,
    Metrics,
    ModelInfo,
    NodeInfo,
    NodeStatus,
    ZoneDefinition,
    Zones,
    ZoneState,
    encode,
    now_us,
)
from shared.wire.topics import Topic
from tests.conftest import (
    CHROMIUM_ARGUMENTS,
    REPO,
    MosquittoProcess,
    free_port,
    wait_for_port,
    wait_until,
)

LIVE = b'{"type":"live"}'
PREFIX = topics.DEFAULT_PREFIX
NAME = "node-template"
COLUMNS = (
    "nodes", "asked", "MB", "seconds", "viewer_cpu_s", "change_us", "viewer_MB",
)  # fmt: skip
PAGE_COLUMNS = ("nodes", "first_tile_s", "live_s", "heap_MB", "elements", "tiles", "find_ms")


def retained() -> list[tuple[Topic, dict[str, str], bytes]]:
    """The retained state of one node, with a name that is replaced by each node's."""
    ids = {"node": NAME}
    common: dict[str, Any] = {"node": NAME, "session": "20260101T000000", "published_us": now_us()}
    here = common | {"camera": "cam1"}
    seen = {"seq": 100, "captured_us": now_us()}
    numbers = here | seen | {"entered": 120, "exited": 118}
    dwell = Dwell(ongoing_average_s=2.5, ongoing_max_s=9.1, completed=118, average_s=6.2)
    square, gate = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)), ((0.5, 0.1), (0.5, 0.9))
    classes = tuple(f"class number {number}" for number in range(80))
    model = ModelInfo(name="m", classes=classes, input_width=416, input_height=416, layout="yolox")
    camera = CameraInfo(camera="cam1", source="rtsp://192.168.1.20/stream2", zones=1, lines=1)
    info = NodeInfo(
        **common, version="1.0.0", cameras=(camera,), model=model, backend="onnxruntime", device="cpu",
        tracker="bytetrack", capabilities=("masks", "names", "filters"),
    )  # fmt: skip
    zones = Zones(
        **here,
        version=1,
        zones={"yard": ZoneDefinition(polygon=square)},
        lines={"gate": LineDefinition(points=gate)},
    )
    messages: list[tuple[Topic, dict[str, str], Any]] = [
        (topics.STATUS, {}, NodeStatus(**common, status="online", version="1.0.0")),
        (topics.INFO, {}, info),
        (topics.CAMERA_STATUS, {}, CameraStatus(**here, status="streaming", since_us=now_us())),
        (topics.ZONES, {}, zones),
        (
            topics.ZONE,
            {"zone": "yard"},
            ZoneState(**numbers, zone="yard", kind="zone", occupancy=2, dwell=dwell),
        ),
        (
            topics.ZONE,
            {"zone": "gate"},
            ZoneState(**numbers, zone="gate", kind="line", occupancy=0, dwell=dwell),
        ),
        (topics.COUNT, {}, CountState(**here, captured_us=now_us(), total=2, classes={"person": 2})),
    ]
    with_camera = ids | {"camera": "cam1"}
    return [
        (row, (with_camera if "{camera}" in row.pattern else ids) | more, encode(message))
        for row, more, message in messages
    ]


def metrics() -> bytes:
    """What each node sends every 5 s."""
    one = CameraMetrics(fps_in=5, fps_out=5, captured=50, processed=50, dropped=0, thumbnails=50)
    return encode(
        Metrics(
            node=NAME,
            session="20260101T000000",
            published_us=now_us(),
            uptime_s=1,
            cameras={"cam1": one},
            stages_ms={},
            cpu_percent=5,
            memory_mb=50,
            publish_dropped={},
        )
    )


class Fleet:
    """A broker, a viewer that knows all nodes, and the connection that speaks for them; `with` ends them.

    Args:
        count: How many nodes.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def __enter__(self) -> Fleet:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            broker = MosquittoProcess(folder)
            broker.start()
            stack.callback(broker.kill)
            self.port = free_port()
            settings = {
                "mqtt": {"url": broker.url}, "http": {"port": self.port}, "history": {"path": None},
                "quotas": {"nodes": self.count + 10, "states_total": None, "live_mb": None},
            }  # fmt: skip
            file = folder / "viewer.yaml"
            file.write_text(yaml.safe_dump(settings))
            process = subprocess.Popen(
                [sys.executable, "-m", "viewer_server", "--config", str(file)], cwd=REPO
            )
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
            wait_for_port(self.port, 60)
            self.viewer = psutil.Process(process.pid)
            self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
            self._client.connect("127.0.0.1", broker.port)
            self._client.loop_start()
            stack.callback(self._client.loop_stop)
            for row, ids, payload in retained():
                self.send(row, ids, payload)
            wait_until(lambda: _health(self.port)["cameras"] == self.count, 300)
            self.settle()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def send(self, row: Topic, ids: dict[str, str], payload: bytes) -> None:
        """One message of each node, at QoS 1: none may be lost."""
        last = None
        for number in range(self.count):
            name = f"node-{number:05}"
            path = row.path(PREFIX, **{key: value.replace(NAME, name) for key, value in ids.items()})
            last = self._client.publish(path, payload.replace(NAME.encode(), name.encode()), 1, row.retain)
            if number % 1000 == 999:
                last.wait_for_publish(60)
        if last is not None:
            last.wait_for_publish(60)

    def cpu_s(self) -> float:
        """Processor time of the viewer so far."""
        return float(sum(sum(one.cpu_times()[:2]) for one in self._family()))

    def memory_mb(self) -> float:
        """Resident memory of the viewer."""
        return float(sum(one.memory_info().rss for one in self._family())) / 1e6

    def _family(self) -> list[psutil.Process]:
        return [self.viewer, *self.viewer.children(recursive=True)]

    def settle(self) -> None:
        """Wait until the viewer has nothing to do."""
        idle = 0
        while idle < 3:
            before = self.cpu_s()
            time.sleep(0.3)
            idle = idle + 1 if self.cpu_s() - before < 0.05 else 0


def _health(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def snapshot(fleet: Fleet, asked: str) -> dict[str, Any]:
    """One browser's first snapshot, and then what a change costs the viewer while nobody shows it."""
    origin = f"http://127.0.0.1:{fleet.port}"
    rows = []
    for _ in range(3):
        before, start = fleet.cpu_s(), time.perf_counter()
        browser = create_connection(f"ws://127.0.0.1:{fleet.port}/ws{asked}", origin=origin, timeout=120)
        assert browser.sock is not None
        size, tail = 0, b""
        while (
            LIVE not in tail
        ):  # the bytes as they come: to look into each message takes longer than to send it
            got = browser.sock.recv(1 << 20)
            assert got, "the viewer has ended the connection"
            size, tail = size + len(got), (tail + got)[-2 * len(LIVE) :] if len(got) < 1000 else got[-1000:]
        rows.append((size, time.perf_counter() - start, fleet.cpu_s() - before))
        browser.sock.close()
    size, seconds, cpu_s = (statistics.median(column) for column in zip(*rows, strict=True))
    return {
        "nodes": fleet.count, "asked": asked or "everything", "MB": size / 1e6, "seconds": seconds,
        "viewer_cpu_s": cpu_s, "change_us": change_us(fleet, asked),
        "viewer_MB": fleet.memory_mb(),
    }  # fmt: skip


def change_us(fleet: Fleet, asked: str, browsers: int = 20) -> float:
    """Processor time of the viewer for one change, beside browsers that read everything they are sent."""
    stop = threading.Event()
    origin = f"http://127.0.0.1:{fleet.port}"
    address = f"ws://127.0.0.1:{fleet.port}/ws{asked}"
    sockets: list[Any] = []
    with selectors.DefaultSelector() as selector:
        thread = threading.Thread(target=_drain, args=(selector, stop))
        thread.start()
        for _ in range(browsers):  # each is read from the start, else the viewer takes it for stuck
            connected = create_connection(address, origin=origin, timeout=30).sock
            assert connected is not None
            connected.setblocking(False)
            selector.register(connected, selectors.EVENT_READ, connected.recv)
            sockets.append(connected)
        used = _used_by_changes(fleet)
        stop.set()
        thread.join()
    for one in sockets:
        one.close()
    return used * 1e6 / fleet.count


def _used_by_changes(fleet: Fleet) -> float:
    """Processor time of the viewer, seconds, for metrics of all nodes."""
    time.sleep(1)
    fleet.settle()
    before = fleet.cpu_s()
    fleet.send(topics.METRICS, {"node": NAME}, metrics())
    fleet.settle()
    return fleet.cpu_s() - before


def _drain(selector: selectors.BaseSelector, stop: threading.Event) -> None:
    """Read what comes and look at nothing: browsers that keep up."""
    while not stop.is_set():
        for key, _ in selector.select(0.5):
            with contextlib.suppress(BlockingIOError):
                if not key.data(1 << 20):
                    selector.unregister(key.fileobj)


def page(fleet: Fleet, chromium: Browser, shots: Path | None) -> dict[str, Any]:
    """What the live page takes."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    start = time.perf_counter()
    opened.goto(f"http://127.0.0.1:{fleet.port}")
    opened.locator(".tile").first.wait_for()
    first_s = time.perf_counter() - start
    opened.locator("#connection", has_text="Live").wait_for()
    opened.locator(".tile .state", has_text="streaming").first.wait_for()
    live_s = time.perf_counter() - start
    memory = context.new_cdp_session(opened)
    memory.send("Performance.enable")
    values = {one["name"]: one["value"] for one in memory.send("Performance.getMetrics")["metrics"]}
    row = {
        "nodes": fleet.count, "first_tile_s": first_s, "live_s": live_s,
        "heap_MB": values["JSHeapUsedSize"] / 1e6,
        "elements": opened.evaluate("document.querySelectorAll('*').length"),
        "tiles": opened.locator(".tile").count(), "find_ms": 0.0,
    }  # fmt: skip
    if shots is not None:
        opened.screenshot(path=shots / f"live-{fleet.count}.png")
    if opened.locator("#pager input").is_visible():
        last = f"node-{fleet.count - 1:05}"
        start = time.perf_counter()
        opened.locator("#pager input").fill(last)
        opened.wait_for_function("() => document.querySelectorAll('.tile').length === 1")
        opened.locator(f'.tile[data-node="{last}"] .state', has_text="streaming").wait_for()
        row["find_ms"] = (time.perf_counter() - start) * 1e3
    context.close()
    return row


def table(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    """The rows below their columns."""
    lines = ["".join(f"{column:>14}" for column in columns)]
    for row in rows:
        cells = (row[column] for column in columns)
        lines.append("".join(f"{one:14.2f}" if isinstance(one, float) else f"{one:>14}" for one in cells))
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--nodes", type=lambda text: [int(one) for one in text.split(",")], default=[100, 1000, 10_000]
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--shots", type=Path, help="where screenshots of the pages go")
    options = parser.parse_args()
    snapshots, pages = [], []
    with sync_playwright() as playwright:
        installed = shutil.which("chromium") or shutil.which("google-chrome")
        chromium = playwright.chromium.launch(executable_path=installed, args=CHROMIUM_ARGUMENTS)
        for count in options.nodes:
            with Fleet(count) as fleet:
                snapshots += [snapshot(fleet, asked) for asked in ("", "?first=names")]
                pages.append(page(fleet, chromium, options.shots))
            print(table(COLUMNS, snapshots[-2:]), table(PAGE_COLUMNS, pages[-1:]), sep="\n", flush=True)
        chromium.close()
    if options.json:
        options.json.write_text(json.dumps({"snapshots": snapshots, "pages": pages}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
