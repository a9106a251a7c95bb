"""What edge nodes are asked for, and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from shared import limits
from shared.wire.messages import (
    Amount,
    Count,
    FilterDefinition,
    Fraction,
    Id,
    Label,
    LineDefinition,
    MaskDefinition,
    Pixels,
    Text,
    ZoneDefinition,
)
from viewer_server.api.schemas.common import Moment


@dataclass(frozen=True, kw_only=True)
class ZoneChange:
    """Zones, lines, masks and filters that replace those of a camera.

    Attributes:
        version: The version that this replaces; when another one is defined now, the change is refused.
    """

    version: int
    zones: dict[Id, ZoneDefinition]
    lines: dict[Id, LineDefinition]
    masks: Annotated[
        dict[Id, MaskDefinition] | None, Meta(description="Null, or left out: the masks stay as they are")
    ] = None
    filters: Annotated[
        dict[Label, FilterDefinition] | None,
        Meta(description="By class; null, or left out: the filters stay as they are"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ZonesSaved:
    """What a node has saved.

    Attributes:
        version: The new version.
        warnings: A sentence for each zone, line, mask or filter that can never do anything, or that names an
            unknown class.
    """

    saved: bool
    version: Count
    warnings: Annotated[list[Text], Meta(max_length=1024)]


@dataclass(frozen=True, kw_only=True)
class ZoneVersion:
    """Zones, lines, masks and filters of a camera as they were saved.

    Attributes:
        seen_us: When this viewer first received them.
    """

    version: int
    seen_us: Moment
    zones: dict[Id, ZoneDefinition]
    lines: dict[Id, LineDefinition]
    masks: dict[Id, MaskDefinition]
    filters: dict[Label, FilterDefinition]


@dataclass(frozen=True, kw_only=True)
class ZoneVersions:
    """The versions that this viewer remembers, newest first."""

    versions: list[ZoneVersion]


@dataclass(frozen=True, kw_only=True)
class SuspectAnswer:
    """The suspect that is real."""

    id: Id


@dataclass(frozen=True, kw_only=True)
class SuspectDismissed:
    """The node has noted that a suspect is real, and does not ask again."""

    id: Id


_SIDE = Meta(max_length=limits.HEATMAP_SIDE)


@dataclass(frozen=True, kw_only=True)
class HeatmapAnswer:
    """Seconds of presence in each cell, rows from top to bottom; they fade with the node's half-life."""

    node: Id
    camera: Id
    seconds: Annotated[list[Annotated[list[Amount], _SIDE]], _SIDE]


@dataclass(frozen=True, kw_only=True)
class DetectQuery:
    """Which node detects, and the lowest score it reports."""

    node: Annotated[
        Id | None, Meta(description="Needed where several nodes are online; else the one that is")
    ] = None
    confidence: Fraction | None = None
    deadline_s: Annotated[float, Meta(ge=0.5, le=30)] = 10.0


@dataclass(frozen=True, kw_only=True)
class FoundObject:
    """One object; its box is x1, y1, x2, y2 in fractions of the picture."""

    class_id: Count
    label: Label
    score: Fraction
    box: tuple[Fraction, Fraction, Fraction, Fraction]


@dataclass(frozen=True, kw_only=True)
class DetectAnswer:
    """What a node found on a picture."""

    node: Id
    width: Pixels
    height: Pixels
    timings_ms: Annotated[dict[Label, Amount], Meta(max_length=32)]
    objects: Annotated[list[FoundObject], Meta(max_length=limits.OBJECTS)]
    backend: Label | None = None
    """The engine that ran the network; null: an older node."""
