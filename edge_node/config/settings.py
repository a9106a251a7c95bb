"""The edge node's configuration: every key, its default and its limits."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.model_settings import ModelSettings
from shared.log import Format
from shared.mqtt.address import MqttSettings
from shared.wire import topics
from shared.wire.messages import MAX_PAYLOAD, Fraction, Id

UpToADay = Annotated[float, Meta(ge=0, le=86_400)]
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class TrackerSettings:
    """How tracks begin, live and end.

    Detectors differ in what a good score is: one gives people 0.95, another 0.6. Score thresholds are
    therefore shares of the typical score of what is being tracked, learned per class while tracking.

    Attributes:
        kind: bytetrack is the faster one; ocsort leans on observations more than on predictions.
        start_score: A detection begins a track from this share of its class's typical score on.
        high_score: Detections from this share on are matched first.
        low_score: Detections below this share are ignored; those between may continue a track.
        confirm_s: A track is reported once it was seen twice and is this old, seconds.
        lost_s: How long an unseen track may come back under its id, seconds.
        stationary_lost_s: The same for a track that stood still, such as a parked car.
        predicted_s: How long an unseen track is still reported, as predicted, seconds.
    """

    kind: Literal["bytetrack", "ocsort"] = "bytetrack"
    start_score: Annotated[Fraction, Meta(description="Share of the typical score that begins a track")] = 0.9
    high_score: Annotated[Fraction, Meta(description="Share of the typical score that is matched first")] = (
        0.8
    )
    low_score: Annotated[Fraction, Meta(description="Share of the typical score below which is ignored")] = (
        0.5
    )
    confirm_s: Annotated[UpToADay, Meta(description="Age at which a track seen twice is reported")] = 0.0
    lost_s: Annotated[UpToADay, Meta(description="How long an unseen track may come back")] = 1.5
    stationary_lost_s: Annotated[UpToADay, Meta(description="The same for one that stood still")] = 10.0
    predicted_s: Annotated[UpToADay, Meta(description="How long an unseen track is still reported")] = 0.15


@dataclass(frozen=True, kw_only=True)
class OutboxSettings:
    """Where events wait until they are safe elsewhere."""

    path: Annotated[
        str | None,
        Meta(
            description="SQLite file; by default outbox-{node}.db in $DARNER_STATE or ~/.local/state/darner"
        ),
    ] = None
    max_mb: Annotated[float, Meta(ge=0.01, le=1_000_000, description="The oldest events give way")] = 200.0
    max_age_h: Annotated[float, Meta(gt=0, le=87_600)] = 7 * 24.0
    replay_per_s: Annotated[float, Meta(gt=0, le=100_000, description="Events sent late, at most")] = 200.0
    archive_h: Annotated[
        float, Meta(gt=0, le=8760, description="An archive silent for this long is one no more")
    ] = 24.0


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
