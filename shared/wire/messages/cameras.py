"""The cameras of a node as they can be changed over MQTT. Nothing here that a node sends holds a password."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from shared import limits
from shared.wire.messages.codec import write_out_defaults
from shared.wire.messages.fields import Count, Id, NodeMessage, Text
from shared.wire.messages.names import Named

RemoteCameras = Literal["off", "network", "any"]
"""Which sources a camera may get over MQTT: none; streams from the network; also files and devices."""
Secret = Annotated[str, Meta(max_length=limits.LABEL_LENGTH)]


@dataclass(frozen=True, kw_only=True)
class CameraEdit(Named):
    """The settings of a camera that can be changed over MQTT. What is left out has its default."""

    source: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=limits.TEXT_LENGTH,
            description="Address of the source. In requests it may have user and password in it; the address "
            "that the node shows stands for the one that it has",
        ),
    ]
    transport: Annotated[
        Literal["auto", "tcp", "udp"], Meta(description="How an RTSP camera sends its pictures")
    ] = "auto"
    reader: Annotated[
        Literal["auto", "ffmpeg", "gstreamer"], Meta(description="What reads an RTSP stream")
    ] = "auto"
    detect_every: Annotated[int, Meta(ge=1, le=100, description="The network runs on every n-th frame")] = 1
    max_fps: Annotated[
        float, Meta(ge=0, le=240, description="Most frames analysed a second; 0 analyses every frame")
    ] = 0.0
    schedule: Annotated[
        Id | None, Meta(description="Schedule of the calendar during which it is analysed; null: always")
    ] = None


@dataclass(frozen=True, kw_only=True)
class CameraChange(CameraEdit):
    """What a request says of one camera; user and password are never sent back."""

    user: Annotated[
        Secret | None,
        Meta(
            description="User of the source; null: the one in the address, else the one that the node has "
            "already, if scheme, host and port stay"
        ),
    ] = None
    password: Annotated[Secret | None, Meta(description="Password of the source; null: as for user")] = None


@dataclass(frozen=True, kw_only=True)
class CameraEntry(CameraEdit):
    """One camera of a node."""

    login: Annotated[bool, Meta(description="Whether the node has a user and a password for it")]
    origin: Annotated[
        Literal["configuration", "changed", "added"],
        Meta(
            description="configuration: as the node's configuration has it; changed: that camera with saved "
            "changes; added: saved, and not in the configuration"
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Cameras(NodeMessage):
    """The cameras of a node, and what may be changed about them with cameras.set."""

    schema: Literal["darner.cameras/1"] = "darner.cameras/1"
    version: Annotated[Count, Meta(description="Goes up with every change that is saved")]
    changeable: Annotated[
        RemoteCameras,
        Meta(
            description="Sources that cameras.set and cameras.probe take. off: no changes; network: streams "
            "from the network; any: also files and devices of the node's machine"
        ),
    ]
    why_not: Annotated[Text | None, Meta(description="Why nothing can be changed; null: it can")] = None
    cameras: Annotated[dict[Id, CameraEntry], Meta(max_length=limits.CAMERAS, description="By name")] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        write_out_defaults(self.cameras)
