"""The edge node's configuration: every section and key, with its default and its bounds.

The descriptions appear in ``docs/reference/configuration.md`` and in the schema that editors read.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.collecting import CollectPlace
from edge_node.config.model_settings import ModelSettings
from edge_node.config.publishing import HomeAssistantSettings, JpegQuality, OnvifSettings
from shared import limits
from shared.configuration.declared import FILE
from shared.log import Format
from shared.mqtt.address import MqttSettings
from shared.wire import topics
from shared.wire.messages import CalendarDefinition, Fraction, Id, Name, RemoteCameras, RuleDefinition, tidy

UpToADay = Annotated[float, Meta(ge=0, le=86_400)]
"""Seconds, at most a day."""


@dataclass(frozen=True, kw_only=True)
class TrackerSettings:
    """How tracks begin, continue and end.

    Detectors differ in what a good score is: one gives people 0.95, another 0.6. The score thresholds are
    therefore shares of a class's typical score, which the tracker learns while it runs.
    """

    kind: Annotated[
        Literal["bytetrack", "ocsort"],
        Meta(description="bytetrack is faster; ocsort relies more on observations than on predictions"),
    ] = "bytetrack"
    start_score: Annotated[
        Fraction,
        Meta(description="Lowest score that begins a track, as a share of its class's typical score"),
    ] = 0.9
    high_score: Annotated[
        Fraction,
        Meta(description="Detections with at least this share of the typical score are matched first"),
    ] = 0.8
    low_score: Annotated[
        Fraction,
        Meta(
            description="Detections below this share of the typical score are ignored; "
            "those between low_score and high_score can only continue a track"
        ),
    ] = 0.5
    confirm_s: Annotated[
        UpToADay, Meta(description="Seconds a track must exist, and be seen twice, before it is reported")
    ] = 0.0
    lost_s: Annotated[
        UpToADay, Meta(description="Seconds for which an unseen track may come back under its id")
    ] = 1.5
    stationary_lost_s: Annotated[
        UpToADay,
        Meta(description="lost_s for a track that stood still, such as a parked car"),
    ] = 10.0
    predicted_s: Annotated[
        UpToADay,
        Meta(description="Seconds for which an unseen track is still reported where it is predicted"),
    ] = 0.15


@dataclass(frozen=True, kw_only=True)
class OutboxSettings:
    """Where events wait until an archive or the broker has stored them."""

    path: Annotated[
        str | None,
        Meta(
            description="SQLite file; null: outbox-{node}.db in $DARNER_STATE, or in ~/.local/state/darner "
            "where that is not set",
            extra=FILE,
        ),
    ] = None
    max_mb: Annotated[
        float,
        Meta(
            ge=0.01,
            le=1_000_000,
            description="Most MB of waiting events; beyond it the oldest are given up. Pictures of alerts "
            "may have a quarter as much besides",
        ),
    ] = 200.0
    max_age_h: Annotated[
        float, Meta(gt=0, le=87_600, description="Hours after which a waiting event is given up")
    ] = 7 * 24.0
    replay_per_s: Annotated[
        float,
        Meta(
            gt=0,
            le=100_000,
            description="Most older events a second that are sent besides the new ones",
        ),
    ] = 200.0
    archive_h: Annotated[
        float,
        Meta(
            gt=0,
            le=8760,
            description="Hours of silence after which events no longer wait for an archive",
        ),
    ] = 24.0
    keep_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="Without an archive: seconds for which an event stays after the broker has it, and "
            "is sent again on a new connection. Longer than the broker takes to write to its disk; 0: "
            "deleted at once",
        ),
    ] = 90.0


@dataclass(frozen=True, kw_only=True)
class BundleSettings:
    """Picture and objects in one JSON message, for simple consumers."""

    enabled: Annotated[bool, Meta(description="Publish bundles")] = False
    topic: Annotated[str, Meta(description="The topic of the bundles of all cameras")] = topics.BUNDLE.pattern
    fps: Annotated[float, Meta(gt=0, le=60, description="Most bundles a second of each camera")] = 5.0
    width: Annotated[
        int,
        Meta(
            ge=64,
            le=limits.PICTURE_SIDE,
            description="Width of the picture in pixels; a narrower one is not enlarged",
        ),
    ] = 640
    quality: JpegQuality = 75
    max_bytes: Annotated[
        int,
        Meta(
            ge=10_000,
            le=limits.PAYLOAD_BYTES,
            description="Most bytes of a message; the picture is made smaller until it fits",
        ),
    ] = 500_000


@dataclass(frozen=True, kw_only=True)
class PrometheusSettings:
    """A small HTTP server for monitors: /metrics for Prometheus, /health and /ready."""

    host: Annotated[str, Meta(min_length=1, description="Address to listen on; 0.0.0.0 listens on all")] = (
        "127.0.0.1"
    )
    port: Annotated[
        Annotated[int, Meta(ge=0, le=65_535)] | None,
        Meta(description="Port of the server, such as 9108; 0: a free one; null: there is no server"),
    ] = None


def _host_name() -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())[:64] or "edge"


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """How frames of several cameras share one run of the network."""

    limit: Annotated[
        int,
        Meta(
            ge=0,
            le=256,
            description="Most pictures in one batch; 0: as many as the engine takes, on a CPU one for each "
            "thread",
        ),
    ] = 0
    wait_ms: Annotated[
        float,
        Meta(
            ge=0,
            le=1000,
            description="Milliseconds a batch waits for further frames once it has its first one",
        ),
    ] = 0.0


@dataclass(frozen=True, kw_only=True)
class EdgeConfig:
    """Everything that can be configured on an edge node."""

    node: Annotated[
        Id,
        Meta(
            description="The node's identifier: 1 to 64 letters, digits, _ or -, unique on its broker; "
            "by default the host's name"
        ),
    ] = field(default_factory=_host_name)
    node_name: Annotated[
        Name | None,
        Meta(
            description="What people call the node, in any language; null: its identifier, node. It has no "
            "control characters, and none that turn the direction of writing"
        ),
    ] = None
    profile: Annotated[
        str,
        Meta(
            description="Defaults for a kind of machine, from edge_node/config/profiles.yaml. "
            "auto: the first profile that fits this machine; none: no profile"
        ),
    ] = "auto"
    cameras: Annotated[
        dict[Id, CameraSettings], Meta(max_length=limits.CAMERAS, description="The cameras by identifier")
    ] = field(default_factory=dict)
    calendar: Annotated[
        CalendarDefinition,
        Meta(
            description="Time zone, place, modes and schedules. What is saved over MQTT replaces all of it "
            "until something changes here; it is kept beside zones_file"
        ),
    ] = field(default_factory=CalendarDefinition)
    model: ModelSettings = field(default_factory=ModelSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    homeassistant: HomeAssistantSettings = field(default_factory=HomeAssistantSettings)
    bundle: BundleSettings = field(default_factory=BundleSettings)
    onvif: OnvifSettings = field(default_factory=OnvifSettings)
    zones_file: Annotated[
        str | None,
        Meta(
            description="File that keeps zones, lines, masks and filters saved over MQTT; suspects are kept "
            "beside it. auto: zones-{node}.json in $DARNER_STATE or ~/.local/state/darner; null: they are "
            "lost when the node stops",
            extra=FILE,
        ),
    ] = "auto"
    remote_cameras: Annotated[
        RemoteCameras,
        Meta(
            description="Which sources a camera may get over MQTT, as from the viewer. network: streams from "
            "the network (rtsp, rtsps, rtmp, rtmps, srt, http, https); any: also files and devices of this "
            "machine; off: cameras are changed in the configuration only. What is saved is kept beside "
            "zones_file"
        ),
    ] = "network"
    rules: Annotated[
        dict[Id, RuleDefinition],
        Meta(max_length=limits.RULES, description="When people are told of something, by identifier"),
    ] = field(default_factory=dict)
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    collect: CollectPlace = field(default_factory=CollectPlace)
    prometheus: PrometheusSettings = field(default_factory=PrometheusSettings)
    heartbeat_file: Annotated[
        str | None,
        Meta(
            description="File whose time stamp is renewed every 5 s while every stage works, for health "
            "checks; null: none",
            extra=FILE,
        ),
    ] = None
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="Lowest level that is logged")
    ] = "INFO"
    log_format: Annotated[
        Format, Meta(description="text: a line for people; json: one JSON object a line")
    ] = "text"

    def __post_init__(self) -> None:
        if self.node_name is not None:
            object.__setattr__(self, "node_name", tidy(self.node_name, "node_name"))
