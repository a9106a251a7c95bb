"""Messages as the broker hands them over: of node n, camera c, session s1."""

from __future__ import annotations

from typing import Any

import orjson

from shared.mqtt.received import Received
from tests.viewer_server.fake_edge import detections_of, picture_of

COMMON = {"node": "n", "session": "s1", "published_us": 1}


def received(path: str, message: object = None, *, raw: bytes | None = None, **properties: str) -> Received:
    payload = orjson.dumps(message) if raw is None else raw
    return Received(f"darner/v1/{path}", payload, 0, False, properties)


def status(node: str = "n", **changed: Any) -> Received:
    message = COMMON | {"node": node, "schema": "darner.status/1", "status": "online", "version": "1"}
    return received(f"{node}/status", message | changed)


def camera(name: str = "c", **changed: Any) -> Received:
    message = COMMON | {
        "camera": name, "schema": "darner.camera-status/1", "status": "streaming", "since_us": 1,
    }  # fmt: skip
    return received(f"n/camera/{name}/status", message | changed)


def zones(*names: str) -> Received:
    square = {"polygon": [[0, 0], [1, 0], [1, 1]]}
    message = COMMON | {
        "camera": "c", "schema": "darner.zones/1", "version": 1,
        "zones": dict.fromkeys(names, square), "lines": {},
    }  # fmt: skip
    return received("n/camera/c/zones", message)


def zone(name: str) -> Received:
    message = COMMON | {
        "camera": "c", "schema": "darner.zone/1", "zone": name, "kind": "zone", "seq": 1, "captured_us": 1,
    }  # fmt: skip
    return received(f"n/camera/c/zone/{name}", message)


def event(number: int, kind: str = "zone_entered") -> Received:
    message = COMMON | {
        "camera": "c", "schema": "darner.event/1", "event_id": f"e{number}", "type": kind, "occurred_us": 1,
        "seq": 1, "captured_us": 1,
    }  # fmt: skip
    return received("n/camera/c/events", message)


def info(*cameras: str, classes: int = 1) -> Received:
    message = COMMON | {
        "schema": "darner.info/1",
        "version": "1",
        "cameras": [{"camera": name, "source": "x", "zones": 0, "lines": 0} for name in cameras],
        "model": {
            "name": "m", "classes": ["a" * 100] * classes, "input_width": 1, "input_height": 1, "layout": "l",
        },
        "backend": "b", "device": "d", "tracker": "t", "capabilities": [],
    }  # fmt: skip
    return received("n/info", message)


def thumbnail(number: int, raw: bytes | None = None, **properties: str) -> Received:
    properties = properties or {"session": "s1", "seq": str(number)}
    return received("n/camera/c/thumbnail", raw=picture_of(number) if raw is None else raw, **properties)


def detections(seq: int) -> Received:
    return received("n/camera/c/detections", detections_of(seq, "n", "s1", "c"))
