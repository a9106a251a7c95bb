"""Axis' scene metadata, frame by frame (``com.axis.analytics_scene_description.v0.beta``).

Source: Axis developer documentation, "Message Broker: Standard Topics" and "AXIS Scene Metadata". Boxes are
fractions of the frame, y down. An id belongs to one object, because the camera tracks by itself.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from edge_node.inbound.scene import Scene, decoded, kept, microseconds, object_of
from shared.errors import MessageError


class _Box(msgspec.Struct, frozen=True):
    left: float
    top: float
    right: float
    bottom: float


class _Class(msgspec.Struct, frozen=True):
    type: str | None = None
    score: float | None = None


class _Observation(msgspec.Struct, frozen=True):
    bounding_box: _Box
    track_id: str | int | None = None
    kind: _Class | None = msgspec.field(default=None, name="class")


class _Frame(msgspec.Struct, frozen=True):
    timestamp: datetime
    observations: list[_Observation] = []


class _Message(msgspec.Struct, frozen=True):
    frame: _Frame | None = None


def read(payload: bytes) -> Scene:
    """The objects of one frame.

    Raises:
        MessageError: It is no such message.
    """
    frame = decoded(payload, _Message).frame
    if frame is None:
        raise MessageError("it has no frame; publish com.axis.analytics_scene_description.v0.beta")
    objects = [
        object_of(
            one.track_id,
            None if one.kind is None else one.kind.type,
            None if one.kind is None else one.kind.score,
            (one.bounding_box.left, one.bounding_box.top, one.bounding_box.right, one.bounding_box.bottom),
        )
        for one in frame.observations
    ]
    seen, others = kept(objects)
    return Scene(microseconds(frame.timestamp), seen, lacking=others)
