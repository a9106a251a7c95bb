"""The API's parameters and answers as types, which check requests and make the OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from shared import limits
from shared.wire.messages import (
    Amount,
    CameraStatus,
    Count,
    Event,
    EventType,
    FilterDefinition,
    Fraction,
    Id,
    Label,
    LineDefinition,
    MaskDefinition,
    Metrics,
    Name,
    NodeInfo,
    NodeStatus,
    Pixels,
    Suspects,
    Text,
    TrackEnd,
    ZoneDefinition,
)
from viewer_server.live.paths import MOST_TRACKS
from viewer_server.stored.feed import PAGE_MAX
from viewer_server.stored.series import MAX_POINTS, Series, StayLengths

DAY_US = 86_400_000_000
MAX_RANGE_US = 400 * DAY_US
Moment = Annotated[int, Meta(ge=0, le=2**53 - 1, description="Microseconds since 1970 UTC")]
TrackNumber = Annotated[str, Meta(pattern="^[0-9]{1,15}$", description="Number, 1 to 15 digits")]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """No parameters."""


@dataclass(frozen=True, kw_only=True)
class LoginInfo:
    """Whether the viewer asks for a login."""

    login_required: bool
    version: str


@dataclass(frozen=True, kw_only=True)
class NodeSummary:
    """An edge node with its newest messages; null where none has arrived."""

    node: Id
    status: NodeStatus | None
    info: NodeInfo | None
    metrics: Metrics | None


@dataclass(frozen=True, kw_only=True)
class LimitReached:
    """A limit of what the viewer keeps, which a node has reached since the viewer started."""

    node: Annotated[Id | None, Meta(description="The node; null: all nodes together")]
    limit: Annotated[str, Meta(description="Name of the limit")]
    allowed: Annotated[float, Meta(description="What is allowed")]
    count: Annotated[int, Meta(description="How many things gave way, or were put right")]
    last_us: Annotated[int, Meta(description="When the last one did, microseconds since 1970 UTC")]
    says: Annotated[str, Meta(description="What is wrong and how to change it")]


@dataclass(frozen=True, kw_only=True)
class NodeList:
    """Every node that is known, and which limits were reached."""

    now_us: Moment
    nodes: list[NodeSummary]
    limits: list[LimitReached]


@dataclass(frozen=True, kw_only=True)
class NodeMetrics:
    """The newest metrics of every node that sent some."""

    now_us: Moment
    metrics: list[Metrics]


@dataclass(frozen=True, kw_only=True)
class CameraSummary:
    """A camera of a node; its name and that of its node are null where there is none."""

    node: Id
    camera: Id
    name: Name | None
    node_name: Name | None
    status: CameraStatus | None
    source: Text | None
    zones: int
    lines: int
    picture_url: Text


@dataclass(frozen=True, kw_only=True)
class CameraList:
    """Every camera that is known."""

    cameras: list[CameraSummary]


@dataclass(frozen=True, kw_only=True)
class ZoneSummary:
    """A zone or line that is defined now, or has a history.

    Attributes:
        current: Whether it is defined now.
        queue: Whether it is read as a queue, so that its stays are waits.
        name: What people call it; null where there is no name, or the zone is not defined now.
        occupancy: Objects inside now; null for lines, and while the camera gives no frames.
    """

    node: Id
    camera: Id
    zone: Id
    name: Name | None
    kind: Annotated[str, Meta(description="zone or line")]
    current: bool
    queue: bool
    classes: list[Label]
    occupancy: int | None
    entered: int | None
    exited: int | None


@dataclass(frozen=True, kw_only=True)
class ZoneList:
    """Every zone and line that is known."""

    zones: list[ZoneSummary]


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
class SuspectList:
    """For each camera, the things that never move and may not be real objects."""

    cameras: list[Suspects]


@dataclass(frozen=True, kw_only=True)
class SuspectAnswer:
    """The suspect that is real."""

    id: Id


@dataclass(frozen=True, kw_only=True)
class SuspectDismissed:
    """The node has noted that a suspect is real, and does not ask again."""

    id: Id


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
class CameraQuery:
    """A camera."""

    node: Id
    camera: Id


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
