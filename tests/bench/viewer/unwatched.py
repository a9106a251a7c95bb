"""What cameras cost a viewer while nobody looks at them, and how soon a picture comes when somebody does.

    python tests/bench/viewer/unwatched.py [--cameras 200,2000] [--detections 10] [--thumbnails 2]

One process speaks for all nodes, of 8 cameras each, over a few connections: detections of 5 objects and
JPEGs at these rates for each camera, behind a real Mosquitto with the real viewer. In each row somebody else
looks: nobody; a page with 12 cameras; a program that watches all of them, which is what every viewer received
before it knew who looks. The last rows are state alone, at the rates that they print: what is left where
nobody looks. Single cameras are looked at in turn, too, and the time to the first picture counts. Exit
code 1: cameras that nobody watches cost 5 % of a core or more.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import psutil
import yaml
from websocket import ABNF, WebSocket, WebSocketException, create_connection

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from shared.wire import topics
from shared.wire.messages import now_us
from tests.bench.fleet import messages, packets
from tests.conftest import REPO, MosquittoProcess, free_port, wait_for_port

A_NODE = 8
"""Cameras of a node."""
CONNECTIONS = 4
LIMIT = 5.0
"""Percent of a core."""
TICKS = 50
"""How often a second something is sent."""
ON_A_PAGE = 12
LOOKS = 24
OBJECT = {
    "track_id": 1, "class_id": 0, "label": "person", "score": 0.8123, "age_s": 12.345, "zones": ["door"],
    "box": [0.10123, 0.20456, 0.15789, 0.40123], "velocity": [0.01234, -0.00567], "speed_m_s": None,
    "predicted": False,
}  # fmt: skip
FIRST_SEQ = 1_000_000_000
"""All numbers of frames are as long as this one, so that packets are made beforehand."""
MOST_BEHIND_S = 0.2
"""A sender that is further behind leaves frames out."""
DETECTIONS = messages.Template(
    topics.DETECTIONS, "detections", ("published_us", "captured_us", "seq"), dropped=0, objects=[OBJECT] * 5
)
METRICS_S = 5.0
"""How often a node's metrics come."""
STATES = {"nobody in the zones": 15.0, "zones change": 5.0}
"""How often a camera says something in the rows of state alone, seconds. A node publishes what it retains of
a camera again once a minute: status, count, settings and the numbers of its zone, so four messages."""


class Camera:
    """One camera, and what its packets begin with."""

    def __init__(self, number: int) -> None:
        self.node, self.name = f"n{number // A_NODE}", f"c{number % A_NODE}"
        self._seq = FIRST_SEQ
        self._fields = {b"node": self.node.encode(), b"session": b"s"}
        self._zone = self._head(topics.ZONE, zone=messages.ZONE)
        seq = str(FIRST_SEQ)
        boxes = packets.publish(self._head(topics.DETECTIONS), self._filled(DETECTIONS, seq=FIRST_SEQ))
        named = packets.user("session", "s") + packets.user("seq", seq)
        jpeg = packets.publish(self._head(topics.THUMBNAIL), messages.PICTURE, named=named)
        self._boxes, self._both = boxes.split(seq.encode()), (boxes + jpeg).split(seq.encode())

    def _head(self, row: topics.Topic, **more: str) -> tuple[int, bytes, bytes]:
        path = row.path(messages.PREFIX, node=self.node, camera=self.name, **more)
        return packets.head(path, qos=0, retain=row.retain, expiry_s=row.expiry_s)

    def _filled(self, template: messages.Template, **numbers: int) -> bytes:
        more = {name.encode(): value for name, value in numbers.items()}
        fields = self._fields | {b"published_us": now_us(), b"captured_us": now_us()} | more
        payload = template.fill(fields)
        return payload.replace(b'"camera":"street"', f'"camera":"{self.name}"'.encode())

    def announced(self) -> bytes:
        """The camera's retained status."""
        payload = self._filled(messages.STREAMING, since_us=now_us())
        return packets.publish(self._head(topics.CAMERA_STATUS), payload)

    def seen(self, *, picture: bool) -> bytes:
        """The next frame's boxes, and its picture."""
        self._seq += 1
        return str(self._seq).encode().join(self._both if picture else self._boxes)

    def counted(self) -> bytes:
        """The numbers of its zone."""
        self._seq += 1
        numbers = {"seq": self._seq, "started_us": 1, "entered": self._seq, "exited": 0, "occupancy": 1}
        return packets.publish(self._zone, self._filled(messages.PATH, **numbers))


