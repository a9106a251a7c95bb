"""Answers about what is so now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from shared.wire.messages import (
    CameraStatus,
    Health,
    Id,
    Label,
    Metrics,
    Name,
    NodeInfo,
    NodeStatus,
    PauseReason,
    Suspects,
    Text,
)
from viewer_server.api.schemas.common import Moment


@dataclass(frozen=True, kw_only=True)
class NodeSummary:
    """An edge node with its newest messages; null where none has arrived."""

    node: Id
    status: NodeStatus | None
    info: NodeInfo | None
    metrics: Metrics | None


@dataclass(frozen=True, kw_only=True)
class LimitReached:
    """A limit of what the viewer keeps, which a node has reached since the viewer started."""

    node: Annotated[Id | None, Meta(description="The node; null: all nodes together")]
    limit: Annotated[str, Meta(description="Name of the limit")]
    allowed: Annotated[float, Meta(description="What is allowed")]
    count: Annotated[int, Meta(description="How many things gave way, or were put right")]
    last_us: Annotated[int, Meta(description="When the last one did, microseconds since 1970 UTC")]
    says: Annotated[str, Meta(description="What is wrong and how to change it")]


@dataclass(frozen=True, kw_only=True)
class NodeList:
    """Nodes by identifier, and the limits that they or nodes without a description have reached."""

    now_us: Moment
    nodes: list[NodeSummary]
    total: Annotated[int, Meta(description="How many were found, with those that are left out")]
    limits: list[LimitReached]


@dataclass(frozen=True, kw_only=True)
class NodeMetrics:
    """The newest metrics of every node that sent some."""

    now_us: Moment
    metrics: list[Metrics]


@dataclass(frozen=True, kw_only=True)
class CameraSummary:
    """A camera of a node; its name and that of its node are null where there is none."""

    node: Id
    camera: Id
    name: Name | None
    node_name: Name | None
    status: CameraStatus | None
    health: Annotated[
        Health | None, Meta(description="What is wrong with its picture; null: the node has not said")
    ]
    source: Text | None
    zones: int
    lines: int
    picture_url: Text


@dataclass(frozen=True, kw_only=True)
class CameraList:
    """Cameras by node and identifier."""

    cameras: list[CameraSummary]
    total: Annotated[int, Meta(description="How many were found, with those that are left out")]


@dataclass(frozen=True, kw_only=True)
class ZoneSummary:
    """A zone or line that is defined now, or has a history.

    Attributes:
        current: Whether it is defined now.
        queue: Whether it is read as a queue, so that its stays are waits.
        name: What people call it; null where there is no name, or the zone is not defined now.
        occupancy: Objects inside now; null for lines, while paused, and while the camera gives no frames.
        paused: Why it counts nothing now; null where it counts, or nobody knows.
    """

    node: Id
    camera: Id
    zone: Id
    name: Name | None
    kind: Annotated[str, Meta(description="zone or line")]
    current: bool
    queue: bool
    classes: list[Label]
    occupancy: int | None
    paused: PauseReason | None
    entered: int | None
    exited: int | None


@dataclass(frozen=True, kw_only=True)
class ZoneList:
    """Zones and lines that are known."""

    zones: list[ZoneSummary]


@dataclass(frozen=True, kw_only=True)
class SuspectList:
    """For each camera, the things that never move and may not be real objects."""

    cameras: list[Suspects]
