"""The settings of one camera: its source, its pictures, and what is counted in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from shared.errors import ConfigError
from shared.wire.messages import ClassFilter, Fraction, Id, LineDefinition, Point, ZoneDefinition

Seconds = Annotated[float, Meta(ge=0)]
Metres = tuple[float, float]


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
class GroundCalibration:
    """Four points of the ground.

    Attributes:
        image: Where they are in the picture, fractions of the frame, in order around the shape.
        metres: Where they are on the ground, in the same order, any origin and direction.
    """

    image: tuple[Point, Point, Point, Point]
    metres: tuple[Metres, Metres, Metres, Metres]


@dataclass(frozen=True, kw_only=True)
class AnalyticsSettings:
    """How a camera's tracks are read.

    Attributes:
        link_within_s: A new track this long after another was lost may be the same object; 0: never. One that
            stood still may return to its place for as long as a zone holds its stay.
        link_distance: How far from the lost one's way it may appear, in box sizes (root of the larger area).
        link_size_ratio: By what factor their sizes may differ.
        main_classes: Classes the main subject is chosen from; empty: all.
        main_score: Lowest score of a main subject when it is chosen.
        main_ratio: How many times larger another object must be to take over.
        main_after_s: For how long; also how long a main subject out of sight is waited for.
        ground: Four points of the ground, for speeds in metres per second.
        heatmap_columns: Cells across the frame.
        heatmap_rows: Cells down the frame.
        heatmap_half_life_s: Seconds until a presence weighs half.
    """

    link_within_s: Annotated[Seconds, Meta(description="0: never link")] = 3.0
    link_distance: Annotated[float, Meta(ge=0, description="In box sizes")] = 1.0
    link_size_ratio: Annotated[float, Meta(ge=1)] = 2.0
    main_classes: ClassFilter = ()
    main_score: Annotated[float, Meta(ge=0, le=1)] = 0.5
    main_ratio: Annotated[float, Meta(ge=1)] = 1.25
    main_after_s: Seconds = 1.0
    ground: GroundCalibration | None = None
    heatmap_columns: Annotated[int, Meta(ge=1, le=512)] = 64
    heatmap_rows: Annotated[int, Meta(ge=1, le=512)] = 36
    heatmap_half_life_s: Annotated[float, Meta(gt=0)] = 600.0


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


def refuse_shared_names(zones: Mapping[str, object], lines: Mapping[str, object]) -> None:
    """Make sure that a name means one thing.

    Raises:
        ConfigError: A zone and a line share it.
    """
    for name in sorted(zones.keys() & lines.keys()):
        raise ConfigError(f"{name!r} names a zone and a line; rename one of them")
