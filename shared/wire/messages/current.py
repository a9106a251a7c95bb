"""What a camera sees now, and by which of the settings that a request can change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from shared import limits
from shared.wire.messages.fields import Count, Fraction, Label, Micros
from shared.wire.messages.heads import CameraMessage


@dataclass(frozen=True, kw_only=True)
class CountState(CameraMessage):
    """How many objects a camera sees now, by class."""

    schema: Literal["darner.count/1"] = "darner.count/1"
    captured_us: Annotated[
        Micros,
        Meta(
            description="When the frame in which they were counted was captured, microseconds since 1970 "
            "UTC; before the first frame, when the node started"
        ),
    ]
    total: Annotated[Count, Meta(description="Number of confirmed tracks in view")]
    classes: Annotated[
        dict[Label, Count],
        Meta(
            max_length=limits.CLASSES,
            description="Number by name of the class; one that was seen since the node started stays, with 0",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class SettingsState(CameraMessage):
    """The values of the settings that the command set can change."""

    schema: Literal["darner.settings/1"] = "darner.settings/1"
    confidence: Annotated[Fraction, Meta(description="Lowest score of an object that is reported")]
    detect_every: Annotated[int, Meta(ge=1, le=100, description="The detector runs on every n-th frame")]
    paused: Annotated[bool, Meta(description="Whether the camera's analysis is paused")]
    thumbnail_fps: Annotated[float, Meta(ge=0, le=60, description="Thumbnails per second; 0: none")]
