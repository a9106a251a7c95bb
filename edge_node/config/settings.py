"""The edge node's configuration: every key, its default and its limits."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from edge_node.analytics.analyse import AnalyticsSettings
from edge_node.assets.models import Layout, Provider
from edge_node.backends.tensorrt.cache import TensorrtSettings
from edge_node.outbox.outbox import OutboxSettings
from edge_node.track.tracker import TrackerSettings
from shared.log import Format
from shared.mqtt.client import MqttSettings
from shared.wire import topics
from shared.wire.messages import MAX_PAYLOAD, Fraction, Id, Label, LineDefinition, ZoneDefinition


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Which network, and what of its output counts."""

    name: Annotated[
        str,
        Meta(
            description="Path of a model file, the name of a known model, or http://HOST:PORT/MODEL or "
            "grpc://HOST:PORT/MODEL on a KServe server"
        ),
    ] = "nanodet_g_416"
    backend: Annotated[
        Literal["auto", "tensorrt", "onnxruntime", "torch", "kserve"],
        Meta(description="The engine; auto: the fastest that runs here and has a file of the model"),
    ] = "auto"
    providers: Annotated[
        tuple[Provider, ...],
        Meta(description="ONNX Runtime's execution providers in order; empty: cuda where it works, else cpu"),
    ] = ()
    allow_fallback: Annotated[
        bool, Meta(description="Go on without a provider that cannot be had; false: end with an error")
    ] = False
    layout: Layout | Literal["auto"] = "auto"
    labels: Annotated[tuple[Label, ...], Meta(description="For models that carry no class names")] = ()
    devices: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=63)], ...],
        Meta(
            max_length=16,
            description="GPUs by number, a detector on each, to which the cameras are dealt out; empty: one "
            "detector on the first GPU. On a CPU: so many detectors, which share its cores",
        ),
    ] = ()
    classes: Annotated[tuple[Label, ...], Meta(description="Classes to detect; empty means all")] = ()
    confidence: Annotated[Fraction, Meta(description="Lowest score that reaches the tracker")] = 0.1
    iou: Annotated[Fraction, Meta(description="NMS: overlap above this is the same object")] = 0.6
    max_detections: Annotated[int, Meta(ge=1, le=3000)] = 300
    threads: Annotated[int, Meta(ge=0, le=256, description="0: every core this process may use")] = 0
    spinning: Annotated[
        bool,
        Meta(description="Threads wait busily for work: a little faster on a box that does nothing else"),
    ] = False
    input_size: Annotated[
        int,
        Meta(
            ge=0,
            le=4096,
            description="Longer side of the input, for models that take any size; 0: as trained",
        ),
    ] = 0
    rectangular: Annotated[
        bool, Meta(description="Models that take any size get the camera's aspect; false: a square")
    ] = True
    timeout_s: Annotated[float, Meta(gt=0, le=600, description="KServe: longest wait for an answer")] = 5.0
    tensorrt: TensorrtSettings = field(default_factory=TensorrtSettings)


@dataclass(frozen=True, kw_only=True)
class ThumbnailSettings:
    """The JPEGs of a camera's frames."""

    fps: Annotated[float, Meta(ge=0, le=60, description="0: none")] = 5.0
    width: Annotated[int, Meta(ge=16, le=4096, description="Never enlarged")] = 640
    quality: Annotated[int, Meta(ge=1, le=100)] = 75


@dataclass(frozen=True, kw_only=True)
class SnapshotSettings:
    """The JPEGs of single tracks."""

    enabled: bool = True
    side: Annotated[int, Meta(ge=16, le=1024, description="Pixels of the longer side; never enlarged")] = 256
    quality: Annotated[int, Meta(ge=1, le=100)] = 80


