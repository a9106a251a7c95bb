"""What is seen in a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from shared.wire.messages.codec import MAX_PAYLOAD
from shared.wire.messages.fields import Count, Fraction, Id, Label, Pixels, Seconds
from shared.wire.messages.heads import FrameMessage


class DetectedObject(TypedDict):
    """One confirmed track in a frame; a dict, because thousands a second are made."""

    track_id: Count
    class_id: Count
    label: Label
    score: Fraction
    box: Annotated[tuple[Fraction, Fraction, Fraction, Fraction], Meta(description="x1, y1, x2, y2")]
    age_s: Seconds
    velocity: Annotated[
        tuple[float, float], Meta(description="Of the box centre, frame fractions per second")
    ]
    speed_m_s: Annotated[float | None, Meta(description="Over the ground, where the camera is calibrated")]
    predicted: Annotated[bool, Meta(description="No detection of this frame supports the box")]
    zones: Annotated[list[Id], Meta(max_length=256)]


@dataclass(frozen=True, kw_only=True)
class DetectionsMessage(FrameMessage):
    """All confirmed tracks of one frame."""

    schema: Literal["darner.detections/1"] = "darner.detections/1"
    width: Pixels
    height: Pixels
    timings_ms: Annotated[dict[Label, Seconds], Meta(max_length=32)]
    dropped: Annotated[
        Count, Meta(description="Frames of this session before this one that no detections message reported")
    ]
    objects: Annotated[list[DetectedObject], Meta(max_length=10_000)]
    main_track_id: Count | None = None


@dataclass(frozen=True, kw_only=True)
class Bundle(FrameMessage):
    """Picture and objects of one frame together; off unless configured."""

    schema: Literal["darner.bundle/1"] = "darner.bundle/1"
    frame_id: Annotated[str, Meta(max_length=300, description="Unique for ever")]
    image_base64: Annotated[str, Meta(max_length=MAX_PAYLOAD, description="JPEG")]
    prediction: Annotated[list[DetectedObject], Meta(max_length=10_000)]
