"""Retained messages of a node about itself and its cameras: status and manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from shared import limits
from shared.wire.messages.fields import Count, Id, Label, Micros, Pixels, Sha256, Text
from shared.wire.messages.heads import CameraMessage, NodeMessage
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
