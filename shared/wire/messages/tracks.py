"""Finished tracks: all that is known of one object, in one message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from shared import limits
from shared.wire.messages.fields import (
    Amount,
    Count,
    Fraction,
    FrameMessage,
    Id,
    Label,
    Micros,
    Seconds,
    Text,
)

TrackEnd = Literal["left", "lost", "camera_stopped", "node_stopped"]
"""How a track ended.

"left": it was last seen at the picture's edge, or about to reach it. "lost": it vanished anywhere else.
"camera_stopped": the stream was interrupted, or the film ended or began again. "node_stopped": the node
ended.
"""

_Box = tuple[Fraction, Fraction, Fraction, Fraction]


@dataclass(frozen=True, kw_only=True)
class ClassVotes:
    """How often the detector gave a track one class."""

    detections: Annotated[Count, Meta(description="Number of detections")]
    score: Annotated[Fraction, Meta(description="Their average score")]


@dataclass(frozen=True, kw_only=True)
class TrackStay:
    """One stay of a track in a zone."""

    zone: Annotated[Id, Meta(description="Identifier of the zone")]
    entered_s: Annotated[
        Seconds,
        Meta(description="When it entered, seconds after started_us; 0 where it was inside from the start"),
    ]
    dwell_s: Annotated[
        Seconds,
        Meta(description="Seconds inside; with those of the track that this one continues, if it does"),
    ]
    ended: Annotated[
        Literal["exited", "inside"],
        Meta(description="exited: it went out; inside: that is where it was last seen"),
    ]


@dataclass(frozen=True, kw_only=True)
class TrackCrossing:
    """One crossing of a line."""

    line: Annotated[Id, Meta(description="Identifier of the line")]
    direction: Annotated[Literal["in", "out"], Meta(description="Towards which side")]
    at_s: Annotated[Seconds, Meta(description="When, seconds after started_us")]


@dataclass(frozen=True, kw_only=True)
class Track(FrameMessage):
    """A finished track, sent once if the camera's `tracks` are enabled.

    `seq` and `captured_us` are those of the newest frame when it was given up, after `ended_us`.
    """

    schema: Literal["darner.track/1"] = "darner.track/1"
    track_id: Annotated[Count, Meta(description="Number of the track in this session")]
    class_id: Annotated[Count, Meta(description="Index of the class with the most detections")]
    label: Annotated[Label, Meta(description="Name of that class")]
    classes: Annotated[
        dict[Label, ClassVotes],
        Meta(max_length=limits.TRACK_CLASSES, description="By name of the class; most detections first"),
    ]
    score: Annotated[Fraction, Meta(description="Best score of all detections")]
    detections: Annotated[Count, Meta(description="Number of frames in which the detector found it")]
    started_us: Annotated[Micros, Meta(description="When it was first seen, microseconds since 1970 UTC")]
    ended_us: Annotated[Micros, Meta(description="When it was last seen, microseconds since 1970 UTC")]
    duration_s: Annotated[
        Seconds, Meta(description="Seconds between the two; of a file, in the film's own time")
    ]
    ended: Annotated[
        TrackEnd,
        Meta(
            description="left: last seen at the picture's edge, or about to reach it; lost: it vanished "
            "anywhere else; camera_stopped: the stream was interrupted, or the film ended or began again; "
            "node_stopped: the node ended"
        ),
    ]
    path: Annotated[
        list[tuple[Seconds, Fraction, Fraction]],
        Meta(
            max_length=limits.PATH_POINTS,
            description="Where it was: seconds after started_us, then x and y of the middle of its box's "
            "lower edge, as fractions of the frame; straight lines lead from one point to the next",
        ),
    ]
    path_error: Annotated[
        Fraction,
        Meta(
            description="How far the path is at most from where the object was at that time, "
            "as a fraction of the frame"
        ),
    ]
    first_box: Annotated[
        _Box, Meta(description="x1, y1, x2, y2 when it was first seen, as fractions of the frame")
    ]
    last_box: Annotated[
        _Box, Meta(description="x1, y1, x2, y2 when it was last seen, as fractions of the frame")
    ]
    stays: Annotated[
        tuple[TrackStay, ...], Meta(max_length=limits.TRACK_VISITS, description="In zones, in their order")
    ] = ()
    crossings: Annotated[
        tuple[TrackCrossing, ...],
        Meta(max_length=limits.TRACK_VISITS, description="Of lines, in their order"),
    ] = ()
    left_out: Annotated[
        Count, Meta(description="Number of further stays and crossings, for which there is no room")
    ] = 0
    stationary_share: Annotated[Fraction, Meta(description="Share of its time for which it stood still")] = (
        0.0
    )
    speed_average_m_s: Annotated[
        Amount | None,
        Meta(description="Average speed over the ground; null: the camera is not calibrated"),
    ] = None
    speed_max_m_s: Annotated[
        Amount | None, Meta(description="Highest speed over the ground; null: the camera is not calibrated")
    ] = None
    continues: Annotated[
        Count | None, Meta(description="The lost track whose object this is; null: none is known")
    ] = None
    snapshot: Annotated[
        Text | None, Meta(description="Topic on which the best picture of the track was published")
    ] = None
