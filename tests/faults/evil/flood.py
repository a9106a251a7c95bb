"""Sends what an edge node may send, to take all room: valid messages with invented names and wrong times.

`python -m tests.faults.evil.flood HOST PORT SEED RATE [--nodes]` goes on until it is ended. Without `--nodes`
all of it is of one node, as behind a broker with passwords. With it, every message is of another node.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from shared.wire import topics
from tests.conftest import REPO

NODE = "evil"
JPEG = (REPO / "docs" / "examples" / "thumbnail.jpg").read_bytes()
FAR_US = 2**53 - 1
KINDS = ("zone_entered", "zone_exited", "zone_lost", "track_ended", "line_crossed")
CAMERAS = [f"camera{number}" for number in range(40)]


class Message(NamedTuple):
    """One message to publish."""

    row: topics.Topic
    path: str
    payload: bytes
    named: dict[str, str]


class Evil:
    """Makes messages; each one is valid.

    Args:
        dice: Decides.
        nodes: Whether every message is of a node of its own.
    """

    def __init__(self, dice: random.Random, *, nodes: bool) -> None:
        self._dice, self._nodes = dice, nodes
        self._number = 0

    def messages(self) -> Iterator[Message]:
        """Messages without an end; cameras are announced first, so that pictures of them are taken."""
        for camera in CAMERAS:
            yield self._message(topics.CAMERA_STATUS, self._camera_status(), camera=camera)
        makers: tuple[tuple[Callable[[], Message], float], ...] = (
            (self.event, 0.55),
            (self.zone, 0.1),
            (self.zones, 0.05),
            (self.camera, 0.05),
            (self.status, 0.05),
            (self.metrics, 0.05),
            (self.picture, 0.1),
            (self.snapshot, 0.05),
        )
        kinds, weights = zip(*makers, strict=True)
        while True:
            [make] = self._dice.choices(kinds, weights)
            yield make()

    def event(self) -> Message:
        """An event of a boot, zone and session of its own, or one of a boot with many holes."""
        dice, fields = self._dice, {}
        self._number += 1
        if dice.random() < 0.5:
            fields = {"boot": "holes", "number": 2 * self._number, "oldest": 1}
        else:
            fields = {"boot": self._name(), "number": 1, "oldest": 1, "session": self._name()}
        at_us = dice.choice((0, 1, FAR_US, FAR_US // 2, self._now_us(), self._now_us()))
        at_us = dice.choice((at_us, self._now_us() - dice.randrange(30 * 86_400) * 1_000_000))
        body = {
            "seq": self._number, "captured_us": at_us, "event_id": self._name(), "type": dice.choice(KINDS),
            "occurred_us": at_us, "zone": self._name(), "label": "x" * 128, "snapshot": "y" * 500,
            "dwell_s": dice.choice((None, 0.0, 1e9)), "direction": dice.choice((None, "in", "out")),
        }  # fmt: skip
        camera = dice.choice((*CAMERAS, self._name()))
        return self._message(topics.EVENTS, body | fields, camera=camera)

    def zone(self) -> Message:
        """Numbers of an invented zone."""
        body = {"seq": 1, "captured_us": FAR_US, "kind": "zone", "occupancy": 10**6}
        return self._message(topics.ZONE, body, camera=self._dice.choice(CAMERAS), zone=self._name())

    def zones(self) -> Message:
        """Large definitions, each another version."""
        square = {"polygon": [[0, 0], [1, 0], [1, self._dice.random()]]}
        body = {"version": self._number, "zones": {self._name(): square for _ in range(200)}, "lines": {}}
        return self._message(topics.ZONES, body, camera=self._dice.choice(CAMERAS))

    def camera(self) -> Message:
        """An invented camera."""
        return self._message(topics.CAMERA_STATUS, self._camera_status(), camera=self._name())

    def status(self) -> Message:
        """A status."""
        return self._message(topics.STATUS, {"status": "online", "version": "1"})

    def metrics(self) -> Message:
        """Metrics of a session of its own."""
        body = {
            "session": self._name(), "uptime_s": 1, "cameras": {}, "stages_ms": {}, "cpu_percent": 1,
            "memory_mb": 1, "publish_dropped": {},
        }  # fmt: skip
        return self._message(topics.METRICS, body)

    def picture(self) -> Message:
        """A large thumbnail whose boxes never come."""
        self._number += 1
        named = {"session": "s", "seq": str(self._number)}
        jpeg = JPEG + bytes(self._dice.randrange(900_000 - len(JPEG)))
        return self._raw(topics.THUMBNAIL, jpeg, named, camera=self._dice.choice(CAMERAS))

    def snapshot(self) -> Message:
        """A picture of an invented track."""
        jpeg = JPEG + bytes(self._dice.randrange(290_000 - len(JPEG)))
        track = str(self._dice.randrange(10**9))
        return self._raw(topics.SNAPSHOT, jpeg, {"session": self._name()}, camera=CAMERAS[0], track=track)

    def _camera_status(self) -> dict[str, Any]:
        return {"status": "streaming", "since_us": 1}

    def _message(self, row: topics.Topic, body: dict[str, Any], **ids: str) -> Message:
        assert not isinstance(row.payload, str)
        node = self._name() if self._nodes else NODE
        schema = row.payload.__dataclass_fields__["schema"].default
        head = {"schema": schema, "node": node, "session": "s", "published_us": FAR_US, **ids}
        return Message(row, row.path(topics.DEFAULT_PREFIX, node=node, **ids), orjson.dumps(head | body), {})

    def _raw(self, row: topics.Topic, payload: bytes, named: dict[str, str], **ids: str) -> Message:
        node = self._name() if self._nodes else NODE
        return Message(row, row.path(topics.DEFAULT_PREFIX, node=node, **ids), payload, named)

    def _name(self) -> str:
        return f"x{self._dice.randrange(10**9)}"

    def _now_us(self) -> int:
        return time.time_ns() // 1000


def flood(host: str, port: int, seed: int, rate: float, *, nodes: bool) -> None:
    """Publish at an even rate until the process is ended."""
    client = paho.Client(CallbackAPIVersion.VERSION2, "evil", protocol=paho.MQTTv5)
    client.connect(host, port)
    client.loop_start()
    start = time.monotonic()
    for sent, message in enumerate(Evil(random.Random(seed), nodes=nodes).messages(), 1):
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no type there
        properties.UserProperty = list(message.named.items())
        row = message.row
        client.publish(message.path, message.payload, row.qos, row.retain, properties)
        ahead = start + sent / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("rate", type=float)
    parser.add_argument("--nodes", action="store_true")
    given = parser.parse_args()
    flood(given.host, given.port, given.seed, given.rate, nodes=given.nodes)