class Nodes:
    """All cameras, and the connections that speak for them."""

    def __init__(self, count: int, port: int) -> None:
        self.cameras = [Camera(number) for number in range(count)]
        self._names = sorted({camera.node for camera in self.cameras})
        self._sockets = [self._connect(number, port) for number in range(CONNECTIONS)]
        for name in self._names:
            fields = {b"node": name.encode(), b"session": b"s", b"published_us": now_us()}
            path = topics.STATUS.path(messages.PREFIX, node=name)
            head = packets.head(path, qos=0, retain=True)
            self._send(packets.publish(head, messages.ONLINE.fill(fields)))
        for camera in self.cameras:
            self._send(camera.announced())
        self._turn = 0.0

    def _connect(self, number: int, port: int) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(packets.connect(f"nodes-{number}", 0, "unused", b""))
        sock.recv(64)
        return sock

    def _send(self, data: bytes, by: int = 0) -> None:
        self._sockets[by % CONNECTIONS].sendall(data)

    def media(self, detections: float, thumbnails: float, over: Event) -> Iterator[int]:
        """Send frames of all cameras evenly, until `over`; the number of messages of each tick."""
        every = max(1, round(detections / thumbnails)) if thumbnails else 0
        for number in self._ticks(detections, over):
            sent, due = 0, [bytearray() for _ in self._sockets]
            for at in number:
                camera = self.cameras[at % len(self.cameras)]
                picture = every > 0 and (at // len(self.cameras) + at) % every == 0
                due[at % CONNECTIONS] += camera.seen(picture=picture)
                sent += 1 + picture
            for by, data in enumerate(due):
                self._send(bytes(data), by)
            yield sent

    def state(self, every_s: float, over: Event) -> Iterator[int]:
        """Send zone numbers of each camera this often, and metrics, evenly, until `over`."""
        sent_metrics = 0.0
        for number in self._ticks(1 / every_s, over):
            sent = 0
            for at in number:
                self._send(self.cameras[at % len(self.cameras)].counted(), at)
                sent += 1
            sent_metrics += len(self._names) / METRICS_S / TICKS
            while sent_metrics >= 1:
                sent_metrics -= 1
                name = random.choice(self._names)
                fields = {b"node": name.encode(), b"session": b"s", b"published_us": now_us()}
                path = topics.METRICS.path(messages.PREFIX, node=name)
                payload = messages.METRICS.fill(fields)
                self._send(packets.publish(packets.head(path, qos=0, retain=False), payload))
                sent += 1
            yield sent

    def _ticks(self, rate: float, over: Event) -> Iterator[range]:
        """Which turns are due in each tick, at this rate for each camera."""
        start, done = time.perf_counter(), 0
        while not over.wait(1 / TICKS):
            due = int((time.perf_counter() - start) * rate * len(self.cameras))
            done = max(done, due - int(MOST_BEHIND_S * rate * len(self.cameras)))
            yield range(done, due)
            done = due


@contextmanager
def looking(port: int, cameras: list[Camera] | None, credit: int = 1_000_000) -> Iterator[WebSocket]:
    """A browser that watches these cameras (None: all) and reads what it is sent."""
    path, origin = ("ws?first=names" if cameras is not None else "ws"), f"http://127.0.0.1:{port}"
    ws = create_connection(f"ws://127.0.0.1:{port}/{path}", origin=origin, timeout=60)
    ws.send(json.dumps({"type": "watch", "cameras": cameras and [[c.node, c.name] for c in cameras]}))

    def read() -> None:
        try:
            while True:
                opcode, _ = ws.recv_data()
                if opcode == ABNF.OPCODE_BINARY:
                    ws.send(json.dumps({"type": "ready", "frames": 1}))
        except (OSError, WebSocketException):
            return

    thread = Thread(target=read, daemon=True)
    ws.send(json.dumps({"type": "ready", "frames": min(credit, 6)}))
    thread.start()
    try:
        yield ws
    finally:
        if ws.sock is not None:
            ws.sock.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def first_picture_s(port: int, node: str, camera: str) -> float:
    """How long a page waits from its look at a camera until it has a picture of it, seconds."""
    origin = f"http://127.0.0.1:{port}"
    with closing(create_connection(f"ws://127.0.0.1:{port}/ws?first=names", origin=origin, timeout=20)) as ws:
        while json.loads(ws.recv())["type"] != "live":
            pass
        ws.send(json.dumps({"type": "ready", "frames": 1}))
        start = time.perf_counter()
        ws.send(json.dumps({"type": "watch", "cameras": [[node, camera]]}))
        while ws.recv_data()[0] != ABNF.OPCODE_BINARY:
            pass
        return time.perf_counter() - start


def _cpu_s(process: psutil.Process) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in [process, *process.children(recursive=True)])