@dataclass(frozen=True, kw_only=True)
class CameraSettings:
    """One camera and what is watched in its picture."""

    source: Annotated[
        int | str,
        Meta(description="Webcam index, /dev/videoN, rtsp:// or http:// URL, video file, image folder"),
    ]
    loop: Annotated[bool, Meta(description="Files: start again at the end")] = False
    pace: Annotated[
        Literal["realtime", "fast"],
        Meta(description="Files: at the speed they were filmed, or as fast as possible"),
    ] = "realtime"
    fps: Annotated[float, Meta(gt=0, le=240, description="Image folders: pictures per second")] = 10.0
    reader: Annotated[
        Literal["auto", "ffmpeg", "gstreamer"],
        Meta(
            description="Streams; 'auto': RTSP through GStreamer where it is installed, else OpenCV's FFmpeg"
        ),
    ] = "auto"
    stall_s: Annotated[
        float, Meta(ge=0.5, le=60, description="A stream without a frame for so long is opened again")
    ] = 4.0
    decode_width: Annotated[
        int, Meta(ge=0, le=8192, description="Webcams with MJPEG: decode smaller, at least so wide; 0: whole")
    ] = 0
    detect_every: Annotated[
        int,
        Meta(
            ge=1, le=100, description="Run the network on one frame in so many; tracks are predicted between"
        ),
    ] = 1
    region: Annotated[
        tuple[Fraction, Fraction, Fraction, Fraction] | None,
        Meta(description="Look only here: x1, y1, x2, y2 as fractions of the picture"),
    ] = None
    max_fps: Annotated[float, Meta(ge=0, le=240, description="Most frames analysed a second; 0: all")] = 0.0
    priority: Annotated[
        float,
        Meta(ge=0.01, le=100, description="Share of the network, beside others', when it is busy"),
    ] = 1.0
    motion_gate: Annotated[
        float,
        Meta(
            ge=0,
            le=255,
            description="Skip the network while nothing changes by so many grey levels; 0: never",
        ),
    ] = 0.0
    detections_fps: Annotated[
        float, Meta(ge=0, le=240, description="Most detections messages a second; 0: all")
    ] = 0.0
    thumbnail: ThumbnailSettings = field(default_factory=ThumbnailSettings)
    snapshot: SnapshotSettings = field(default_factory=SnapshotSettings)
    zones: Annotated[dict[Id, ZoneDefinition], Meta(max_length=256)] = field(default_factory=dict)
    lines: Annotated[dict[Id, LineDefinition], Meta(max_length=256)] = field(default_factory=dict)
    analytics: AnalyticsSettings = field(default_factory=AnalyticsSettings)


@dataclass(frozen=True, kw_only=True)
class HomeAssistantSettings:
    """Discovery by Home Assistant."""

    enabled: bool = False
    prefix: Annotated[str, Meta(description="Home Assistant's discovery prefix")] = "homeassistant"


@dataclass(frozen=True, kw_only=True)
class BundleSettings:
    """Picture and objects in one JSON message, for simple consumers."""

    enabled: bool = False
    topic: str = topics.BUNDLE.pattern
    fps: Annotated[float, Meta(gt=0, le=60, description="Most messages a second and camera")] = 5.0
    width: Annotated[int, Meta(ge=64, le=4096, description="Never enlarged")] = 640
    quality: Annotated[int, Meta(ge=1, le=100)] = 75
    max_bytes: Annotated[
        int, Meta(ge=10_000, le=MAX_PAYLOAD, description="A larger message is sent with a smaller picture")
    ] = 500_000


@dataclass(frozen=True, kw_only=True)
class PrometheusSettings:
    """The metrics message, for Prometheus to fetch."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="0: a free one; null: off")] | None = None


def _host_name() -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())[:64] or "edge"


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """How frames of several cameras share one run of the network."""

    limit: Annotated[int, Meta(ge=0, le=256, description="Most frames; 0: as many as the engine takes")] = 0
    wait_ms: Annotated[
        float, Meta(ge=0, le=1000, description="How long a batch waits for further frames once it has one")
    ] = 0.0


@dataclass(frozen=True, kw_only=True)
class EdgeConfig:
    """Everything an edge node can be told."""

    node: Annotated[
        Id, Meta(description="Unique among the nodes of a broker; the host's name by default")
    ] = field(default_factory=_host_name)
    profile: Annotated[
        str,
        Meta(
            description="Defaults for a kind of machine, from edge_node/config/profiles.yaml; "
            "auto: the one that fits this machine; none: none"
        ),
    ] = "auto"
    cameras: Annotated[dict[Id, CameraSettings], Meta(max_length=256)] = field(default_factory=dict)
    model: ModelSettings = field(default_factory=ModelSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    homeassistant: HomeAssistantSettings = field(default_factory=HomeAssistantSettings)
    bundle: BundleSettings = field(default_factory=BundleSettings)
    zones_file: Annotated[
        str | None, Meta(description="Keeps zones set over MQTT; 'auto': beside the outbox; null: not kept")
    ] = "auto"
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    prometheus: PrometheusSettings = field(default_factory=PrometheusSettings)
    heartbeat_file: Annotated[
        str | None, Meta(description="Touched every 5 s while all stages live: for health checks")
    ] = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Annotated[Format, Meta(description="'json': one object a line")] = "text"
