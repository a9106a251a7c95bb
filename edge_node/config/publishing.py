"""The settings of what a node publishes besides detections, events and state: finished tracks, and ONVIF."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from shared import limits
from shared.wire.messages import Id, Label


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
