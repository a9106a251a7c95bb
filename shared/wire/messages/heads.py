"""What every message of a kind begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from shared.wire.messages.fields import Count, Id, Micros


@dataclass(frozen=True, kw_only=True)
class NodeMessage:
    """What every JSON message carries."""

    schema: str
    node: Id
    session: Annotated[Id, Meta(description="One run of the node")]
    published_us: Micros


@dataclass(frozen=True, kw_only=True)
class CameraMessage(NodeMessage):
    """What every message about a camera carries."""

    camera: Id


@dataclass(frozen=True, kw_only=True)
class FrameMessage(CameraMessage):
    """What every message about one frame carries."""

    seq: Annotated[Count, Meta(description="Number of the frame, per camera and session")]
    captured_us: Annotated[
        Micros, Meta(description="When the frame was captured, microseconds since 1970 UTC")
    ]
