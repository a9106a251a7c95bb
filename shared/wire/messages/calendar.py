"""A node's calendar: its time zone and place, its modes, and the schedules by which things are active."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from shared import limits
from shared.wire.messages.codec import write_out_defaults
from shared.wire.messages.fields import Count, Id, Label, Micros, NodeMessage
from shared.wire.messages.names import Named

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
ClockTime = Annotated[str, Meta(pattern=rf"^{_TIME}(?!\n)$", description="Local time of day, as HH:MM")]
Moment = Annotated[
    str,
    Meta(
        pattern=rf"^({_TIME}|24:00|(sunrise|sunset)([+-][0-9]{{1,3}})?)(?!\n)$",
        description="Local time of day as HH:MM, 24:00 for the end of the day; or sunrise or sunset, with "
        "minutes after or before it, such as sunset-30",
    ),
]
Date = Annotated[
    str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?!\n)$", description="Local date, as YYYY-MM-DD")
]


@dataclass(frozen=True, kw_only=True)
class DaySpan:
    """A part of a day. One that ends at or before its start goes on into the next day.

    There, a sunrise counts as any time before noon, and a sunset as any time after it: from "sunset" to
    "23:00" is nothing on a day on which the sun sets later.
    """

    start: Annotated[Moment, Meta(description="When it begins")] = "00:00"
    end: Annotated[Moment, Meta(description="When it ends")] = "24:00"


@dataclass(frozen=True, kw_only=True)
class Span(DaySpan):
    """A part of some days of each week."""

    days: Annotated[
        tuple[Weekday, ...], Meta(max_length=7, description="Days on which it begins; empty: every day")
    ] = ()


@dataclass(frozen=True, kw_only=True)
class ExceptionDays:
    """Days on which a schedule has other spans than those of the week."""

    first: Annotated[Date, Meta(description="First of these days")]
    last: Annotated[Date | None, Meta(description="Last of these days; null: the first")] = None
    spans: Annotated[
        tuple[DaySpan, ...],
        Meta(max_length=limits.SPANS, description="What counts instead; empty: the schedule is not active"),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class ScheduleDefinition(Named):
    """When something is active."""

    spans: Annotated[
        tuple[Span, ...], Meta(max_length=limits.SPANS, description="Times of the week; empty: always")
    ] = ()
    exceptions: Annotated[
        tuple[ExceptionDays, ...],
        Meta(
            max_length=limits.EXCEPTIONS, description="Days that differ; the last one that has a day counts"
        ),
    ] = ()
    modes: Annotated[
        tuple[Id, ...],
        Meta(max_length=limits.MODES, description="Modes in which it can be active; empty: in each"),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class ModeDefinition(Named):
    """A mode of the node, such as home, away or closed."""

    during: Annotated[
        Id | None,
        Meta(
            description="Schedule during which this mode holds; without one that is active, the first mode "
            "holds. It names no modes itself. null: the mode is only set by hand"
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where the node is, for sunrise and sunset."""

    latitude: Annotated[float, Meta(ge=-90, le=90, description="Degrees north")]
    longitude: Annotated[float, Meta(ge=-180, le=180, description="Degrees east")]


@dataclass(frozen=True, kw_only=True)
class CalendarDefinition:
    """Time zone, place, modes and schedules of a node."""

    timezone: Annotated[
        Label | None,
        Meta(description="Name in the IANA time zone database, such as Europe/Berlin; null: the machine's"),
    ] = None
    location: Annotated[
        Location | None, Meta(description="Where the node is; needed by sunrise and sunset")
    ] = None
    day_starts: Annotated[
        tuple[ClockTime, ...],
        Meta(
            min_length=1,
            max_length=limits.DAY_STARTS,
            description="Local times at which the counters of the day begin at zero",
        ),
    ] = ("00:00",)
    modes: Annotated[
        dict[Id, ModeDefinition],
        Meta(max_length=limits.MODES, description="By identifier; the first one holds unless another is set"),
    ] = field(default_factory=dict)
    schedules: Annotated[
        dict[Id, ScheduleDefinition], Meta(max_length=limits.SCHEDULES, description="By identifier")
    ] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Calendar(CalendarDefinition, NodeMessage):
    """The current calendar of a node."""

    schema: Literal["darner.calendar/1"] = "darner.calendar/1"
    version: Annotated[Count, Meta(description="Goes up with every change of the calendar")]

    def __post_init__(self) -> None:
        write_out_defaults(self.modes)
        write_out_defaults(self.schedules)


@dataclass(frozen=True, kw_only=True)
class ScheduleNow:
    """Whether a schedule is active."""

    active: Annotated[bool, Meta(description="Whether it is active now")]
    next_change_us: Annotated[
        Micros | None,
        Meta(
            description="When that changes next if the mode stays, microseconds since 1970 UTC; null: not "
            "within a year"
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ModeState(NodeMessage):
    """Which mode holds, and which schedules are active."""

    schema: Literal["darner.mode/1"] = "darner.mode/1"
    mode: Annotated[Id | None, Meta(description="Identifier of the mode; null: the node has no modes")]
    since_us: Annotated[Micros, Meta(description="When it began, microseconds since 1970 UTC")]
    by_hand: Annotated[bool, Meta(description="Whether somebody has set it, and not a schedule")] = False
    timezone: Annotated[
        Label | None,
        Meta(description="Name of the time zone in use; null: the node's machine does not tell its name"),
    ] = None
    next_mode: Annotated[Id | None, Meta(description="The mode that comes next; null: none is known")] = None
    next_change_us: Annotated[
        Micros | None, Meta(description="When that comes, microseconds since 1970 UTC")
    ] = None
    schedules: Annotated[
        dict[Id, ScheduleNow], Meta(max_length=limits.SCHEDULES, description="By identifier")
    ] = field(default_factory=dict)
