"""The fields that all messages of a node, of a camera or about a frame have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from shared.wire.messages.fields import Count, Id, Micros


@dataclass(frozen=True, kw_only=True)
class NodeMessage:
    """The fields of every JSON message."""

    schema: str
    node: Annotated[Id, Meta(description="Identifier of the node")]
    session: Annotated[Id, Meta(description="Identifies one run of the node")]
    published_us: Annotated[
        Micros, Meta(description="When the message was made, microseconds since 1970 UTC")
    ]


@dataclass(frozen=True, kw_only=True)
class CameraMessage(NodeMessage):
    """The fields of every message about a camera."""

    camera: Annotated[Id, Meta(description="Identifier of the camera")]


@dataclass(frozen=True, kw_only=True)
class FrameMessage(CameraMessage):
    """The fields of every message about one frame."""

    seq: Annotated[Count, Meta(description="Number of the frame, counted for each camera and session")]
    captured_us: Annotated[
        Micros, Meta(description="When the frame was captured, microseconds since 1970 UTC")
    ]
