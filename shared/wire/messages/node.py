"""What a node says about itself and its cameras: status and manifest, all of it retained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from shared.wire.messages.fields import Count, Id, Label, Micros, Pixels, Text
from shared.wire.messages.heads import CameraMessage, NodeMessage


@dataclass(frozen=True, kw_only=True)
class NodeStatus(NodeMessage):
    """Whether a node is there; "offline" is also the node's last will."""

    schema: Literal["darner.status/1"] = "darner.status/1"
    status: Literal["online", "offline"]
    version: Label


ClockSource = Literal["arrival", "stream", "sender", "media"]
"""What a frame's times go back to: when it arrived; the stream's time stamps, placed where the fastest frames
arrived; the sender's own wall clock; or, for files, the time within the file."""


@dataclass(frozen=True, kw_only=True)
class CameraInfo:
    """One camera in a node's manifest."""

    camera: Id
    source: Text
    zones: Count
    lines: Count
    clock: Annotated[
        ClockSource | None,
        Meta(
            description="Where captured_us comes from: arrival (when the node got the frame), stream (the "
            "stream's time stamps), sender (the camera's own wall clock), media (a file is read); null: no "
            "frame yet"
        ),
    ] = None
    reader: Annotated[Label | None, Meta(description="What decodes it; null: no frame yet")] = None


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """The model in force."""

    name: Text
    classes: Annotated[tuple[Label, ...], Meta(max_length=10_000)]
    input_width: Pixels
    input_height: Pixels
    layout: Label


@dataclass(frozen=True, kw_only=True)
class NodeInfo(NodeMessage):
    """A node's manifest."""

    schema: Literal["darner.info/1"] = "darner.info/1"
    version: Label
    cameras: Annotated[tuple[CameraInfo, ...], Meta(max_length=1024)]
    model: ModelInfo
    backend: Label
    device: Text
    tracker: Label
    capabilities: Annotated[tuple[Label, ...], Meta(max_length=64)]


CameraState = Literal["starting", "streaming", "paused", "reconnecting", "ended"]


@dataclass(frozen=True, kw_only=True)
class CameraStatus(CameraMessage):
    """What a camera is doing, and since when."""

    schema: Literal["darner.camera-status/1"] = "darner.camera-status/1"
    status: CameraState
    since_us: Micros
    reason: Text | None = None
