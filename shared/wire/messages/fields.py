"""Types of fields, and the fields that all messages of a node, of a camera or about a frame have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from shared import limits
from shared.clock import now_ns

# `$` alone would accept a trailing newline in Python.
ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}(?!\n)$"

Id = Annotated[str, Meta(pattern=ID_PATTERN, description="Identifier: 1 to 64 letters, digits, _ or -")]
Text = Annotated[str, Meta(max_length=limits.TEXT_LENGTH)]
Label = Annotated[str, Meta(max_length=limits.LABEL_LENGTH)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$", description="In hexadecimal")]
Micros = Annotated[int, Meta(ge=0, le=limits.WHOLE, description="Microseconds since 1970 UTC")]
Count = Annotated[int, Meta(ge=0, le=limits.WHOLE)]
Seconds = Annotated[float, Meta(ge=0, le=limits.SECONDS)]
Amount = Annotated[float, Meta(ge=0, le=limits.AMOUNT)]
Change = Annotated[float, Meta(ge=-limits.AMOUNT, le=limits.AMOUNT)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Pixels = Annotated[int, Meta(ge=1, le=65_535, description="Pixels")]
# A zone may reach beyond the frame; a value beyond these bounds is a pixel coordinate by mistake.
Coordinate = Annotated[float, Meta(ge=-1, le=2, description="Fraction of the frame's width or height")]
Point = tuple[Coordinate, Coordinate]
ClassFilter = Annotated[
    tuple[Label, ...], Meta(max_length=limits.NAMED_CLASSES, description="Class names; empty means all")
]


def now_us() -> int:
    """The wall clock: microseconds since 1970 UTC; see `shared.clock` for when it goes back."""
    return now_ns() // 1000


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
