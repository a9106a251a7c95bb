"""Questions about what was, and the answers of the databases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from shared import limits
from shared.wire.messages import Amount, Count, Event, EventType, Fraction, Id, Label, Name, Text, TrackEnd
from viewer_server.api.schemas.common import Moment
from viewer_server.live.paths import MOST_TRACKS
from viewer_server.stored.feed import PAGE_MAX
from viewer_server.stored.series import MAX_POINTS, Series, StayLengths

DAY_US = 86_400_000_000

MAX_RANGE_US = 400 * DAY_US


@dataclass(frozen=True, kw_only=True)
class Range:
    """A range of time; the last 24 hours by default."""

    from_us: Moment | None = None
    to_us: Moment | None = None


@dataclass(frozen=True, kw_only=True)
class ZoneRange(Range):
    """A zone or line, and a range of time."""

    node: Id
    camera: Id
    zone: Id


@dataclass(frozen=True, kw_only=True)
class SeriesQuery(ZoneRange):
    """A zone or line, a range of time, and the length of a step."""

    points: Annotated[int, Meta(ge=1, le=MAX_POINTS, description="Maximum number of steps")] = 120
    step_s: Annotated[
        Annotated[int, Meta(ge=10, le=MAX_RANGE_US // 1_000_000)] | None,
        Meta(
            description="Seconds in a step: a multiple of 10, or of 60 for a range or a step over two hours; "
            "at most the range, or a day"
        ),
    ] = None
    zero_us: Annotated[Moment, Meta(description="Any moment when a step begins, such as local midnight")] = 0


@dataclass(frozen=True, kw_only=True)
class EventQuery(Range):
    """Which events are wanted."""

    from_us: Moment | None = None
    to_us: Moment | None = None
    node: Id | None = None
    camera: Id | None = None
    zone: Id | None = None
    type: Annotated[tuple[EventType, ...], Meta(max_length=20, description="May be given several times")] = ()
    label: Label | None = None


@dataclass(frozen=True, kw_only=True)
class EventPage(EventQuery):
    """Which events are wanted, and which page of them."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 50
    cursor: Annotated[
        Annotated[str, Meta(pattern="^[0-9]{1,16}-[0-9]{1,18}$")] | None,
        Meta(description="`next` of the previous page"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class StoredEvent(Event):
    """An event, what people call its places now, and its track's best picture; null where there is none."""

    node_name: Name | None = None
    camera_name: Name | None = None
    zone_name: Name | None = None
    snapshot_url: Text | None = None


@dataclass(frozen=True, kw_only=True)
class EventList:
    """Events, newest first.

    Attributes:
        next: Cursor of the next page; null on the last page.
    """

    events: list[StoredEvent]
    next: str | None


@dataclass(frozen=True, kw_only=True)
class TrackPath:
    """Where the object of a finished track went."""

    track_id: Count
    label: Label
    started_us: Moment
    ended_us: Moment
    ended: TrackEnd
    path: Annotated[
        list[tuple[Amount, Fraction, Fraction]],
        Meta(
            max_length=limits.PATH_POINTS,
            description="Seconds after started_us, x and y, as the node sent them",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class PathList:
    """The last finished tracks of a camera since the viewer started, newest first."""

    node: Id
    camera: Id
    tracks: Annotated[list[TrackPath], Meta(max_length=MOST_TRACKS)]


@dataclass(frozen=True, kw_only=True)
class SnapshotQuery:
    """The session that the track number belongs to; by default the last session with this number."""

    session: Id | None = None


@dataclass(frozen=True, kw_only=True)
class ZoneSeries(Series):
    """A zone's or line's numbers over time, in columns: the n-th value of each belongs to the n-th step."""

    node: Id
    camera: Id
    zone: Id


@dataclass(frozen=True, kw_only=True)
class ZoneStays(StayLengths):
    """Lengths of the stays that ended in a range; for a queue, of the waits."""

    node: Id
    camera: Id
    zone: Id
