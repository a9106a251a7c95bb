"""Zones and lines: their definitions and their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, TypeVar

from msgspec import Meta

from shared import limits
from shared.geometry import Anchor
from shared.wire.messages.codec import write_out_defaults
from shared.wire.messages.fields import (
    CameraMessage,
    ClassFilter,
    Count,
    FrameMessage,
    Id,
    Label,
    Micros,
    Point,
    Seconds,
)
from shared.wire.messages.ignoring import FilterDefinition, MaskDefinition, Polygon
from shared.wire.messages.names import Named
from shared.wire.messages.node import PauseReason


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """When a zone counts as crowded."""

    count: Annotated[
        int,
        Meta(ge=1, le=limits.WHOLE, description="Number of objects from which the zone is crowded"),
    ]
    after_s: Annotated[
        Seconds, Meta(description="Seconds for which there must be that many, and fewer to end it")
    ] = 2.0


@dataclass(frozen=True, kw_only=True)
class Presence:
    """When somebody counts as present in a zone, for automations that must not flicker."""

    on_after_s: Annotated[
        Seconds, Meta(description="Seconds for which the zone must be occupied before somebody is present")
    ] = 0.0
    off_after_s: Annotated[
        Seconds, Meta(description="Seconds for which it must be empty before nobody is present")
    ] = 30.0


@dataclass(frozen=True, kw_only=True)
class ZoneDefinition(Named):
    """A polygon in which objects are counted and timed."""

    polygon: Polygon
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
        Annotated[float, Meta(gt=0, le=limits.SECONDS)] | None,
        Meta(description="Seconds after which an object in the zone is loitering; null: never"),
    ] = None
    crowd: Annotated[Crowd | None, Meta(description="When the zone is crowded; null: never")] = None
    presence: Annotated[
        Presence | None, Meta(description="When somebody counts as present; null: the zone does not say")
    ] = None
    schedule: Annotated[
        Id | None, Meta(description="Schedule of the calendar during which it counts; null: always")
    ] = None


@dataclass(frozen=True, kw_only=True)
class LineDefinition(Named):
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
    schedule: Annotated[
        Id | None, Meta(description="Schedule of the calendar during which it counts; null: always")
    ] = None


Place = TypeVar("Place", ZoneDefinition, LineDefinition)


def counting(definitions: Mapping[str, Place]) -> dict[str, Place]:
    """The same definitions without name and schedule, which change nothing of what is counted how."""
    return {key: replace(one, name=None, schedule=None) for key, one in definitions.items()}


@dataclass(frozen=True, kw_only=True)
class Zones(CameraMessage):
    """The current definitions of a camera's zones and lines, and of what it ignores: masks and filters."""

    schema: Literal["darner.zones/1"] = "darner.zones/1"
    version: Annotated[Count, Meta(description="Goes up with every change of the camera's definitions")]
    zones: Annotated[dict[Id, ZoneDefinition], Meta(max_length=limits.ZONES, description="By identifier")]
    lines: Annotated[dict[Id, LineDefinition], Meta(max_length=limits.ZONES, description="By identifier")]
    masks: Annotated[dict[Id, MaskDefinition], Meta(max_length=limits.ZONES, description="By name")] = field(
        default_factory=dict
    )
    filters: Annotated[
        dict[Label, FilterDefinition],
        Meta(max_length=limits.FILTERS, description="By class; all holds for every class without its own"),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Definitions come from a configuration through msgspec; readers need the defaults, too.
        write_out_defaults(self.zones)
        write_out_defaults(self.lines)
        write_out_defaults(self.masks)
        write_out_defaults(self.filters)


@dataclass(frozen=True, kw_only=True)
class Dwell:
    """How long objects stay in a zone: ongoing stays, and stays that ended since the node started."""

    ongoing_average_s: Annotated[Seconds, Meta(description="Average of the ongoing stays")] = 0.0
    ongoing_max_s: Annotated[Seconds, Meta(description="Longest ongoing stay")] = 0.0
    completed: Annotated[Count, Meta(description="Number of stays that ended")] = 0
    average_s: Annotated[Seconds, Meta(description="Average of the stays that ended")] = 0.0
    max_s: Annotated[Seconds, Meta(description="Longest stay that ended")] = 0.0
    p90_s: Annotated[Seconds, Meta(description="90 % of the stays that ended were at most this long")] = 0.0


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A zone's objects seen as a queue."""

    length: Annotated[Count, Meta(description="Objects that wait now")] = 0
    wait_average_s: Annotated[Seconds, Meta(description="Average wait so far of those that wait")] = 0.0
    wait_longest_s: Annotated[Seconds, Meta(description="Longest wait so far of those that wait")] = 0.0
    completed: Annotated[Count, Meta(description="Number of waits that ended")] = 0
    completed_average_s: Annotated[Seconds, Meta(description="Average of the waits that ended")] = 0.0


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Objects that went in and out, over a line or a zone's border."""

    entered: Annotated[Count, Meta(description="Number that went in")] = 0
    exited: Annotated[Count, Meta(description="Number that went out")] = 0


@dataclass(frozen=True, kw_only=True)
class DayCounters(Flow):
    """What was counted since the day began; see `day_starts` of the calendar. A restart keeps it."""

    since_us: Annotated[
        Micros, Meta(description="When these counters began at zero, microseconds since 1970 UTC")
    ]
    by_class: Annotated[
        dict[Label, Flow],
        Meta(max_length=limits.CLASSES, description="Entered and exited, by name of the class"),
    ] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ZoneNumbers:
    """The numbers of a zone or line, as analytics computes them.

    For a line, `entered` and `exited` are the crossings "in" and "out"; occupancy and dwell stay zero.
    """

    zone: Annotated[Id, Meta(description="Identifier of the zone or line")]
    kind: Literal["zone", "line"]
    occupancy: Annotated[Count, Meta(description="Objects in the zone now")] = 0
    entered: Annotated[Count, Meta(description="Objects that entered, or crossed the line inwards")] = 0
    exited: Annotated[Count, Meta(description="Objects that left, or crossed the line outwards")] = 0
    lost: Annotated[Count, Meta(description="Stays that ended because the track was lost inside")] = 0
    linked: Annotated[Count, Meta(description="Stays that went on under another track id")] = 0
    by_class: Annotated[
        dict[Label, Flow],
        Meta(max_length=limits.CLASSES, description="Entered and exited, by name of the class"),
    ] = field(default_factory=dict)
    dwell: Dwell = field(default_factory=Dwell)
    queue: Annotated[Queue | None, Meta(description="Null: the zone is not treated as a queue")] = None
    loitering: Annotated[
        Count, Meta(description="Objects inside that have stayed longer than loitering_s")
    ] = 0
    loitering_ids: Annotated[
        tuple[Count, ...],
        Meta(
            max_length=limits.LOITERING,
            description="Track ids of those, longest stay first; of more than 64 the first 64",
        ),
    ] = ()
    crowded: Annotated[bool, Meta(description="Whether the zone is crowded now")] = False
    present: Annotated[
        bool | None,
        Meta(description="Whether somebody is present; null: the definition does not ask"),
    ] = None
    day: Annotated[
        DayCounters | None, Meta(description="Counters of the day; null: none yet, or an older node")
    ] = None
    paused: Annotated[
        PauseReason | None,
        Meta(
            description="Why it counts nothing now: its schedule, or what is wrong with the camera's "
            "picture; null: it counts"
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ZoneState(ZoneNumbers, FrameMessage):
    """The numbers of a zone or line at one frame."""

    schema: Literal["darner.zone/1"] = "darner.zone/1"
    started_us: Annotated[
        Micros | None,
        Meta(
            description="When entered, exited, lost and the other counters began at zero, microseconds since "
            "1970 UTC; null: an older node"
        ),
    ] = None
    watched: Annotated[
        bool,
        Meta(
            description="False: occupancy, queue and loitering are 0 because the camera has given no frame "
            "yet or has ended, and not because the zone was seen to be empty"
        ),
    ] = True
