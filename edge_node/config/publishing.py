"""The settings of what a node publishes: its JPEGs, finished tracks, ONVIF and Home Assistant."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from shared import limits
from shared.wire.messages import Id, Label

JpegQuality = Annotated[int, Meta(ge=1, le=100, description="JPEG quality")]


@dataclass(frozen=True, kw_only=True)
class ThumbnailSettings:
    """The JPEGs of whole frames that a camera publishes."""

    fps: Annotated[float, Meta(ge=0, le=60, description="Most thumbnails a second; 0 publishes none")] = 5.0
    width: Annotated[
        int,
        Meta(
            ge=16,
            le=limits.PICTURE_SIDE,
            description="Width in pixels; a narrower frame is not enlarged. A JPEG that is larger than a "
            "message may be (1,000,000 bytes, or what the broker takes) is made again with less quality, "
            "then smaller",
        ),
    ] = 640
    quality: JpegQuality = 75
    on_demand: Annotated[
        bool,
        Meta(
            description="Make no thumbnails while viewers say that nobody looks at the camera. Other "
            "programs that need them must say so, too (topic interest). Not used with homeassistant.enabled"
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class SnapshotSettings:
    """The JPEGs of single tracks: the best view of each object so far."""

    enabled: Annotated[bool, Meta(description="Publish snapshots, and give their topics in events")] = True
    side: Annotated[
        int,
        Meta(
            ge=16,
            le=limits.SNAPSHOT_SIDE,
            description="Longer side in pixels; a smaller cut-out is not enlarged",
        ),
    ] = 256
    quality: JpegQuality = 80


@dataclass(frozen=True, kw_only=True)
class TrackSettings:
    """A message for each finished track: its path, classes, stays and crossings."""

    enabled: Annotated[bool, Meta(description="Publish them")] = False
    min_s: Annotated[
        float,
        Meta(ge=0, le=limits.SECONDS, description="Least seconds that a track must have lasted"),
    ] = 0.0
    points: Annotated[
        int, Meta(ge=2, le=limits.PATH_POINTS, description="Most points of a path; fewer make it coarser")
    ] = 32


@dataclass(frozen=True, kw_only=True)
class OnvifSettings:
    """The same results in the words of ONVIF's Profile M, over MQTT."""

    frames: Annotated[bool, Meta(description="Publish the objects of frames (onvif-mj)")] = False
    events: Annotated[bool, Meta(description="Publish events and counts (onvif-ej)")] = False
    prefix: Annotated[
        Id | None,
        Meta(description="First level of their topics (TopicPrefix); null: the node's name"),
    ] = None
    fps: Annotated[float, Meta(gt=0, le=60, description="Most frames a second of each camera")] = 5.0
    classes: Annotated[
        dict[Label, Label],
        Meta(
            max_length=limits.NAMED_CLASSES,
            description="ONVIF's type (Human, Vehicle, Animal, ...) by class, beside what is known of the "
            "usual classes; any other class keeps its own name",
        ),
    ] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class HomeAssistantSettings:
    """Discovery by Home Assistant: the node and every camera become devices there."""

    enabled: Annotated[bool, Meta(description="Publish discovery messages")] = False
    prefix: Annotated[str, Meta(description="Home Assistant's discovery prefix")] = "homeassistant"
    viewer_url: Annotated[
        Label | None,
        Meta(
            description="Address of the viewer, such as http://viewer.local:8080, for the link Visit on the "
            "pages of the devices; null: no link"
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.viewer_url is not None:
            refuse_no_page(self.viewer_url)


def refuse_no_page(url: str) -> None:
    """Make sure that Home Assistant can link to an address, and may show it to everybody.

    Raises:
        ValueError: It is no address of a page, or has a password.
    """
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", url)
        hides = parts.username is not None or parts.password is not None
    except ValueError:
        fits = hides = False
    if hides:
        raise ValueError(
            "viewer_url: everybody who reads the broker would see the login in it: leave the login out"
        )
    if not fits:
        raise ValueError(
            f"viewer_url: {url!r} is no address of a page: write http:// or https://, and a host"
        )
