"""How a node is doing: throughput, losses, machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from shared.wire.messages.fields import Count, Id, Label, Seconds
from shared.wire.messages.heads import NodeMessage


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
