"""Zones and lines: how they are defined, and their numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from shared.geometry import Anchor
from shared.wire.messages.codec import write_out_defaults
from shared.wire.messages.fields import ClassFilter, Count, Id, Label, Point, Seconds
from shared.wire.messages.heads import CameraMessage, FrameMessage


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """When a zone counts as crowded."""

    count: Annotated[int, Meta(ge=1, description="Number of objects from which the zone is crowded")]
    after_s: Annotated[
        Seconds, Meta(description="Seconds for which there must be that many, and fewer to end it")
    ] = 2.0


@dataclass(frozen=True, kw_only=True)
class ZoneDefinition:
    """A polygon in which objects are counted and timed."""

    polygon: Annotated[
        tuple[Point, ...],
        Meta(
            min_length=3,
            max_length=64,
            description="Corners as x, y fractions of the frame, in order around the shape",
        ),
    ]
    classes: ClassFilter = ()
    anchor: Annotated[Anchor, Meta(description="The point of an object's box that must be inside")] = (
        "bottom_center"
    )
    enter_after_s: Annotated[
        Seconds, Meta(description="Seconds an object must be inside before it counts")
    ] = 0.0
    exit_after_s: Annotated[
        Seconds, Meta(description="Seconds an object must be outside before it has left")
    ] = 0.5
    lost_after_s: Annotated[
        Seconds,
        Meta(description="Seconds for which an object that goes missing inside still counts as there"),
    ] = 3.0
    queue: Annotated[bool, Meta(description="Treat the objects as a queue: measure its length and waits")] = (
        False
    )
    loitering_s: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Seconds after which an object in the zone is loitering; null: never"),
    ] = None
    crowd: Annotated[Crowd | None, Meta(description="When the zone is crowded; null: never")] = None


@dataclass(frozen=True, kw_only=True)
class LineDefinition:
    """A line that counts what crosses it.

    "in" is a crossing towards the right hand of somebody who walks from the first point to the second one on
    the picture; "out" is the other way.
    """

    points: Annotated[
        tuple[Point, Point], Meta(description="First and second point as x, y fractions of the frame")
    ]
    classes: ClassFilter = ()
    anchor: Annotated[Anchor, Meta(description="The point of an object's box that must cross")] = (
        "bottom_center"
    )
    band: Annotated[
        float,
        Meta(
            ge=0,
            le=0.5,
            description="How far beyond the line an object must go to have crossed it, "
            "as a fraction of the frame's height",
        ),
    ] = 0.01


@dataclass(frozen=True, kw_only=True)
class Zones(CameraMessage):
    """The zone and line definitions in force on a camera."""

    schema: Literal["darner.zones/1"] = "darner.zones/1"
    version: Count
    zones: Annotated[dict[Id, ZoneDefinition], Meta(max_length=256)]
    lines: Annotated[dict[Id, LineDefinition], Meta(max_length=256)]

    def __post_init__(self) -> None:
        # Definitions come from a configuration, by way of msgspec: readers get the defaults in force too.
        write_out_defaults(self.zones)
        write_out_defaults(self.lines)


@dataclass(frozen=True, kw_only=True)
class Dwell:
    """How long objects stay: those inside now, and the stays that ended."""

    ongoing_average_s: Seconds = 0.0
    ongoing_max_s: Seconds = 0.0
    completed: Count = 0
    average_s: Seconds = 0.0
    max_s: Seconds = 0.0
    p90_s: Seconds = 0.0


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A zone read as a queue."""

    length: Count = 0
    wait_average_s: Seconds = 0.0
    wait_longest_s: Seconds = 0.0
    completed: Count = 0
    completed_average_s: Seconds = 0.0


@dataclass(frozen=True, kw_only=True)
class Flow:
    """What went in and out: through a line, or over a zone's border."""

    entered: Count = 0
    exited: Count = 0


@dataclass(frozen=True, kw_only=True)
class ZoneNumbers:
    """A zone's or line's numbers, as analytics computes them.

    For a line, `entered` and `exited` are the crossings "in" and "out"; occupancy and dwell stay zero.
    """

    zone: Id
    kind: Literal["zone", "line"]
    occupancy: Count = 0
    entered: Count = 0
    exited: Count = 0
    lost: Annotated[Count, Meta(description="Stays closed because the track was lost inside")] = 0
    linked: Annotated[Count, Meta(description="Stays carried over to a new track id")] = 0
    by_class: Annotated[dict[Label, Flow], Meta(max_length=10_000)] = field(default_factory=dict)
    dwell: Dwell = field(default_factory=Dwell)
    queue: Queue | None = None
    loitering: Annotated[Count, Meta(description="Objects inside now that are over the loitering limit")] = 0
    crowded: bool = False


@dataclass(frozen=True, kw_only=True)
class ZoneState(ZoneNumbers, FrameMessage):
    """A zone's or line's numbers as of one frame."""

    schema: Literal["darner.zone/1"] = "darner.zone/1"
