"""A frame's objects as ONVIF's scene description in JSON (onvif-mj).

The rules are those of the specification: an XML attribute is a key with ``@``, the text of an element that
has attributes is ``#text``, and an element that may be repeated is an array. Coordinates are ONVIF's own:
-1 to 1, x to the right, y up, so that no transformation is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np

from edge_node.frames import Tracks
from edge_node.onvif.classes import Kind
from shared.geometry import F64

MODULE = "Darner"
"""The name of the analytics module, in topics and frames."""


def utc(microseconds: int) -> str:
    """A time as xs:dateTime in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(microseconds // 1000 / 1000, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def normalised(xyxy: F64, width: int, height: int) -> F64:
    """Boxes in pixels as left, top, right and bottom in ONVIF's coordinates, inside the frame."""
    size = np.array([width, height] * 2, np.float64)
    boxes = np.clip(xyxy / size, 0.0, 1.0) * [2, -2, 2, -2] + [-1, 1, -1, 1]
    return np.asarray(boxes.round(5) + 0.0)  # -0.0 becomes 0.0


def frame(
    tracks: Tracks,
    size: tuple[int, int],
    captured_us: int,
    kinds: Sequence[Kind],
    speeds: Sequence[float | None] = (),
    renamed: Sequence[tuple[int, int]] = (),
    gone: Sequence[int] = (),
) -> dict[str, Any]:
    """The scene description of one frame.

    Args:
        tracks: The frame's tracks.
        size: Width and height of the frame, pixels.
        captured_us: When it was captured, microseconds since 1970 UTC.
        kinds: What ONVIF calls each class, by class id.
        speeds: Of each track, metres per second; None where it is not known. Empty: of none.
        renamed: Objects that go on under another id since the last frame: the old id and the new one.
        gone: Ids that will not come again.
    """
    boxes = normalised(tracks.xyxy.astype(np.float64), *size).tolist()
    rows = zip(
        tracks.track_id.tolist(),
        tracks.class_id.tolist(),
        tracks.score.astype(np.float64).round(4).tolist(),
        boxes,
        speeds or [None] * len(tracks),
        strict=True,
    )
    content: dict[str, Any] = {"@UtcTime": utc(captured_us), "@Source": MODULE}
    objects = [
        _object(number, kinds[class_id], score, box, speed) for number, class_id, score, box, speed in rows
    ]
    if objects:
        content["Object"] = objects
    tree: dict[str, Any] = {}
    if renamed:
        tree["Rename"] = [{"from": {"@ObjectId": old}, "to": {"@ObjectId": new}} for old, new in renamed]
    if gone:
        tree["Delete"] = [{"@ObjectId": number} for number in gone]
    if tree:
        content["ObjectTree"] = tree
    return {"Frame": [content]}


def _object(
    number: int, kind: Kind, score: float, box: Sequence[float], speed: float | None
) -> dict[str, Any]:
    left, top, right, bottom = box
    appearance: dict[str, Any] = {
        "Shape": {
            "BoundingBox": {"@left": left, "@top": top, "@right": right, "@bottom": bottom},
            "CenterOfGravity": {"@x": round((left + right) / 2, 5), "@y": round((top + bottom) / 2, 5)},
        },
        "Class": {"Type": [{"@Likelihood": score, "#text": kind.type}]},
    }
    if kind.vehicle is not None:
        appearance["VehicleInfo"] = [{"Type": {"@Likelihood": score, "#text": kind.vehicle}}]
    seen: dict[str, Any] = {"@ObjectId": number, "Appearance": appearance}
    if speed is not None:
        seen["Behaviour"] = {"Speed": speed}
    return seen
