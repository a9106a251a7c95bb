"""What a file of the folder may say, as a configuration declares its keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from shared import limits
from shared.fleet.wanted.globs import Globs
from shared.wire.messages import (
    FilterDefinition,
    Fraction,
    Id,
    Label,
    LineDefinition,
    Location,
    MaskDefinition,
    ModeDefinition,
    Name,
    RuleDefinition,
    ScheduleDefinition,
    ZoneDefinition,
    tidy,
)
from shared.wire.messages.calendar import ClockTime


@dataclass(frozen=True, kw_only=True)
class Live:
    """What the command `set` changes, until the node ends; None leaves a value as it is."""

    confidence: Fraction | None = None
    detect_every: Annotated[int, Meta(ge=1, le=100)] | None = None
    paused: bool | None = None
    thumbnail_fps: Annotated[float, Meta(ge=0, le=60)] | None = None


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What the command `cameras.set` changes of a camera that is there, for good; None leaves it as it is."""

    name: Name | None = None
    transport: Literal["auto", "tcp", "udp"] | None = None
    reader: Literal["auto", "ffmpeg", "gstreamer"] | None = None
    detect_every: Annotated[int, Meta(ge=1, le=100)] | None = None
    max_fps: Annotated[float, Meta(ge=0, le=240)] | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            object.__setattr__(self, "name", tidy(self.name))


@dataclass(frozen=True, kw_only=True)
class Model:
    """The model's file that a node is to run, which somebody has put into its place on the node."""

    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]


@dataclass(frozen=True, kw_only=True)
class Times:
    """The parts of a node's calendar; None leaves one as it is."""

    timezone: Label | None = None
    location: Location | None = None
    day_starts: Annotated[tuple[ClockTime, ...], Meta(min_length=1, max_length=limits.DAY_STARTS)] | None = (
        None
    )
    modes: Annotated[dict[Id, ModeDefinition], Meta(max_length=limits.MODES)] | None = None
    schedules: Annotated[dict[Id, ScheduleDefinition], Meta(max_length=limits.SCHEDULES)] | None = None


@dataclass(frozen=True, kw_only=True)
class Content:
    """A file of the folder.

    Attributes:
        nodes: For which nodes it holds: identifiers, or patterns of them; none: for all.
        cameras: For which cameras of these nodes; none: for all.
        zones: All zones that these cameras shall have; None leaves them as they are. So do the next three.
        lines: All their lines.
        masks: All their masks.
        filters: All their filters.
        settings: Values until the node ends.
        camera: Values that the node saves.
        model: The model of these nodes.
        calendar: Parts of the calendar of these nodes.
        rules: All rules of these nodes; None leaves them as they are.
    """

    nodes: Globs = ()
    cameras: Globs = ()
    zones: Annotated[dict[Id, ZoneDefinition], Meta(max_length=limits.ZONES)] | None = None
    lines: Annotated[dict[Id, LineDefinition], Meta(max_length=limits.ZONES)] | None = None
    masks: Annotated[dict[Id, MaskDefinition], Meta(max_length=limits.ZONES)] | None = None
    filters: Annotated[dict[Label, FilterDefinition], Meta(max_length=limits.FILTERS)] | None = None
    settings: Live = field(default_factory=Live)
    camera: Saved = field(default_factory=Saved)
    model: Model | None = None
    calendar: Times = field(default_factory=Times)
    rules: Annotated[dict[Id, RuleDefinition], Meta(max_length=limits.RULES)] | None = None
