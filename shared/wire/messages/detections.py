"""The objects in a frame, and which frame a picture shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from shared import limits
from shared.wire.messages.fields import (
    Amount,
    Change,
    Count,
    Fraction,
    FrameMessage,
    Id,
    Label,
    Micros,
    Pixels,
    Seconds,
)
from shared.wire.messages.ignoring import IgnoredObject


class DetectedObject(TypedDict):
    """One confirmed track in a frame."""

    # A dict, because thousands are made in a second.
    track_id: Annotated[Count, Meta(description="Number of the track in this session")]
    class_id: Annotated[Count, Meta(description="Index of the class in the model's list of classes")]
    label: Annotated[Label, Meta(description="Name of the class")]
    score: Annotated[Fraction, Meta(description="Confidence of the detector")]
    box: Annotated[
        tuple[Fraction, Fraction, Fraction, Fraction],
        Meta(description="x1, y1, x2, y2 as fractions of the frame"),
    ]
    age_s: Annotated[Seconds, Meta(description="Seconds since the track started")]
    velocity: Annotated[
        tuple[Change, Change],
        Meta(description="x and y of the box centre's movement, in fractions of the frame per second"),
    ]
    speed_m_s: Annotated[
        Amount | None, Meta(description="Speed over the ground; null where the camera is not calibrated")
    ]
    predicted: Annotated[
        bool, Meta(description="True when the tracker guessed the box without a detection in this frame")
    ]
    zones: Annotated[list[Id], Meta(max_length=limits.ZONES, description="Zones that the object is in")]


@dataclass(frozen=True, kw_only=True)
class DetectionsMessage(FrameMessage):
    """All confirmed tracks of one frame."""

    schema: Literal["darner.detections/1"] = "darner.detections/1"
    width: Annotated[Pixels, Meta(description="Width of the frame, pixels")]
    height: Annotated[Pixels, Meta(description="Height of the frame, pixels")]
    timings_ms: Annotated[
        dict[Label, Amount], Meta(max_length=32, description="Time that each stage took for this frame")
    ]
    dropped: Annotated[
        Count,
        Meta(description="Number of earlier frames of this session that no detections message reported"),
    ]
    objects: Annotated[list[DetectedObject], Meta(max_length=limits.OBJECTS)]
    main_track_id: Annotated[
        Count | None, Meta(description="Track of the main subject; null: there is none")
    ] = None
    ignored: Annotated[
        list[IgnoredObject],
        Meta(
            max_length=limits.IGNORED,
            description="Detections that masks and filters dropped, best scores first; empty: none",
        ),
    ] = field(default_factory=list)
    looked: Annotated[
        list[tuple[Fraction, Fraction, Fraction, Fraction]],
        Meta(
            max_length=limits.LOOKS,
            description="Parts of the frame that the network looked at, where it chooses them (tiles): "
            "x1, y1, x2, y2 as fractions of the frame; empty: it looked at the whole frame, or did not run",
        ),
    ] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Bundle(FrameMessage):
    """Picture and objects of one frame in one message; sent only if configured."""

    schema: Literal["darner.bundle/1"] = "darner.bundle/1"
    frame_id: Annotated[str, Meta(max_length=300, description="Identifier that no other frame ever gets")]
    image_base64: Annotated[str, Meta(max_length=limits.PAYLOAD_BYTES, description="JPEG of the frame")]
    prediction: Annotated[list[DetectedObject], Meta(max_length=limits.OBJECTS)]


@dataclass(frozen=True, kw_only=True)
class PictureName:
    """Which frame a thumbnail or snapshot shows: the comment of the JPEG."""

    schema: Literal["darner.picture/1"] = "darner.picture/1"
    session: Annotated[Id, Meta(description="Identifies one run of the node")]
    seq: Annotated[Count, Meta(description="Number of the frame")]
    captured_us: Annotated[
        Micros, Meta(description="When the frame was captured, microseconds since 1970 UTC")
    ]
    width: Annotated[Pixels, Meta(description="Width of the picture, pixels")]
    height: Annotated[Pixels, Meta(description="Height of the picture, pixels")]
