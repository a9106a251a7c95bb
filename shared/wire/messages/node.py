"""Retained messages of a node about itself and its cameras: status, manifest, health."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from shared import limits
from shared.wire.messages.fields import (
    CameraMessage,
    Coordinate,
    Count,
    Fraction,
    Id,
    Label,
    Micros,
    NodeMessage,
    Pixels,
    Sha256,
    Text,
)
from shared.wire.messages.names import Named


@dataclass(frozen=True, kw_only=True)
class NodeStatus(NodeMessage):
    """Whether a node is online; "offline" is also its last will."""

    schema: Literal["darner.status/1"] = "darner.status/1"
    status: Literal["online", "offline"]
    version: Annotated[Label, Meta(description="Version of Darner")]
    reason: Annotated[
        Text | None,
        Meta(
            description="What is wrong: why the node went offline, or what stands still while it is online; "
            "null: nothing, or the node was told to stop"
        ),
    ] = None


ClockSource = Literal["arrival", "stream", "sender", "media"]
"""What a frame's times are taken from.

"arrival" is when the frame arrived; "stream" are the stream's time stamps, aligned with the frames that
arrived fastest; "sender" is the sender's own wall clock; "media" is the time within a file.
"""


@dataclass(frozen=True, kw_only=True)
class CameraInfo(Named):
    """One camera in a node's manifest."""

    camera: Annotated[Id, Meta(description="Identifier of the camera")]
    source: Annotated[Text, Meta(description="Address of the source, without its password")]
    zones: Annotated[Count, Meta(description="Number of zones")]
    lines: Annotated[Count, Meta(description="Number of lines")]
    clock: Annotated[
        ClockSource | None,
        Meta(
            description="Where captured_us comes from: arrival (when the node received the frame), stream "
            "(the stream's time stamps), sender (the camera's own wall clock), media (the time in a file); "
            "null: no frame yet"
        ),
    ] = None
    reader: Annotated[Label | None, Meta(description="What decodes the source; null: no frame yet")] = None
    decoder: Annotated[
        Literal["cpu", "gpu"] | None,
        Meta(
            description="gpu: the GPU decodes the source and keeps its pictures; cpu: they are decoded into "
            "the host's memory; null: no frame yet, or an older node"
        ),
    ] = None
    decoder_reason: Annotated[
        Text | None,
        Meta(description="Why the source is not decoded on the GPU, where that could be expected"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """The model that the node runs."""

    name: Annotated[Text, Meta(description="Name or file of the model")]
    classes: Annotated[
        tuple[Label, ...], Meta(max_length=limits.CLASSES, description="Class names by class_id")
    ]
    input_width: Annotated[Pixels, Meta(description="Width of the network's input, pixels")]
    input_height: Annotated[Pixels, Meta(description="Height of the network's input, pixels")]
    layout: Annotated[Label, Meta(description="How the network's outputs are laid out")]
    sha256: Annotated[
        Sha256 | None,
        Meta(
            description="SHA-256 of the model's file; of an engine, that of the ONNX file it was built from; "
            "null: the model is on a server, or an older node"
        ),
    ] = None
    parent: Annotated[
        Sha256 | None,
        Meta(description="SHA-256 of the model that this one was made of; null: its file does not say"),
    ] = None
    data: Annotated[
        Sha256 | None,
        Meta(description="SHA-256 of what it learnt from; null: its file does not say"),
    ] = None
    made: Annotated[
        Label | None,
        Meta(description="When it was made, as ISO 8601 writes it; null: its file does not say"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class NodeInfo(Named, NodeMessage):
    """A node's manifest: what it runs, and on what."""

    schema: Literal["darner.info/1"] = "darner.info/1"
    version: Annotated[Label, Meta(description="Version of Darner")]
    cameras: Annotated[tuple[CameraInfo, ...], Meta(max_length=limits.CAMERAS)]
    model: ModelInfo
    backend: Annotated[Label, Meta(description="Engine that runs the network")]
    device: Annotated[Text, Meta(description="CPU or GPU that runs the network")]
    tracker: Annotated[Label, Meta(description="Tracking algorithm")]
    capabilities: Annotated[
        tuple[Label, ...],
        Meta(max_length=64, description="What the node offers, such as thumbnails or commands"),
    ]


CameraState = Literal["starting", "streaming", "paused", "reconnecting", "ended"]


@dataclass(frozen=True, kw_only=True)
class CameraStatus(CameraMessage):
    """The state of a camera, and since when."""

    schema: Literal["darner.camera-status/1"] = "darner.camera-status/1"
    status: CameraState
    since_us: Annotated[Micros, Meta(description="When the state began, microseconds since 1970 UTC")]
    reason: Annotated[Text | None, Meta(description="Why, where something went wrong")] = None


@dataclass(frozen=True, kw_only=True)
class CountState(CameraMessage):
    """How many objects a camera sees now, by class."""

    schema: Literal["darner.count/1"] = "darner.count/1"
    captured_us: Annotated[
        Micros,
        Meta(
            description="When the frame in which they were counted was captured, microseconds since 1970 "
            "UTC; before the first frame, when the node started"
        ),
    ]
    total: Annotated[Count, Meta(description="Number of confirmed tracks in view")]
    classes: Annotated[
        dict[Label, Count],
        Meta(
            max_length=limits.CLASSES,
            description="Number by name of the class; one that was seen since the node started stays, with 0",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class SettingsState(CameraMessage):
    """The values of the settings that the command set can change."""

    schema: Literal["darner.settings/1"] = "darner.settings/1"
    confidence: Annotated[Fraction, Meta(description="Lowest score of an object that is reported")]
    detect_every: Annotated[int, Meta(ge=1, le=100, description="The detector runs on every n-th frame")]
    paused: Annotated[bool, Meta(description="Whether the camera's analysis is paused")]
    thumbnail_fps: Annotated[float, Meta(ge=0, le=60, description="Thumbnails per second; 0: none")]


Problem = Literal["covered", "out_of_focus", "moved", "frozen", "washed_out", "wrong_colours", "low_rate"]
"""What can be wrong with a camera's picture.

"covered": something hides the view, or it is black; "moved": the view is not the one on which zones and lines
were drawn; "frozen": the same picture again and again; "low_rate": far fewer frames than usual, or none.
"""
PauseReason = Literal[
    "schedule", "covered", "out_of_focus", "moved", "frozen", "washed_out", "wrong_colours", "low_rate"
]
"""Why a zone or line counts nothing: it is off schedule, or a problem of its camera."""


@dataclass(frozen=True, kw_only=True)
class ViewShift:
    """How a camera's view has moved: where its picture of before lies in that of now.

    A point of before is now at its place turned by `degrees` and scaled by `scale` about the middle of the
    frame, then shifted by `dx` and `dy`.
    """

    dx: Annotated[Coordinate, Meta(description="Shift to the right, as a fraction of the frame's width")]
    dy: Annotated[Coordinate, Meta(description="Shift downwards, as a fraction of the frame's height")]
    degrees: Annotated[float, Meta(ge=-180, le=180, description="Turn, clockwise on the picture")] = 0.0
    scale: Annotated[float, Meta(ge=0.1, le=10, description="Above 1: closer than before")] = 1.0


@dataclass(frozen=True, kw_only=True)
class CameraProblem:
    """Something that is wrong with a camera's picture."""

    problem: Problem
    since_us: Annotated[Micros, Meta(description="When it began, microseconds since 1970 UTC")]
    shift: Annotated[ViewShift | None, Meta(description="Of a moved camera: how far; null: not known")] = None


@dataclass(frozen=True, kw_only=True)
class Health(CameraMessage):
    """What is wrong with a camera's picture now."""

    schema: Literal["darner.health/1"] = "darner.health/1"
    problems: Annotated[
        tuple[CameraProblem, ...], Meta(max_length=16, description="Empty: the picture can be trusted")
    ] = ()
    paused: Annotated[bool, Meta(description="Whether zones and lines count nothing because of it")] = False
    reference_us: Annotated[
        Micros | None,
        Meta(
            description="When the view was noted with which it is compared, microseconds since 1970 UTC; "
            "null: not yet"
        ),
    ] = None
