"""Metrics of a node: throughput, losses, machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from shared import limits
from shared.wire.messages.fields import Amount, Change, Count, Id, Label, Micros, NodeMessage, Seconds, Text


@dataclass(frozen=True, kw_only=True)
class Quantiles:
    """Quantiles of a duration since the last report, in milliseconds."""

    count: Annotated[Count, Meta(description="Number of measurements")]
    p50: Amount
    p90: Amount
    p95: Amount
    p99: Amount


@dataclass(frozen=True, kw_only=True)
class CollectMetrics:
    """The frames of a camera that are kept for labelling."""

    pictures: Annotated[Count, Meta(description="Number of pictures that are kept")]
    bytes: Annotated[Count, Meta(description="Their size, with the files beside them")]
    dropped: Annotated[
        dict[Label, Count],
        Meta(
            max_length=8,
            description="Frames that were worth keeping and are not kept, since the start, by reason: busy, "
            "no_room, failed",
        ),
    ] = field(default_factory=dict)
    last_reason: Annotated[
        Label | None,
        Meta(
            description="Why the newest was kept: new_scene, low_score, flicker, lost_track, disagreement; "
            "null: none was since the start"
        ),
    ] = None
    last_captured_us: Annotated[
        Micros | None, Meta(description="When the newest was captured; null: none was kept since the start")
    ] = None
    trouble: Annotated[Text | None, Meta(description="Why none are kept now; null: nothing is wrong")] = None


@dataclass(frozen=True, kw_only=True)
class CameraMetrics:
    """One camera's throughput and losses."""

    fps_in: Annotated[Amount, Meta(description="Frames captured per second since the last report")]
    fps_out: Annotated[Amount, Meta(description="Frames analysed per second since the last report")]
    captured: Annotated[Count, Meta(description="Frames captured since the start")]
    processed: Annotated[Count, Meta(description="Frames analysed since the start")]
    dropped: Annotated[
        Count, Meta(description="Frames that a newer one replaced before the detector took them")
    ]
    thumbnails: Annotated[Count, Meta(description="Thumbnails sent since the start")]
    thumbnails_unwatched: Annotated[
        Count,
        Meta(
            description="Thumbnails not made since the start because nobody looked at the camera "
            "(thumbnail.on_demand)"
        ),
    ] = 0
    still: Annotated[
        Count,
        Meta(description="Frames that skipped the network because nothing moved (motion_gate)"),
    ] = 0
    looks: Annotated[
        dict[Label, Count],
        Meta(
            max_length=16,
            description="Parts of frames that went through the network since the start, by what they were "
            "for: whole (the whole picture), grid (a tile of a fixed grid), track, motion, sweep; empty for "
            "a camera without tiles",
        ),
    ] = field(default_factory=dict)
    ignored: Annotated[
        dict[Label, Count],
        Meta(
            max_length=limits.ZONES + 16,
            description="Detections dropped since the start, by reason: mask, min_size, max_size, "
            "min_aspect, max_aspect, score; and by mask:NAME for each mask that dropped some. Where a camera "
            "detects by itself, also objects (unknown_class, without_id, malformed) and messages "
            "(unreadable, late, retained, too_large, overrun) that were left out",
        ),
    ] = field(default_factory=dict)
    collected: Annotated[
        CollectMetrics | None,
        Meta(description="Frames that are kept for labelling; null: the camera keeps none"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class StageMetrics:
    """One stage of the pipeline: what waits for it, and what it never received."""

    waiting: Annotated[Count, Meta(description="Frames that wait for the stage; for publish, messages")]
    dropped: Annotated[
        Count,
        Meta(
            description="Since the start. capture: frames held back by max_fps or a pause; look: frames "
            "replaced by a newer one; watch: always 0; publish: messages at QoS 0 that were replaced by a "
            "newer one or that the connection did not take"
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class GpuMetrics:
    """One NVIDIA GPU, as its driver reports it; null where the driver reports nothing."""

    index: Annotated[Count, Meta(description="Number of the GPU on this machine")]
    name: Annotated[Label, Meta(description="Model of the GPU")]
    utilisation_percent: Amount | None
    memory_used_mb: Amount | None
    memory_total_mb: Amount | None
    temperature_c: Change | None
    power_w: Amount | None
    throttled: Annotated[
        tuple[Label, ...],
        Meta(max_length=32, description="Reasons why its clocks are reduced; empty: they are not"),
    ]
    memory_peak_mb: Annotated[
        Amount | None,
        Meta(description="Largest memory_used_mb of the reports since the node started"),
    ] = None
    own_memory_mb: Annotated[
        Amount | None,
        Meta(
            description="Memory of this GPU that the node itself uses; null where the driver does not list "
            "the process, as in a container with process numbers of its own"
        ),
    ] = None
    own_memory_peak_mb: Annotated[
        Amount | None,
        Meta(description="Largest own_memory_mb of the reports since the node started"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class OutboxMetrics:
    """The outbox: events that are not known to be stored elsewhere."""

    backlog: Annotated[Count, Meta(description="Number of events in it")]
    bytes: Annotated[Count, Meta(description="Their size")]
    dropped: Annotated[Count, Meta(description="Events given up since the start; gap events name them")]
    on_disk: Annotated[
        bool, Meta(description="False: events are only in memory, and lost when the process ends")
    ]


@dataclass(frozen=True, kw_only=True)
class SnapshotMetrics:
    """Snapshots of tracks that the broker has not acknowledged yet."""

    waiting: Annotated[Count, Meta(description="Number of snapshots")]
    bytes: Annotated[Count, Meta(description="Their size")]
    dropped: Annotated[
        dict[Label, Count],
        Meta(
            max_length=8,
            description="Snapshots given up since the start, by reason: no_room, refused, too_large",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Metrics(NodeMessage):
    """Metrics of a node, sent every 5 s."""

    schema: Literal["darner.metrics/1"] = "darner.metrics/1"
    uptime_s: Annotated[Seconds, Meta(description="Seconds since the node started")]
    cameras: Annotated[
        dict[Id, CameraMetrics], Meta(max_length=limits.CAMERAS, description="By identifier of the camera")
    ]
    stages_ms: Annotated[
        dict[Label, Quantiles], Meta(max_length=64, description="Durations of each stage of the pipeline")
    ]
    cpu_percent: Annotated[Amount, Meta(description="CPU time of the process; 100 is one core")]
    memory_mb: Annotated[Amount, Meta(description="Resident memory of the process")]
    publish_dropped: Annotated[
        dict[Label, Count],
        Meta(
            max_length=64,
            description="Messages not sent since the start, by name of the topic; refused counts those "
            "that the broker did not accept",
        ),
    ]
    outbox: OutboxMetrics | None = None
    snapshots: SnapshotMetrics | None = None
    stages: Annotated[
        dict[Label, StageMetrics],
        Meta(
            max_length=64,
            description="By stage: capture, look (the network), watch (tracking and analytics), publish",
        ),
    ] = field(default_factory=dict)
    batches: Annotated[
        dict[Label, Count],
        Meta(
            max_length=512,
            description="Runs of the network since the start, by number of frames in the batch",
        ),
    ] = field(default_factory=dict)
    gpus: Annotated[tuple[GpuMetrics, ...], Meta(max_length=64, description="NVIDIA GPUs")] = ()
    temperatures_c: Annotated[
        dict[Label, Change],
        Meta(max_length=64, description="Temperatures of the kernel's thermal zones, by name"),
    ] = field(default_factory=dict)
    throttled: Annotated[
        tuple[Label, ...],
        Meta(
            max_length=64,
            description="Reasons why the board is slowed down now, such as heat or power; empty: none",
        ),
    ] = ()
