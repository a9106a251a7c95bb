"""The messages on the wire: their types, and the only functions that encode and decode them.

Every JSON message carries `schema`, `node`, `session` and `published_us`; those about a camera add `camera`,
and those about a frame add `seq` and `captured_us`. Times are integers in microseconds UTC, which JavaScript
represents exactly. Coordinates are fractions of the frame, x to the right and y down, both 0..1.

Readers ignore unknown fields; a breaking change gets a new number in `schema`. Types are plain dataclasses:
msgspec checks what comes in, orjson writes what goes out; `shared.schema` publishes the types as JSON Schema.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict, TypeVar

import msgspec
import orjson
from msgspec import Meta

from shared.errors import MessageError
from shared.geometry import Anchor

MAX_PAYLOAD = 1_000_000
"""Bytes; anything longer is refused before it is parsed, here and by our broker configuration."""

# `$` alone would accept a trailing newline in Python.
ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}(?!\n)$"

Id = Annotated[str, Meta(pattern=ID_PATTERN, description="Identifier: 1 to 64 letters, digits, _ or -")]
Text = Annotated[str, Meta(max_length=512)]
MAX_LABEL = 128
Label = Annotated[str, Meta(max_length=MAX_LABEL)]
Micros = Annotated[int, Meta(ge=0, le=2**53 - 1, description="Microseconds since 1970 UTC")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Seconds = Annotated[float, Meta(ge=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Pixels = Annotated[int, Meta(ge=1, le=65_535, description="Pixels")]
# A zone may reach over the frame's edge; a value beyond these bounds is a pixel coordinate by mistake.
Coordinate = Annotated[float, Meta(ge=-1, le=2, description="Fraction of the frame's width or height")]
Point = tuple[Coordinate, Coordinate]
ClassFilter = Annotated[tuple[Label, ...], Meta(max_length=256, description="Class names; empty means all")]


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """When a zone counts as crowded."""

    count: Annotated[int, Meta(ge=1)]
    after_s: Seconds = 2.0


@dataclass(frozen=True, kw_only=True)
class ZoneDefinition:
    """A polygon in which objects are counted and timed."""

    polygon: Annotated[tuple[Point, ...], Meta(min_length=3, max_length=64)]
    classes: ClassFilter = ()
    anchor: Anchor = "bottom_center"
    enter_after_s: Annotated[Seconds, Meta(description="An object counts after this long inside")] = 0.0
    exit_after_s: Annotated[Seconds, Meta(description="and has left after this long outside")] = 0.5
    lost_after_s: Annotated[Seconds, Meta(description="A track lost inside is held this long")] = 3.0
    queue: bool = False
    loitering_s: Annotated[float, Meta(gt=0)] | None = None
    crowd: Crowd | None = None


@dataclass(frozen=True, kw_only=True)
class LineDefinition:
    """A line that counts what crosses it.

    "in" is a crossing towards the right hand of somebody who walks from the first point to the second one on
    the picture; "out" is the other way.
    """

    points: tuple[Point, Point]
    classes: ClassFilter = ()
    anchor: Anchor = "bottom_center"
    band: Annotated[float, Meta(ge=0, le=0.5, description="Hysteresis: fraction of the frame's height")] = (
        0.01
    )


@dataclass(frozen=True, kw_only=True)
class NodeMessage:
    """What every JSON message carries."""

    schema: str
    node: Id
    session: Annotated[Id, Meta(description="One run of the node")]
    published_us: Micros


@dataclass(frozen=True, kw_only=True)
class CameraMessage(NodeMessage):
    """What every message about a camera carries."""

    camera: Id


@dataclass(frozen=True, kw_only=True)
class FrameMessage(CameraMessage):
    """What every message about one frame carries."""

    seq: Annotated[Count, Meta(description="Number of the frame, per camera and session")]
    captured_us: Annotated[
        Micros, Meta(description="When the frame was captured, microseconds since 1970 UTC")
    ]


@dataclass(frozen=True, kw_only=True)
class NodeStatus(NodeMessage):
    """Whether a node is there; "offline" is also the node's last will."""

    schema: Literal["darner.status/1"] = "darner.status/1"
    status: Literal["online", "offline"]
    version: Label


ClockSource = Literal["arrival", "stream", "sender", "media"]
"""What a frame's times go back to: when it arrived; the stream's time stamps, placed where the fastest frames
arrived; the sender's own wall clock; or, for files, the time within the file."""


