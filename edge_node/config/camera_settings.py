"""The settings of one camera: its source, how it is analysed, and what is counted in its picture."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from msgspec import Meta

from edge_node import mqtt_source
from edge_node.config.collecting import CollectSettings
from edge_node.config.ignoring import HealthSettings, SuspectSettings
from edge_node.config.publishing import SnapshotSettings, ThumbnailSettings, TrackSettings
from edge_node.config.tile_settings import Tiles
from shared import limits
from shared.configuration.declared import ADDRESS
from shared.wire.messages import (
    ClassFilter,
    FilterDefinition,
    Fraction,
    Id,
    Label,
    LineDefinition,
    MaskDefinition,
    Name,
    Named,
    Point,
    ZoneDefinition,
    tidy,
)

_Metre = Annotated[float, Meta(ge=-1_000_000, le=1_000_000)]
Metres = tuple[_Metre, _Metre]


@dataclass(frozen=True, kw_only=True)
class GroundCalibration:
    """Four points whose place is known in the picture and on the ground, for speeds in metres a second."""

    image: Annotated[
        tuple[Point, Point, Point, Point],
        Meta(description="The points as x, y fractions of the frame, in order around the shape"),
    ]
    metres: Annotated[
        tuple[Metres, Metres, Metres, Metres],
        Meta(
            description="The same points on the ground in metres, in the same order; "
            "choose any origin and direction"
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class AnalyticsSettings:
    """How analytics reads a camera's tracks."""

    link_within_s: Annotated[
        float,
        Meta(
            ge=0,
            le=limits.SECONDS,
            description="Seconds within which a new track may continue a lost one; 0 never links two tracks. "
            "An object that stood still may be continued for as long as a zone keeps its stay open",
        ),
    ] = 3.0
    link_distance: Annotated[
        float,
        Meta(
            ge=0,
            le=1000,
            description="How far from the lost track's expected position the new one may begin, in box sizes "
            "(the square root of the larger box's area)",
        ),
    ] = 1.0
    link_size_ratio: Annotated[
        float, Meta(ge=1, le=1000, description="Largest factor between the box areas of two linked tracks")
    ] = 2.0
    main_classes: Annotated[
        ClassFilter, Meta(description="Classes the main subject is chosen from; empty: all classes")
    ] = ()
    main_score: Annotated[
        Fraction, Meta(description="Lowest score with which a track can become the main subject")
    ] = 0.5
    main_ratio: Annotated[
        float,
        Meta(
            ge=1, le=1000, description="How many times larger another object must be to become main subject"
        ),
    ] = 1.25
    main_after_s: Annotated[
        float,
        Meta(
            ge=0,
            le=limits.SECONDS,
            description="Seconds for which another object must be that much larger; "
            "a main subject out of sight keeps its place this long",
        ),
    ] = 1.0
    ground: Annotated[
        GroundCalibration | None,
        Meta(description="Calibration of the ground; without it no speeds are published"),
    ] = None
    heatmap_columns: Annotated[
        int, Meta(ge=1, le=limits.HEATMAP_SIDE, description="Cells across the frame")
    ] = 64
    heatmap_rows: Annotated[int, Meta(ge=1, le=limits.HEATMAP_SIDE, description="Cells down the frame")] = 36
    heatmap_half_life_s: Annotated[
        float,
        Meta(
            gt=0,
            le=limits.SECONDS,
            description="Seconds after which the time spent in a heatmap cell counts half",
        ),
    ] = 600.0


