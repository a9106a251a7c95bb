"""What a camera ignores: masks and filters, the detections that they drop, and suspects for a new mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from shared import limits
from shared.geometry import Anchor
from shared.wire.messages.fields import CameraMessage, ClassFilter, Count, Fraction, Id, Label, Micros, Point

IgnoreReason = Literal["mask", "min_size", "max_size", "min_aspect", "max_aspect", "score"]
"""Why a detection was dropped: the key of a filter, or a mask."""

Polygon = Annotated[
    tuple[Point, ...],
    Meta(
        min_length=3,
        max_length=limits.CORNERS,
        description="Corners as x, y fractions of the frame, in order around the shape",
    ),
]
Box = Annotated[
    tuple[Fraction, Fraction, Fraction, Fraction],
    Meta(description="x1, y1, x2, y2 as fractions of the frame"),
]
Size = Annotated[float, Meta(ge=0, le=100)]
Aspect = Annotated[float, Meta(ge=0, le=1000)]


@dataclass(frozen=True, kw_only=True)
class MaskDefinition:
    """A polygon in which objects are never reported. Its pixels stay visible: it does not protect privacy."""

    polygon: Polygon
    classes: ClassFilter = ()
    by: Annotated[
        Literal["anchor", "overlap"],
        Meta(
            description="What decides whether an object is in the mask. anchor: one point of its box; "
            "overlap: how much of its box is inside"
        ),
    ] = "anchor"
    anchor: Annotated[
        Anchor, Meta(description="by anchor: the point of an object's box that must be inside")
    ] = "bottom_center"
    overlap: Annotated[
        float,
        Meta(gt=0, le=1, description="by overlap: the least share of the box's area that must be inside"),
    ] = 0.5
    schedule: Annotated[
        Id | None, Meta(description="Schedule of the calendar during which it holds; null: always")
    ] = None


@dataclass(frozen=True, kw_only=True)
class FilterDefinition:
    """Detections of a class are dropped outside these bounds; null: no bound, or that of "all"."""

    min_size: Annotated[
        Size | None,
        Meta(
            description="Drop boxes whose longer side is shorter than this, as a fraction of the frame's "
            "height; 0 drops none"
        ),
    ] = None
    max_size: Annotated[
        Size | None,
        Meta(description="Drop boxes whose longer side is longer, as a fraction of the frame's height"),
    ] = None
    min_aspect: Annotated[
        Aspect | None,
        Meta(description="Drop boxes that are narrower: their width divided by their height; 0 drops none"),
    ] = None
    max_aspect: Annotated[
        Aspect | None, Meta(description="Drop boxes that are wider: their width divided by their height")
    ] = None
    score: Annotated[
        Fraction | None,
        Meta(description="Drop detections with a lower score, before tracking; 0 drops none"),
    ] = None


class IgnoredObject(TypedDict):
    """One detection that a mask or a filter dropped."""

    class_id: Annotated[Count, Meta(description="Index of the class in the model's list of classes")]
    label: Annotated[Label, Meta(description="Name of the class")]
    score: Annotated[Fraction, Meta(description="Confidence of the detector")]
    box: Box
    reason: Annotated[IgnoreReason, Meta(description="The first that applied: a key of a filter, or mask")]
    mask: Annotated[Id | None, Meta(description="Name of the mask; null: a filter dropped it")]


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """Something that is found again and again at one place where no pixel moves, such as a sign."""

    id: Annotated[Id, Meta(description="Names it in suspects.dismiss; the same after a restart")]
    class_id: Annotated[Count, Meta(description="Index of the class in the model's list of classes")]
    label: Annotated[Label, Meta(description="Name of the class")]
    box: Box
    polygon: Annotated[Polygon, Meta(description="A mask that would cover it, by the default anchor")]
    since_us: Annotated[
        Micros, Meta(description="When it was first found there, microseconds since 1970 UTC")
    ]
    last_us: Annotated[
        Micros,
        Meta(description="When it was last found there before this message, microseconds since 1970 UTC"),
    ]
    seen_share: Annotated[
        Fraction, Meta(description="In which share of the pictures since then it was found")
    ]
    score: Annotated[Fraction, Meta(description="Average confidence of the detector")]


@dataclass(frozen=True, kw_only=True)
class Suspects(CameraMessage):
    """Things that may be static false positives; nothing is ignored before somebody makes a mask of one."""

    schema: Literal["darner.suspects/1"] = "darner.suspects/1"
    suspects: Annotated[
        tuple[Suspect, ...], Meta(max_length=limits.SUSPECTS, description="Those found longest come first")
    ]
