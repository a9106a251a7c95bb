"""The messages of simulated nodes: those of a real one (`docs/examples`), with other names and numbers."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

from shared.wire import topics
from shared.wire.topics import Topic
from tests.bench.fleet import packets
from tests.conftest import REPO

PREFIX = topics.DEFAULT_PREFIX
CAMERA, ZONE, LINE = "street", "path", "gate"
EXAMPLES = REPO / "docs" / "examples"
PICTURE = (EXAMPLES / "thumbnail.jpg").read_bytes()

_FIRST = 4_000_000_000_000_001
"""Numbers from here on stand for values that are filled in: no example has such a large one."""

Fields = Mapping[bytes, object]


class Template:
    """A message with places to fill in.

    Args:
        row: Its topic.
        example: The file in `docs/examples`, without its ending.
        fixed: Fields with other values than in the example.
        filled: Fields whose whole numbers are filled in for each message.
    """

    def __init__(self, row: Topic, example: str, filled: tuple[str, ...], **fixed: Any) -> None:
        self.row = row
        payload = {**_example(example), **fixed, "node": "\0node", "session": "\0session"}
        for number, name in enumerate(filled):
            payload[name] = _FIRST + number
        text = orjson.dumps(payload).replace(b"%", b"%%")
        for number, name in enumerate(filled):
            text = text.replace(str(_FIRST + number).encode(), f"%({name})d".encode())
        text = re.sub(rb'"\\u0000(historical)"', rb"%(\1)b", text)  # a truth value has no quotes
        self._text = re.sub(rb"\\u0000(\w+)", rb"%(\1)b", text)

    def fill(self, fields: Fields) -> bytes:
        """The message with these values."""
        return self._text % fields


@functools.cache
def _example(name: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text())["payload"]
    return payload


def _fixed(row: Topic, example: str, *filled: str, **fixed: Any) -> Template:
    return Template(row, example, ("published_us", *filled), **fixed)


ONLINE = _fixed(topics.STATUS, "status", status="online")
OFFLINE = _fixed(topics.STATUS, "status", status="offline")
INFO = _fixed(topics.INFO, "info")
CAMERAS = _fixed(topics.CAMERAS, "cameras")
METRICS = _fixed(topics.METRICS, "metrics")
STREAMING = _fixed(topics.CAMERA_STATUS, "camera_status", "since_us", status="streaming")
ZONES = _fixed(topics.ZONES, "zones")
SETTINGS = _fixed(topics.SETTINGS, "settings")
COUNT = _fixed(topics.COUNT, "count", "captured_us", "total")
_COUNTED = ("captured_us", "seq", "started_us", "entered", "exited", "occupancy")
PATH = _fixed(topics.ZONE, "zone", *_COUNTED, zone=ZONE, lost=0)
GATE = _fixed(
    topics.ZONE, "zone", "captured_us", "seq", "started_us",
    zone=LINE, kind="line", occupancy=0, lost=0, queue=None,
)  # fmt: skip
EVENT = _fixed(
    topics.EVENTS, "events", "captured_us", "seq", "occurred_us", "number", "oldest", "track_id",
    type="\0type", boot="\0boot", event_id="\0event_id", historical="\0historical", zone=ZONE,
    snapshot=None, linked_track_id=None, dwell_s=3.2,
)  # fmt: skip
DETECTIONS = _fixed(topics.DETECTIONS, "detections", "captured_us", "seq", dropped=0)
CALENDAR = _fixed(topics.CALENDAR, "calendar")
MODE = _fixed(topics.MODE, "mode")
RULES = _fixed(topics.RULES, "rules")
HEALTH = _fixed(topics.HEALTH, "health", camera=CAMERA, problems=[], paused=False)

RETAINED = (
    *(PATH, GATE, COUNT, SETTINGS, ZONES, HEALTH),
    *(CAMERAS, INFO, CALENDAR, MODE, RULES, STREAMING, ONLINE),
)
"""What a node publishes after each connect, in the order of the contract: numbers first, "online" last."""
AGAIN = (PATH, GATE, COUNT, SETTINGS, STREAMING)
"""What it publishes again once a minute."""


def heads(node: str) -> dict[Template, tuple[int, bytes, bytes]]:
    """What the packets of a node's messages begin with."""
    places = {"node": node, "camera": CAMERA}
    made = {}
    for one in (*RETAINED, OFFLINE, METRICS, EVENT, DETECTIONS):
        zone = {PATH: {"zone": ZONE}, GATE: {"zone": LINE}}.get(one, {})
        row = one.row
        topic = f"{PREFIX}/{row.pattern.format(**places, **zone)}"
        made[one] = packets.head(topic, qos=row.qos, retain=row.retain, expiry_s=row.expiry_s)
    return made


def picture_head(node: str) -> tuple[int, bytes, bytes]:
    """The same of its camera's pictures."""
    topic = topics.THUMBNAIL.path(PREFIX, node=node, camera=CAMERA)
    return packets.head(topic, qos=0, retain=False, expiry_s=topics.THUMBNAIL.expiry_s)
