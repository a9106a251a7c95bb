"""Floods every topic that the edge node and the viewer subscribe to with garbage.

`python -m tests.faults.garbage HOST PORT NODE SEED RATE` goes on until it is ended. All of it breaks the
contract, which is checked here, so none of it may have an effect.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from typing import Any

import orjson
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from shared.errors import MessageError
from shared.wire import messages, topics
from tests.conftest import REPO

EXAMPLES = REPO / "docs" / "examples"
WRONG: tuple[Any, ...] = (None, True, -1, 1.5, "x", [], {}, [[]], {"x": {}}, "9" * 5000)
COMMANDS = (
    "ping",
    "snapshot",
    "detect",
    "set",
    "zones.set",
    "calendar.set",
    "mode.set",
    "rules.set",
    "health.accept",
    "heatmap",
    "suspects.dismiss",
    "reload",
    "no.such",
)
Maker = Callable[[random.Random, topics.Topic], bytes]


def noise(dice: random.Random, row: topics.Topic) -> bytes:  # noqa: ARG001 - as every maker
    """Random bytes."""
    return dice.randbytes(dice.randrange(1, 3000))


def huge(dice: random.Random, row: topics.Topic) -> bytes:  # noqa: ARG001
    """Some hundred kilobytes of JSON with many objects."""
    return orjson.dumps({"schema": "x", "objects": [{"box": [0, 0, 1, 1]}] * dice.randrange(5_000, 30_000)})


def nested(dice: random.Random, row: topics.Topic) -> bytes:  # noqa: ARG001
    """Brackets so deep that a careless parser overflows its stack."""
    depth = dice.randrange(1_000, 50_000)
    return dice.choice((b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth))


def truncated_jpeg(dice: random.Random, row: topics.Topic) -> bytes:  # noqa: ARG001
    """The beginning of a JPEG, or a JPEG with zeros in its second half."""
    jpeg = (EXAMPLES / "thumbnail.jpg").read_bytes()
    end = dice.randrange(2, len(jpeg))
    return jpeg[:end] if dice.random() < 0.5 else jpeg[: end // 2] + bytes(end // 2)


def wrong_type(dice: random.Random, row: topics.Topic) -> bytes:
    """A real message with one field of another type."""
    if row.payload == "jpeg":
        return noise(dice, row)
    example = orjson.loads((EXAMPLES / f"{row.name}.json").read_bytes())["payload"]
    while True:
        body = dict(example)
        body[dice.choice(list(body))] = dice.choice(WRONG)
        payload = orjson.dumps(body)
        try:
            messages.decode(row.payload, payload)
        except MessageError:
            return payload


MAKERS: tuple[tuple[Maker, float], ...] = (
    (noise, 0.3),
    (wrong_type, 0.4),
    (truncated_jpeg, 0.25),
    (nested, 0.04),
    (huge, 0.01),
)


def garbage(dice: random.Random, node: str, cameras: list[str]) -> tuple[topics.Topic, str, bytes]:
    """One message: row of the topic table, topic and payload."""
    row = dice.choice(topics.TABLE)
    (maker,) = dice.choices([maker for maker, _ in MAKERS], [weight for _, weight in MAKERS])
    ids = {
        "node": node,
        "camera": dice.choice([*cameras, f"c{dice.randrange(1000)}"]),
        "zone": f"z{dice.randrange(1000)}",
        "track": str(dice.randrange(1000)),
        "archive": f"a{dice.randrange(1000)}",
        "viewer": f"v{dice.randrange(1000)}",
        "command": dice.choice(COMMANDS),
    }
    wanted = {name: value for name, value in ids.items() if f"{{{name}}}" in row.pattern}
    return row, row.path(topics.DEFAULT_PREFIX, **wanted), maker(dice, row)


def flood(host: str, port: int, node: str, seed: int, rate: float) -> None:
    """Publish at an even rate until the process is ended."""
    dice = random.Random(seed)
    client = paho.Client(CallbackAPIVersion.VERSION2, "vandal", protocol=paho.MQTTv5)
    client.connect(host, port)
    client.loop_start()
    start = time.monotonic()
    sent = 0
    while True:
        row, topic, payload = garbage(dice, node, ["front", "side"])
        # Only the status is retained: the node restores it. Other retained garbage would outlast the flood.
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no type there
        if row.payload == "jpeg" and dice.random() < 0.5:
            properties.UserProperty = [("session", "x"), ("seq", "7"), ("width", "nan"), ("height", "9" * 99)]
        client.publish(topic, payload, dice.choice((0, 1)), row is topics.STATUS, properties)
        sent += 1
        ahead = start + sent / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("node")
    parser.add_argument("seed", type=int)
    parser.add_argument("rate", type=float)
    given = parser.parse_args()
    flood(given.host, given.port, given.node, given.seed, given.rate)
