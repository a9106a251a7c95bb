"""Who listens during a soak: a subscriber that counts, browsers that take every frame, and a visitor."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import urllib.request
from collections import deque
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from websocket import WebSocket, create_connection

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import messages, topics
from shared.wire.messages import now_us

VISIT_EVERY_S = 4.0
ASKED = (
    "nodes",
    "zones",
    "events?limit=100",
    "events?type=zone_exited&limit=20",
    "series?node=soak&camera=c0&zone=all&points=100",
    "stays?node=soak&camera=c0&zone=all",
    "cameras/soak/c0/picture",
)


class Subscriber:
    """Counts what the node sends, beside the viewer; `with` connects it.

    Args:
        url: The broker.

    Attributes:
        detections: Messages of that kind.
        lost: Frames that no such message reported, as the messages themselves say.
        snapshots: Best pictures.
    """

    def __init__(self, url: str) -> None:
        self._client = Client(MqttSettings(url=url), name="soak")
        self._ages: deque[float] = deque(maxlen=5000)
        self._numbers: set[int] = set()
        self._named: set[str] = set()
        self._pictured: set[str] = set()
        self._dropped: dict[str, int] = {}
        self.detections = 0
        self.snapshots = 0

    def __enter__(self) -> Subscriber:
        for row in (topics.DETECTIONS, topics.EVENTS, topics.SNAPSHOT):
            self._client.subscribe(row.filter(topics.DEFAULT_PREFIX), row.qos)
        self._client.__enter__()
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__(None, None, None)

    @property
    def events(self) -> int:
        """Different ones."""
        return len(self._numbers)

    @property
    def lost(self) -> int:
        """Of all cameras."""
        return sum(self._dropped.values())

    def take_age(self) -> float:
        """Milliseconds from capture to here, the median since the last call."""
        ages, self._ages = self._ages, deque(maxlen=5000)
        return float(np.median(ages)) if ages else float("nan")

    def wait_for_frames(self, timeout: float) -> None:
        """Return when the first one is here."""
        deadline = time.monotonic() + timeout
        while not self.detections:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the node sent no detections within {timeout:.0f} s")
            time.sleep(0.1)

    def totals(self, history: Path, within_s: float) -> dict[str, float]:
        """What was made, what arrived here and what the viewer stored; for when the node has ended.

        Args:
            history: The viewer's file; its pictures are in the one beside it.
            within_s: How long the last of it may take.
        """
        pictures = history.with_name(f"{history.stem}-snapshots.db")
        deadline = time.monotonic() + within_s
        while True:
            # The node numbers its events without a gap, and names the topic of a track's picture in them.
            events, tracks = max(self._numbers, default=0), len(self._named | self._pictured)
            found = {
                "detections": self.detections,
                "frames lost": self.lost,
                "events made": events,
                "events arrived": self.events,
                "events stored": _count(history, "events"),
                "best pictures made": tracks,
                "best pictures arrived": len(self._pictured),
                "best pictures stored": _count(pictures, "snapshots"),
                "best pictures sent": self.snapshots,
            }
            late = found["events stored"] < events or found["best pictures stored"] < tracks
            if not late or time.monotonic() > deadline:
                return {name: float(value) for name, value in found.items()}
            time.sleep(0.5)

    def _listen(self) -> None:
        for received in self._client.received:
            found = topics.match(topics.DEFAULT_PREFIX, received.topic)
            if found is not None and found[0] is topics.SNAPSHOT:
                self.snapshots += 1
                self._pictured.add(received.topic)
            elif found is not None and found[0] is topics.EVENTS:
                self._event(received)
            else:
                message = messages.decode(messages.DetectionsMessage, received.payload)
                self._ages.append((now_us() - message.captured_us) / 1e3)
                self._dropped[message.camera] = message.dropped
                self.detections += 1

    def _event(self, received: Received) -> None:
        event = messages.decode(messages.Event, received.payload)
        if event.number is not None:
            self._numbers.add(event.number)
        if event.snapshot is not None:
            self._named.add(event.snapshot)


def _count(file: Path, table: str) -> int:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as db:
        [(count,)] = db.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608 - ours
    return int(count)


def _connect(port: int) -> WebSocket:
    address = f"127.0.0.1:{port}"
    connection: WebSocket = create_connection(f"ws://{address}/ws", origin=f"http://{address}", timeout=30)
    connection.send('{"type": "ready", "frames": 4}')
    return connection


class Browser(threading.Thread):
    """Takes every frame, as a page does."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._socket = _connect(port)
        self.frames = 0

    def run(self) -> None:
        """Until the connection ends."""
        while True:
            try:
                opcode, _ = self._socket.recv_data()
            except Exception:  # noqa: BLE001 - the end of the soak, in whatever form
                return
            if opcode == 2:
                self.frames += 1
                self._socket.send('{"type": "ready", "frames": 1}')


class Visitor(threading.Thread):
    """Comes, looks at a few frames and at what was, and goes, again and again."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.visits = 0
        self.failed = 0

    def run(self) -> None:
        """Until the process ends."""
        while True:
            time.sleep(VISIT_EVERY_S)
            self.visits += 1
            try:
                self._visit()
            except Exception as error:  # noqa: BLE001 - counted, whatever it is
                self.failed += 1
                print(f"visit {self.visits} failed: {error!r}", flush=True)

    def _visit(self) -> None:
        connection = _connect(self._port)
        frames = 0
        while frames < 4:
            frames += connection.recv_data()[0] == 2
        connection.close()
        for path in ASKED:
            _get(self._port, f"/api/v1/{path}")
        events: list[dict[str, Any]] = json.loads(_get(self._port, "/api/v1/events?limit=100"))["events"]
        for picture in [event["snapshot_url"] for event in events if event["snapshot_url"]][:5]:
            _get(self._port, picture)


def _get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return bytes(answer.read())


def viewer_counters(port: int) -> dict[str, float]:
    """The viewer's own, summed over their labels."""
    totals: dict[str, float] = {}
    for family in text_string_to_metric_families(_get(port, "/metrics").decode()):
        for sample in family.samples:
            if sample.name.endswith("_total"):
                name = sample.name.removeprefix("darner_").removesuffix("_total").replace("_", " ")
                totals[name] = totals.get(name, 0.0) + sample.value
    return totals
