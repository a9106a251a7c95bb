"""The settings of what a camera keeps for labelling, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, get_args

from msgspec import Meta

from edge_node.config.publishing import JpegQuality
from shared import limits
from shared.collected import Reason
from shared.configuration.declared import FILE

REASONS: tuple[Reason, ...] = get_args(Reason)
"""Every reason to keep a frame."""


@dataclass(frozen=True, kw_only=True)
class CollectSettings:
    """Which frames of a camera are kept for labelling. Nothing is kept unless it is enabled."""

    enabled: Annotated[
        bool,
        Meta(
            description="Keep frames that are worth labelling. A camera that publishes no pictures "
            "(thumbnail.fps is 0 and snapshot.enabled is false) keeps none"
        ),
    ] = False
    reasons: Annotated[
        tuple[Reason, ...],
        Meta(
            min_length=1,
            max_length=16,
            description="Why a frame is kept. new_scene: it looks like none that is kept, also because of "
            "its light; low_score: an object is hardly recognised; flicker: an object was missed and then "
            "seen again; lost_track: an object vanished in the middle of the picture; disagreement: two "
            "looks at one place found different things",
        ),
    ] = REASONS
    pictures: Annotated[
        int,
        Meta(
            ge=1,
            le=limits.COLLECTED,
            description="Most pictures that are kept; beyond it, a new one replaces the one that adds least",
        ),
    ] = 500
    megabytes: Annotated[
        float, Meta(ge=0.1, le=1_000_000, description="Most MB of pictures that are kept; see pictures")
    ] = 500.0
    per_hour: Annotated[int, Meta(ge=1, le=3600, description="Most pictures that are added in any hour")] = 60
    interval_s: Annotated[
        float, Meta(ge=0.2, le=86_400, description="Least seconds between two pictures")
    ] = 5.0
    second_look_s: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="Seconds after which the network looks at a frame a second time, mirrored, to see "
            "whether it finds the same things; 0: never. It does so only where disagreement is a reason, and "
            "the camera has no tiles",
        ),
    ] = 60.0
    quality: JpegQuality = 92


@dataclass(frozen=True, kw_only=True)
class CollectPlace:
    """Where the frames are kept that are worth labelling."""

    path: Annotated[
        str | None,
        Meta(
            description="Folder, in which each camera has one of its own; null: collected-{node} in "
            "$DARNER_STATE, or in ~/.local/state/darner where that is not set",
            extra=FILE,
        ),
    ] = None
