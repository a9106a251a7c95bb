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


def camera(name: str = "c", of: str = "n", **changed: Any) -> Received:
    message = COMMON | {
        "node": of, "camera": name, "schema": "darner.camera-status/1", "status": "streaming", "since_us": 1,
    }  # fmt: skip
    return received(f"{of}/camera/{name}/status", message | changed)


def zones(*names: str, of: str = "n", camera: str = "c") -> Received:
    square = {"polygon": [[0, 0], [1, 0], [1, 1]]}
    message = COMMON | {
        "node": of, "camera": camera, "schema": "darner.zones/1", "version": 1,
        "zones": dict.fromkeys(names, square), "lines": {},
    }  # fmt: skip
    return received(f"{of}/camera/{camera}/zones", message)


def zone(name: str, of: str = "n", camera: str = "c") -> Received:
    message = COMMON | {
        "node": of, "camera": camera, "schema": "darner.zone/1", "zone": name, "kind": "zone", "seq": 1,
        "captured_us": 1,
    }  # fmt: skip
    return received(f"{of}/camera/{camera}/zone/{name}", message)


def event(number: int, kind: str = "zone_entered", of: str = "n") -> Received:
    message = COMMON | {
        "node": of, "camera": "c", "schema": "darner.event/1", "event_id": f"e{number}", "type": kind,
        "occurred_us": 1, "seq": 1, "captured_us": 1,
    }  # fmt: skip
    return received(f"{of}/camera/c/events", message)


def metrics(of: str = "n", **changed: Any) -> Received:
    message = COMMON | {
        "node": of, "schema": "darner.metrics/1", "uptime_s": 1, "cameras": {}, "stages_ms": {},
        "cpu_percent": 1, "memory_mb": 1, "publish_dropped": {},
    }  # fmt: skip
    return received(f"{of}/metrics", message | changed)


def info(*cameras: str, classes: int = 1, of: str = "n") -> Received:
    message = COMMON | {
        "node": of,
        "schema": "darner.info/1",
        "version": "1",
        "cameras": [{"camera": name, "source": "x", "zones": 0, "lines": 0} for name in cameras],
        "model": {
            "name": "m", "classes": ["a" * 100] * classes, "input_width": 1, "input_height": 1, "layout": "l",
        },
        "backend": "b", "device": "d", "tracker": "t", "capabilities": [],
    }  # fmt: skip
    return received(f"{of}/info", message)


def thumbnail(
    number: int, raw: bytes | None = None, of: str = "n", camera: str = "c", **properties: str
) -> Received:
    properties = properties or {"session": "s1", "seq": str(number)}
    raw = picture_of(number) if raw is None else raw
    return received(f"{of}/camera/{camera}/thumbnail", raw=raw, **properties)


def detections(seq: int, of: str = "n", camera: str = "c") -> Received:
    return received(f"{of}/camera/{camera}/detections", detections_of(seq, of, "s1", camera))