class Bench:
    """Broker, viewer and nodes, and a row for each time that is measured."""

    def __init__(self, stack: ExitStack, count: int, options: argparse.Namespace) -> None:
        self._options = options
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = MosquittoProcess(folder)
        broker.start()
        stack.callback(broker.kill)
        self.port = free_port()
        file = folder / "viewer.yaml"
        settings = {"mqtt": {"url": broker.url}, "http": {"port": self.port}, "history": {"path": None}}
        file.write_text(yaml.safe_dump(settings))
        words = [sys.executable, "-m", "viewer_server", "--config", str(file)]
        viewer = subprocess.Popen(words, cwd=options.code)
        stack.callback(viewer.wait, 20)
        stack.callback(viewer.terminate)
        wait_for_port(self.port, 60)
        self.nodes = Nodes(count, broker.port)
        self._programs = psutil.Process(viewer.pid), psutil.Process(broker.pid)
        while self._known() < count:
            time.sleep(0.2)

    def _known(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=30) as answer:
            return int(json.load(answer)["cameras"])

    def row(self, who: str, sending: Iterator[int] | None, over: Event) -> dict[str, Any]:
        """Measure for a while, and print."""
        total = [0]

        def send() -> None:
            for sent in sending or ():
                total[0] += sent

        thread = Thread(target=send, daemon=True)
        thread.start()
        time.sleep(2.0)
        before, start, sent = [_cpu_s(one) for one in self._programs], time.perf_counter(), total[0]
        time.sleep(self._options.seconds)
        seconds = time.perf_counter() - start
        used = [(_cpu_s(one) - b) * 100 / seconds for one, b in zip(self._programs, before, strict=True)]
        rate = (total[0] - sent) / seconds
        over.set()
        thread.join()
        found = {"who": who, "messages_s": rate, "viewer": used[0], "broker": used[1]}
        print(f"{who:>34}{rate:12.0f}{used[0]:10.1f}{used[1]:10.1f}", flush=True)
        return found


def measure(count: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """All rows for a number of cameras."""
    with ExitStack() as stack:
        bench = Bench(stack, count, options)
        nodes, port = bench.nodes, bench.port
        rates = f"{options.detections:g} detections messages and {options.thumbnails:g} JPEGs"
        size_kb = len(messages.PICTURE) / 1000
        print(f"\n{count} cameras of {-(-count // A_NODE)} nodes: {rates} ({size_kb:.0f} KB) a second each")
        print(f"{'who looks':>34}{'messages/s':>12}{'viewer %':>10}{'broker %':>10}")

        def media(over: Event) -> Iterator[int]:
            return nodes.media(options.detections, options.thumbnails, over)

        over = Event()
        rows = [bench.row("nobody, and nothing is sent", None, over)]
        over = Event()
        rows.append(bench.row("nobody", media(over), over))
        over = Event()
        with looking(port, nodes.cameras[:ON_A_PAGE]):
            rows.append(bench.row(f"a page with {ON_A_PAGE} cameras", media(over), over))
        over = Event()
        sending = Thread(target=lambda: [None for _ in media(over)], daemon=True)
        sending.start()
        chosen = random.Random(1).sample(nodes.cameras[ON_A_PAGE:], LOOKS)
        waited = sorted(first_picture_s(port, camera.node, camera.name) * 1e3 for camera in chosen)
        over.set()
        sending.join()
        over = Event()
        with looking(port, None):
            rows.append(bench.row("a program that watches all", media(over), over))
        time.sleep(11.0)  # by now nothing is listened to any more
        for what, every_s in STATES.items():
            over = Event()
            rows.append(bench.row(f"state alone, {what}: {every_s:g} s", nodes.state(every_s, over), over))
        p50, p95 = np.percentile(waited, [50, 95])
        print(f"from a look to the first picture: p50 {p50:.0f} ms, p95 {p95:.0f} ms")
    return rows


def main() -> int:
    """Measure and print; 1 when cameras that nobody watches cost too much."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cameras", default="200,2000")
    parser.add_argument("--detections", type=float, default=10.0)
    parser.add_argument("--thumbnails", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--code", type=Path, default=REPO, help="a checkout whose viewer runs instead")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores")
    found = {count: measure(int(count), options) for count in options.cameras.split(",")}
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    worst = max(rows[1]["viewer"] for rows in found.values())
    print(f"cameras that nobody watches: {worst:.1f} % of a core at most; less than {LIMIT:g} % is wanted")
    return int(worst >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
