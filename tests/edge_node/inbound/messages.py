"""Messages of others, written by hand after their public documents."""

from __future__ import annotations

import json
from typing import Any

BOX = {"left": 0.25, "top": 0.5, "right": 0.5, "bottom": 0.75}


def axis(at: str = "2026-03-08T09:00:19.320111Z", *observations: dict[str, Any]) -> bytes:
    return json.dumps({"frame": {"timestamp": at, "observations": list(observations)}}).encode()


def observed(name: object = "1", kind: str = "Human", score: float = 0.6, **box: Any) -> dict[str, Any]:
    return {"track_id": name, "bounding_box": BOX | box, "class": {"type": kind, "score": score}}


def onvif(at: str, *objects: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"Frame": [{"@UtcTime": at, "@Source": "x", "Object": list(objects), **more}]}).encode()


def shaped(name: object, box: tuple[float, float, float, float], **appearance: Any) -> dict[str, Any]:
    edges = dict(zip(("@left", "@top", "@right", "@bottom"), box, strict=True))
    return {"@ObjectId": name, "Appearance": {"Shape": {"BoundingBox": edges}, **appearance}}


def frigate(name: str, at_s: float, box: list[float], kind: str = "update", **more: Any) -> bytes:
    after = {"id": name, "camera": "yard", "frame_time": at_s, "label": "person", "score": 0.8, "box": box}
    return json.dumps({"type": kind, "before": {}, "after": after | more}).encode()
