"""What the page asks and is told about pictures; also the types of the REST API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from shared import limits
from shared.collected import Reason
from shared.wire.messages import Count, Fraction, Label, Pixels, Text
from shared.wire.messages.fields import Micros
from viewer_server.labelling.boxes import MOST
from viewer_server.labelling.coco import State

PAGE = 200
"""Pictures that one answer names."""
Name = Annotated[
    str,
    Meta(min_length=1, max_length=4096, description="Name of a picture's file, below the folder, with /"),
]
Version = Annotated[str, Meta(max_length=64, description="Of what is decided; empty: nothing yet")]
Corners = Annotated[
    tuple[Fraction, Fraction, Fraction, Fraction],
    Meta(description="x1, y1, x2, y2 in fractions of the picture"),
]


@dataclass(frozen=True, kw_only=True)
class LabelQuery:
    """Which pictures, and which part of the list of them."""

    state: Annotated[
        Literal["open", "decided", "accepted", "corrected", "empty", "annotated", "all"],
        Meta(description="open: nothing is decided yet; annotated: labelled by other tools"),
    ] = "all"
    reason: Annotated[Reason | None, Meta(description="Why the node kept it")] = None
    below: Annotated[Fraction | None, Meta(description="Has a proposal that scores less than this")] = None
    after: Annotated[Name | None, Meta(description="Those behind this one")] = None
    before: Annotated[Name | None, Meta(description="Those in front of this one, the nearest ones")] = None
    limit: Annotated[int, Meta(ge=1, le=PAGE)] = 50


@dataclass(frozen=True, kw_only=True)
class LabelProgress:
    """How far the work is.

    Attributes:
        total: Pictures of the folder.
        decided: Of these, the ones about which somebody has decided.
        hours: Hours of cameras that the collected pictures show.
        hours_decided: Of these, the ones from which a picture is decided.
    """

    total: Count
    decided: Count
    hours: Count
    hours_decided: Count


@dataclass(frozen=True, kw_only=True)
class LabelList:
    """Pictures of the folder, and how far the work is.

    Attributes:
        pictures: Names of those that were asked for.
        matching: How many pictures the query fits, in all pages.
        progress: How far the work is.
        classes: Names for objects, the most frequent first.
        reasons: How many pictures were kept for each reason.
        skipped: Pictures that cannot be shown: of other formats, or too many.
        notes: What is wrong with files of the folder, in sentences.
    """

    pictures: list[str]
    matching: Count
    progress: LabelProgress
    classes: list[str]
    reasons: dict[str, int]
    skipped: Count
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class LabelName:
    """One picture."""

    name: Name


@dataclass(frozen=True, kw_only=True)
class LabelBox:
    """An object.

    Attributes:
        label: Its class.
        box: Where it is.
        score: The model's; null for what a person said.
        id: Of its row in the annotations; null for what is not there yet.
    """

    label: Annotated[str, Meta(min_length=1, max_length=limits.LABEL_LENGTH)]
    box: Corners
    score: Fraction | None = None
    id: int | Text | None = None


@dataclass(frozen=True, kw_only=True)
class LabelPicture:
    """A picture with its boxes: those that were decided, else those that the model proposes.

    Attributes:
        name: Its file.
        version: What a decision has to name, so that it replaces what was seen.
        state: What was decided; null: nothing yet.
        width: Pixels, as the file's header says it.
        height: Pixels, likewise.
        problem: Why it cannot be shown; null: it can.
        boxes: What is in it.
        camera: The camera that took it; null for a picture that no node collected.
        captured_us: When it was taken, microseconds since 1970 UTC.
        reasons: Why the node kept it.
        light: Its mean brightness, from 0 (black) to 1 (white).
        model: The model that proposes the boxes.
    """

    name: Name
    version: Version
    state: State | None
    width: Pixels | None
    height: Pixels | None
    problem: Text | None
    boxes: list[LabelBox]
    camera: Label | None = None
    captured_us: Micros | None = None
    reasons: list[str]
    light: Fraction | None = None
    model: Label | None = None


@dataclass(frozen=True, kw_only=True)
class LabelDecision:
    """What is in a picture; nothing if there are no boxes.

    Attributes:
        name: The picture.
        version: Of what was seen; another one that was saved meanwhile is not replaced.
        size: Width and height in which the picture was shown, pixels: EXIF may turn it.
        boxes: All objects.
    """

    name: Name
    version: Version
    size: tuple[Pixels, Pixels]
    boxes: Annotated[list[LabelBox], Meta(max_length=MOST)]


@dataclass(frozen=True, kw_only=True)
class LabelDeletion:
    """A picture to delete: its file, its sidecar, and what is said of it."""

    name: Name
    version: Version


@dataclass(frozen=True, kw_only=True)
class LabelSaved:
    """What a picture's state and version are now, and how far the work is."""

    state: State | None
    version: Version
    progress: LabelProgress