@dataclass(frozen=True, kw_only=True)
class CameraInfo:
    """One camera in a node's manifest."""

    camera: Id
    source: Text
    zones: Count
    lines: Count
    clock: Annotated[
        ClockSource | None,
        Meta(
            description="Where captured_us comes from: arrival (when the node got the frame), stream (the "
            "stream's time stamps), sender (the camera's own wall clock), media (a file is read); null: no "
            "frame yet"
        ),
    ] = None
    reader: Annotated[Label | None, Meta(description="What decodes it; null: no frame yet")] = None


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """The model in force."""

    name: Text
    classes: Annotated[tuple[Label, ...], Meta(max_length=10_000)]
    input_width: Pixels
    input_height: Pixels
    layout: Label


@dataclass(frozen=True, kw_only=True)
class NodeInfo(NodeMessage):
    """A node's manifest."""

    schema: Literal["darner.info/1"] = "darner.info/1"
    version: Label
    cameras: Annotated[tuple[CameraInfo, ...], Meta(max_length=1024)]
    model: ModelInfo
    backend: Label
    device: Text
    tracker: Label
    capabilities: Annotated[tuple[Label, ...], Meta(max_length=64)]


@dataclass(frozen=True, kw_only=True)
class Quantiles:
    """How a duration was distributed since the last report, milliseconds."""

    count: Count
    p50: Seconds
    p90: Seconds
    p95: Seconds
    p99: Seconds


@dataclass(frozen=True, kw_only=True)
class CameraMetrics:
    """One camera's throughput and losses."""

    fps_in: Seconds
    fps_out: Seconds
    captured: Count
    processed: Count
    dropped: Annotated[
        Count, Meta(description="Frames replaced by a newer one before the detector took them")
    ]
    thumbnails: Count
    still: Annotated[
        Count, Meta(description="Frames the network did not look at because nothing moved (motion_gate)")
    ] = 0