@dataclass(frozen=True, kw_only=True)
class CameraSettings(Named):
    """One camera, and what is counted in its picture."""

    source: Annotated[
        int | str,
        Meta(
            description="Number of a webcam, its path below /dev, the URL of a stream (rtsp://, http://, "
            "rtmp://, srt://, udp://), a video file, a pipe, a folder of pictures, or detections that others "
            "publish (mqtt://HOST/TOPIC?format=axis, onvif, frigate or darner)",
            extra=ADDRESS,
        ),
    ]
    loop: Annotated[bool, Meta(description="Start a file or folder again when it ends")] = False
    pace: Annotated[
        Literal["realtime", "fast"],
        Meta(
            description="Play files at the speed they were filmed (realtime), or as fast as they can be read"
        ),
    ] = "realtime"
    fps: Annotated[
        float,
        Meta(
            gt=0,
            le=240,
            description="Pictures a second of an image folder, of a picture that is polled over HTTP, and of "
            "a video that names neither times nor a rate; other sources ignore it",
        ),
    ] = 10.0
    reader: Annotated[
        Literal["auto", "ffmpeg", "gstreamer"],
        Meta(
            description="What reads an RTSP stream. auto: GStreamer where it is installed, and OpenCV's "
            "FFmpeg where GStreamer does not succeed. FFmpeg reads every other stream"
        ),
    ] = "auto"
    decoder: Annotated[
        Literal["auto", "gpu", "cpu"],
        Meta(
            description="Where video files and RTSP streams are decoded. auto: on the GPU where the network "
            "runs on it and it knows the codec, so that their pictures stay there, else on the processor; "
            "gpu: the same, with a warning where the GPU cannot; cpu: on the processor"
        ),
    ] = "auto"
    transport: Annotated[
        Literal["auto", "tcp", "udp"],
        Meta(description="How an RTSP camera sends its pictures. auto: over TCP, or over UDP if that fails"),
    ] = "auto"
    stall_s: Annotated[
        float, Meta(ge=0.5, le=60, description="Seconds without a frame after which a stream is opened again")
    ] = 4.0
    decode_width: Annotated[
        int,
        Meta(
            ge=0,
            le=8192,
            description="Decode a webcam's JPEGs at a half, a quarter or an eighth of their size, but at "
            "least this wide in pixels; 0 decodes them at full size",
        ),
    ] = 0
    detect_every: Annotated[
        int,
        Meta(
            ge=1, le=100, description="Run the network on every n-th frame; tracks are predicted in between"
        ),
    ] = 1
    region: Annotated[
        tuple[Fraction, Fraction, Fraction, Fraction] | None,
        Meta(
            description="Detect only in this part of the picture: left, top, right, bottom as fractions of it"
        ),
    ] = None
    tiles: Annotated[
        Tiles,
        Meta(
            description="Parts of the picture that the network looks at by themselves, to see small and "
            "distant objects. auto: the network chooses them; null: it looks at the whole picture only"
        ),
    ] = None
    max_fps: Annotated[
        float, Meta(ge=0, le=240, description="Most frames analysed a second; 0 analyses every frame")
    ] = 0.0
    priority: Annotated[
        float,
        Meta(
            ge=0.01,
            le=100,
            description="This camera's share of a busy network, relative to the other cameras' priorities",
        ),
    ] = 1.0
    motion_gate: Annotated[
        float,
        Meta(
            ge=0,
            le=255,
            description="Run the network only when a part of the picture changes by at least this many grey "
            "levels (of 255), and every 2 s; 0 runs it always",
        ),
    ] = 0.0
    detections_fps: Annotated[
        float,
        Meta(ge=0, le=240, description="Most detections messages a second; 0 sends one for every frame"),
    ] = 0.0
    thumbnail: ThumbnailSettings = field(default_factory=ThumbnailSettings)
    snapshot: SnapshotSettings = field(default_factory=SnapshotSettings)
    tracks: TrackSettings = field(default_factory=TrackSettings)
    collect: CollectSettings = field(default_factory=CollectSettings)
    zones: Annotated[
        dict[Id, ZoneDefinition],
        Meta(
            max_length=limits.ZONES,
            description="Zones by identifier. What is saved over MQTT replaces zones, lines, masks and "
            "filters until one of them changes here",
        ),
    ] = field(default_factory=dict)
    lines: Annotated[
        dict[Id, LineDefinition],
        Meta(
            max_length=limits.ZONES,
            description="Lines by identifier; see zones for what replaces them",
        ),
    ] = field(default_factory=dict)
    masks: Annotated[
        dict[Id, MaskDefinition],
        Meta(
            max_length=limits.ZONES,
            description="Where objects are never reported, by name; see zones for what replaces them",
        ),
    ] = field(default_factory=dict)
    filters: Annotated[
        dict[Label, FilterDefinition],
        Meta(
            max_length=limits.FILTERS,
            description="Which detections to drop, by class; all holds for every class without a value of "
            "its own. See zones for what replaces them",
        ),
    ] = field(default_factory=dict)
    suspects: SuspectSettings = field(default_factory=SuspectSettings)
    schedule: Annotated[
        Id | None,
        Meta(
            description="Schedule of the calendar during which the camera is analysed; at other times it "
            "is paused. null: always"
        ),
    ] = None
    health: HealthSettings = field(default_factory=HealthSettings)
    area: Annotated[
        Name | None,
        Meta(
            description="Area of the home into which Home Assistant puts the camera when it first sees it, "
            "such as Garden; null: none"
        ),
    ] = None
    analytics: AnalyticsSettings = field(default_factory=AnalyticsSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        if mqtt_source.is_mqtt(self.source):
            self._do_without_pictures()
        if self.area is not None:
            object.__setattr__(self, "area", tidy(self.area, "area"))

    def _do_without_pictures(self) -> None:
        """Turn off what needs pictures, and refuse what somebody has asked for in vain."""
        wanted = {
            "motion_gate": self.motion_gate > 0,
            "region": self.region is not None,
            "tiles": self.tiles is not None,
            "collect.enabled": self.collect.enabled,
        }
        for key, is_wanted in wanted.items():
            if is_wanted:
                raise ValueError(f"{key}: detections over MQTT come without pictures; leave it out")
        off = {
            "thumbnail": replace(self.thumbnail, fps=0.0),
            "snapshot": replace(self.snapshot, enabled=False),
            "suspects": replace(self.suspects, after_s=0.0),
        }
        for name, value in off.items():
            object.__setattr__(self, name, value)
