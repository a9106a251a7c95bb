"""The messages on the wire: their types, and the only functions that encode and decode them.

Every JSON message carries `schema`, `node`, `session` and `published_us`; those about a camera add `camera`,
and those about a frame add `seq` and `captured_us`. Times are integers in microseconds UTC, which JavaScript
represents exactly. Coordinates are fractions of the frame, x to the right and y down, both 0..1.

Readers ignore unknown fields; a breaking change gets a new number in `schema`. Types are plain dataclasses:
msgspec checks what comes in, orjson writes what goes out; `shared.documents.schema` publishes
the types as JSON Schema.

`__all__` is what others use, from here; nobody outside imports the package's modules, one for each subject.
"""

from shared.wire.messages.cameras import CameraChange, CameraEdit, CameraEntry, Cameras, RemoteCameras
from shared.wire.messages.codec import check_json, decode, encode
from shared.wire.messages.commands import ErrorCode, Interest, Request, Response
from shared.wire.messages.current import CountState, SettingsState
from shared.wire.messages.detections import Bundle, DetectedObject, DetectionsMessage, PictureName
from shared.wire.messages.events import Ack, Event, EventType, Gap
from shared.wire.messages.fields import (
    ID_PATTERN,
    Amount,
    ClassFilter,
    Count,
    Fraction,
    Id,
    Label,
    Pixels,
    Point,
    Text,
    now_us,
)
from shared.wire.messages.heads import CameraMessage, FrameMessage, NodeMessage
from shared.wire.messages.ignoring import (
    FilterDefinition,
    IgnoredObject,
    IgnoreReason,
    MaskDefinition,
    Suspect,
    Suspects,
)
from shared.wire.messages.metrics import (
    CameraMetrics,
    CollectMetrics,
    GpuMetrics,
    Metrics,
    OutboxMetrics,
    Quantiles,
    SnapshotMetrics,
    StageMetrics,
)
from shared.wire.messages.names import Name, Named, as_before_names, nameless, tidy
from shared.wire.messages.node import (
    CameraInfo,
    CameraState,
    CameraStatus,
    ClockSource,
    ModelInfo,
    NodeInfo,
    NodeStatus,
)
from shared.wire.messages.tracks import ClassVotes, Track, TrackCrossing, TrackEnd, TrackStay
from shared.wire.messages.zones import (
    Crowd,
    Dwell,
    Flow,
    LineDefinition,
    Queue,
    ZoneDefinition,
    ZoneNumbers,
    Zones,
    ZoneState,
)

__all__ = [
    "ID_PATTERN",
    "Ack",
    "Amount",
    "Bundle",
    "CameraChange",
    "CameraEdit",
    "CameraEntry",
    "CameraInfo",
    "CameraMessage",
    "CameraMetrics",
    "CameraState",
    "CameraStatus",
    "Cameras",
    "ClassFilter",
    "ClassVotes",
    "ClockSource",
    "CollectMetrics",
    "Count",
    "CountState",
    "Crowd",
    "DetectedObject",
    "DetectionsMessage",
    "Dwell",
    "ErrorCode",
    "Event",
    "EventType",
    "FilterDefinition",
    "Flow",
    "Fraction",
    "FrameMessage",
    "Gap",
    "GpuMetrics",
    "Id",
    "IgnoreReason",
    "IgnoredObject",
    "Interest",
    "Label",
    "LineDefinition",
    "MaskDefinition",
    "Metrics",
    "ModelInfo",
    "Name",
    "Named",
    "NodeInfo",
    "NodeMessage",
    "NodeStatus",
    "OutboxMetrics",
    "PictureName",
    "Pixels",
    "Point",
    "Quantiles",
    "Queue",
    "RemoteCameras",
    "Request",
    "Response",
    "SettingsState",
    "SnapshotMetrics",
    "StageMetrics",
    "Suspect",
    "Suspects",
    "Text",
    "Track",
    "TrackCrossing",
    "TrackEnd",
    "TrackStay",
    "ZoneDefinition",
    "ZoneNumbers",
    "ZoneState",
    "Zones",
    "as_before_names",
    "check_json",
    "decode",
    "encode",
    "nameless",
    "now_us",
    "tidy",
]