@dataclass(frozen=True, kw_only=True)
class StageMetrics:
    """One stage of the pipeline: what waits for it now, and what it never got."""

    waiting: Annotated[Count, Meta(description="Frames, or for publish messages")]
    dropped: Annotated[
        Count,
        Meta(
            description="Since the start. capture: held back by max_fps or a pause; look: replaced by a "
            "newer frame; watch: nothing is; publish: lossy messages replaced by a newer one or not taken"
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class GpuMetrics:
    """One NVIDIA GPU as its driver sees it; null: it does not say."""

    index: Count
    name: Label
    utilisation_percent: Seconds | None
    memory_used_mb: Seconds | None
    memory_total_mb: Seconds | None
    temperature_c: float | None
    power_w: Seconds | None
    throttled: Annotated[
        tuple[Label, ...],
        Meta(max_length=32, description="Why its clocks are held down; empty: they are not"),
    ]


@dataclass(frozen=True, kw_only=True)
class OutboxMetrics:
    """The events that are not known to be safe elsewhere."""

    backlog: Count
    bytes: Count
    dropped: Annotated[Count, Meta(description="Events given up since the start; gap events say which")]
    on_disk: Annotated[bool, Meta(description="False: only in memory, and lost with the process")]


@dataclass(frozen=True, kw_only=True)
class SnapshotMetrics:
    """The pictures of tracks that the broker does not have yet."""

    waiting: Count
    bytes: Count
    dropped: Annotated[
        dict[Label, Count],
        Meta(max_length=8, description="Given up since the start: no_room, refused, too_large"),
    ]


@dataclass(frozen=True, kw_only=True)
class Metrics(NodeMessage):
    """How a node is doing; every 5 s."""

    schema: Literal["darner.metrics/1"] = "darner.metrics/1"
    uptime_s: Seconds
    cameras: Annotated[dict[Id, CameraMetrics], Meta(max_length=1024)]
    stages_ms: Annotated[dict[Label, Quantiles], Meta(max_length=64)]
    cpu_percent: Annotated[Seconds, Meta(description="Of one core, this process")]
    memory_mb: Seconds
    publish_dropped: Annotated[
        dict[Label, Count],
        Meta(
            max_length=64,
            description="Messages not sent, by topic name, since the start; refused: by the broker's rules",
        ),
    ]
    outbox: OutboxMetrics | None = None
    snapshots: SnapshotMetrics | None = None
    stages: Annotated[
        dict[Label, StageMetrics],
        Meta(max_length=64, description="By stage: capture, look (the network), watch, publish"),
    ] = field(default_factory=dict)
    batches: Annotated[
        dict[Label, Count],
        Meta(max_length=512, description="Runs of the network since the start, by number of frames in one"),
    ] = field(default_factory=dict)
    gpus: Annotated[tuple[GpuMetrics, ...], Meta(max_length=64)] = ()
    temperatures_c: Annotated[
        dict[Label, float], Meta(max_length=64, description="The kernel's thermal zones, by name")
    ] = field(default_factory=dict)
    throttled: Annotated[
        tuple[Label, ...],
        Meta(max_length=64, description="What slows the board down now, for heat or power; empty: nothing"),
    ] = ()


CameraState = Literal["starting", "streaming", "paused", "reconnecting", "ended"]


@dataclass(frozen=True, kw_only=True)
class CameraStatus(CameraMessage):
    """What a camera is doing, and since when."""

    schema: Literal["darner.camera-status/1"] = "darner.camera-status/1"
    status: CameraState
    since_us: Micros
    reason: Text | None = None


class DetectedObject(TypedDict):
    """One confirmed track in a frame; a dict, because thousands a second are made."""

    track_id: Count
    class_id: Count
    label: Label
    score: Fraction
    box: Annotated[tuple[Fraction, Fraction, Fraction, Fraction], Meta(description="x1, y1, x2, y2")]
    age_s: Seconds
    velocity: Annotated[
        tuple[float, float], Meta(description="Of the box centre, frame fractions per second")
    ]
    speed_m_s: Annotated[float | None, Meta(description="Over the ground, where the camera is calibrated")]
    predicted: Annotated[bool, Meta(description="No detection of this frame supports the box")]
    zones: Annotated[list[Id], Meta(max_length=256)]


@dataclass(frozen=True, kw_only=True)
class DetectionsMessage(FrameMessage):
    """All confirmed tracks of one frame."""

    schema: Literal["darner.detections/1"] = "darner.detections/1"
    width: Pixels
    height: Pixels
    timings_ms: Annotated[dict[Label, Seconds], Meta(max_length=32)]
    dropped: Annotated[
        Count, Meta(description="Frames of this session before this one that no detections message reported")
    ]
    objects: Annotated[list[DetectedObject], Meta(max_length=10_000)]
    main_track_id: Count | None = None


@dataclass(frozen=True, kw_only=True)
class Bundle(FrameMessage):
    """Picture and objects of one frame together; off unless configured."""

    schema: Literal["darner.bundle/1"] = "darner.bundle/1"
    frame_id: Annotated[str, Meta(max_length=300, description="Unique for ever")]
    image_base64: Annotated[str, Meta(max_length=MAX_PAYLOAD, description="JPEG")]
    prediction: Annotated[list[DetectedObject], Meta(max_length=10_000)]


EventType = Literal[
    "track_started",
    "track_ended",
    "zone_entered",
    "zone_exited",
    "zone_lost",
    "track_linked",
    "line_crossed",
    "loitering",
    "queue_started",
    "queue_ended",
    "crowd_started",
    "crowd_ended",
    "gap",
]


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Events that will not come again: the outbox had no room for them, or kept them for too long.

    Some of them may have been delivered before.
    """

    boot: Id
    first: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    last: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    count: Annotated[Count, Meta(description="Events given up among those numbers")]


@dataclass(frozen=True, kw_only=True)
class Event(FrameMessage):
    """Something that happened once."""

    schema: Literal["darner.event/1"] = "darner.event/1"
    event_id: Annotated[str, Meta(max_length=200, description="Unique for ever: node, boot and number")]
    type: EventType
    occurred_us: Annotated[Micros, Meta(description="When it happened; may lie before captured_us")]
    track_id: Count | None = None
    class_id: Count | None = None
    label: Label | None = None
    zone: Annotated[Id | None, Meta(description="Name of the zone or line")] = None
    direction: Literal["in", "out"] | None = None
    dwell_s: Annotated[Seconds | None, Meta(description="Time in the zone, or the track's age")] = None
    count: Annotated[Count | None, Meta(description="Occupancy that started or ended the crowd or queue")] = (
        None
    )
    snapshot: Annotated[Text | None, Meta(description="Topic of the best picture of the track so far")] = None
    linked_track_id: Annotated[Count | None, Meta(description="The lost track whose stay goes on")] = None
    box: tuple[Fraction, Fraction, Fraction, Fraction] | None = None
    boot: Annotated[
        Id | None, Meta(description="Run of the outbox; a later run sorts after an earlier one")
    ] = None
    number: Annotated[Count | None, Meta(description="Position among the boot's events, from 1 up")] = None
    oldest: Annotated[
        Count | None, Meta(description="Lowest number of this boot that the node can still send")
    ] = None
    gap: Annotated[Gap | None, Meta(description="Of a gap event: what is missing")] = None
    historical: Annotated[
        bool, Meta(description="Sent late or again: over 5 s old, after a restart, or after a newer event")
    ] = False


@dataclass(frozen=True, kw_only=True)
class Ack(NodeMessage):
    """An archive has stored a node's events: all of this boot up to this number.

    `session` is the archive's own, one run of it; `archive` stays the same for as long as what it has stored.
    """

    schema: Literal["darner.ack/1"] = "darner.ack/1"
    boot: Id
    number: Count
    archive: Annotated[Id, Meta(description="Which one: kept with the events that it has stored")]


@dataclass(frozen=True, kw_only=True)
class Zones(CameraMessage):
    """The zone and line definitions in force on a camera."""

    schema: Literal["darner.zones/1"] = "darner.zones/1"
    version: Count
    zones: Annotated[dict[Id, ZoneDefinition], Meta(max_length=256)]
    lines: Annotated[dict[Id, LineDefinition], Meta(max_length=256)]

    def __post_init__(self) -> None:
        # Definitions come from a configuration, by way of msgspec: readers get the defaults in force too.
        _write_out_defaults(self.zones)
        _write_out_defaults(self.lines)


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


@dataclass(frozen=True, kw_only=True)
class Request:
    """A command to a node; anybody who may publish can send one, with as little as ``{}``."""

    schema: Literal["darner.request/1"] = "darner.request/1"
    transaction: Annotated[
        Text | None, Meta(description="Comes back in the answer, for clients without MQTT 5 correlation data")
    ] = None
    camera: Annotated[Id | None, Meta(description="set: null means all")] = None
    confidence: Annotated[Fraction | None, Meta(description="set, detect: lowest score")] = None
    detect_every: Annotated[int, Meta(ge=1, le=100, description="set")] | None = None
    paused: Annotated[bool | None, Meta(description="set")] = None
    thumbnail_fps: Annotated[float, Meta(ge=0, le=60, description="set")] | None = None
    version: Annotated[Count | None, Meta(description="zones.set: the version that this replaces")] = None
    zones: Annotated[dict[Id, ZoneDefinition], Meta(max_length=256, description="zones.set")] | None = None
    lines: Annotated[dict[Id, LineDefinition], Meta(max_length=256, description="zones.set")] | None = None
    image_base64: Annotated[
        str | None, Meta(description="detect: JPEG or PNG; the picture itself as the payload is shorter")
    ] = None
    format: Annotated[
        Literal["array", "png"], Meta(description="heatmap: numbers, or a picture in base64")
    ] = "array"


@dataclass(frozen=True, kw_only=True)
class Response(NodeMessage):
    """The answer to a command: a result or an error, never silence."""

    schema: Literal["darner.response/1"] = "darner.response/1"
    command: Label
    transaction: Text | None = None
    error: Annotated[Text | None, Meta(description="What was wrong and how to mend it; null: done")] = None
    result: Annotated[dict[Label, Any], Meta(max_length=64)] = field(default_factory=dict)


class _Named(msgspec.Struct):
    """Whether a message says what it is."""

    schema: object = msgspec.UNSET


M = TypeVar("M")


def now_us() -> int:
    """Wall clock in microseconds UTC."""
    return time.time_ns() // 1000


def encode(message: object) -> bytes:
    """Message (a dataclass of this module) to JSON, compact, UTF-8."""
    return orjson.dumps(message)


def decode(kind: type[M], payload: bytes) -> M:
    """JSON to a checked message.

    `schema` has a default for those who build a message, but not on the wire: a payload that does not say
    what it is, is no message. Only a request may leave it out, since anybody may send one by hand.

    Args:
        kind: One of this module's message types.
        payload: The bytes from the wire.

    Raises:
        MessageError: The payload is too long, not JSON, or breaks the contract; the text says where.
    """
    if len(payload) > MAX_PAYLOAD:
        raise MessageError(f"payload of {len(payload)} bytes; at most {MAX_PAYLOAD} are read")
    try:
        # Checked while it is read: a megabyte of what nobody asked for would else become 30 MB of objects.
        message = msgspec.json.decode(payload, type=kind)
        unnamed = msgspec.json.decode(payload, type=_Named).schema is msgspec.UNSET
    except msgspec.ValidationError as error:
        raise MessageError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError(f"not JSON: {error}") from None
    except RecursionError:
        raise MessageError("not JSON: nested too deeply") from None
    if unnamed and issubclass(kind, NodeMessage):
        raise MessageError("Object missing required field `schema`")
    try:
        _write_out_defaults(message)
    except RecursionError:  # from Python 3.12 the parser goes deeper than Python's own calls may
        raise MessageError("not JSON: nested too deeply") from None
    return message


def _write_out_defaults(value: object) -> None:
    """Give what msgspec made the fields that were not sent.

    msgspec leaves them to the class, and orjson, which writes what an instance holds, would lose them when
    the message is encoded again.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for item in dataclasses.fields(value):
            inner = getattr(value, item.name)
            value.__dict__.setdefault(item.name, inner)
            _write_out_defaults(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            _write_out_defaults(inner)
    elif isinstance(value, tuple):
        for inner in value:
            _write_out_defaults(inner)
