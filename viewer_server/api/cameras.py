"""Endpoints about cameras as settings: shown, changed, tried and looked for, by asking their node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

from shared import limits
from shared.asking.requests import NodeRequests
from shared.wire.messages import CameraChange, Cameras, Count, Id, Label, Text
from viewer_server.api import find
from viewer_server.api.asked import asked_of, body_as, checked
from viewer_server.api.endpoint import Endpoint, Refused
from viewer_server.api.newest import NodeSays, messages, what_nodes_say
from viewer_server.api.schemas.common import FindQuery, Nothing
from viewer_server.live.hub import Hub

PROBE_S = 35.0
"""How long a node may take to try a source, seconds."""
DISCOVER_S = 35.0


@dataclass(frozen=True, kw_only=True)
class NodeCameras:
    """A node's cameras and their settings.

    Attributes:
        name: What people call the node; null: its identifier.
        settings: The newest message; null: the node is of a version that has none.
        schedules: Names of the node's schedules by identifier, null for those without; null: it knows none.
    """

    node: Id
    name: str | None
    online: bool
    settings: Cameras | None
    schedules: dict[Id, str | None] | None


@dataclass(frozen=True, kw_only=True)
class CameraSettingsList:
    """Nodes by identifier, with the settings of their cameras."""

    nodes: list[NodeCameras]
    total: Annotated[int, Meta(description="How many were found, with those that are left out")]


@dataclass(frozen=True, kw_only=True)
class CamerasChange:
    """Cameras to add, change or remove.

    Attributes:
        version: The version that this replaces; when another one is defined now, the change is refused.
        cameras: By name; null removes one, or takes back what was saved of it. Others stay as they are.
    """

    version: int
    cameras: dict[Id, CameraChange | None]


@dataclass(frozen=True, kw_only=True)
class CamerasSaved:
    """What a node has saved.

    Attributes:
        version: The new version.
        restarts: Whether the node starts again to use it, which takes some seconds.
    """

    version: Count
    restarts: bool


@dataclass(frozen=True, kw_only=True)
class CameraTrial:
    """The one camera to try, by name."""

    cameras: dict[Id, CameraChange]


@dataclass(frozen=True, kw_only=True)
class CameraTried:
    """What a source gives.

    Attributes:
        codec: Null where the reader does not say.
        fps: Frames a second; null where there were too few to count.
        first_s: Seconds until the first picture.
        jpeg_base64: A picture.
    """

    codec: Label | None
    width: Count
    height: Count
    fps: float | None
    first_s: float
    jpeg_base64: Annotated[str, Meta(max_length=limits.PAYLOAD_BYTES)]


@dataclass(frozen=True, kw_only=True)
class CameraSearch:
    """Where and how a node looks for cameras.

    Attributes:
        host: One camera, as IP or IP:PORT; null: the node's network.
    """

    host: Text | None = None
    user: Label | None = None
    password: Label | None = None


@dataclass(frozen=True, kw_only=True)
class StreamFound:
    """A stream, as the camera describes it.

    Attributes:
        source: Its address, without user and password.
        profile: The camera's own name for it.
    """

    source: str
    profile: str = ""
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None


@dataclass(frozen=True, kw_only=True)
class CameraFound:
    """A camera that the node reaches.

    Attributes:
        id: An identifier that it could have.
        chosen: Index of the stream that suits the node's detector.
        notes: What could not be found out, and why.
        denied: Whether it wants a login, or another one.
    """

    id: Id
    title: str
    address: str
    streams: list[StreamFound] = field(default_factory=list)
    chosen: int | None = None
    notes: list[str] = field(default_factory=list)
    denied: bool = False


@dataclass(frozen=True, kw_only=True)
class CamerasFound:
    """The cameras that a node reaches.

    Attributes:
        detector_side: Longer side of the picture that the node's network looks at, pixels.
        left_out: How many more answered.
    """

    detector_side: Count
    cameras: Annotated[list[CameraFound], Meta(max_length=limits.CAMERAS)]
    left_out: Count


class CameraAdmin:
    """The endpoints, one method each.

    Args:
        hub: Knows the nodes.
        requests: Asks a node.
    """

    def __init__(self, hub: Hub, requests: NodeRequests) -> None:
        self._hub, self._requests = hub, requests

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The rows of the table."""
        return (
            Endpoint("/cameras/settings", self.camera_settings, FindQuery, CameraSettingsList,
                     "The settings of cameras that can be changed; no users and no passwords"),
            Endpoint("/cameras/<node>", self.save_cameras, Nothing, CamerasSaved,
                     "Add, change or remove cameras, unless another version was saved",
                     method="POST", body=CamerasChange, asks_node=True),
            Endpoint("/cameras/<node>/probe", self.probe_camera, Nothing, CameraTried,
                     "Have a node open a source for some seconds, without saving anything",
                     method="POST", body=CameraTrial, asks_node=True),
            Endpoint("/cameras/<node>/discover", self.discover_cameras, Nothing, CamerasFound,
                     "Have a node look for cameras in its network",
                     method="POST", body=CameraSearch, asks_node=True),
        )  # fmt: skip

    def camera_settings(self, query: FindQuery) -> dict[str, Any]:
        """What the nodes say of their cameras."""
        names = sorted(find.nodes(self._hub.names(), query.words))
        found = [
            {
                "node": node,
                "name": one.name,
                "online": one.online,
                "settings": one.said.get("cameras"),
                "schedules": _schedules(one),
            }
            for node, one in what_nodes_say(self._hub, query.cut(names), "cameras", "calendar").items()
        ]
        return {"nodes": found, "total": len(names)}

    def save_cameras(self, query: Nothing, node: str) -> dict[str, Any]:  # noqa: ARG002
        """Save cameras; 409 when the saved version is not the one that the request replaces."""
        return self._ask(CamerasSaved, node, "cameras.set", CamerasChange, None)

    def probe_camera(self, query: Nothing, node: str) -> dict[str, Any]:  # noqa: ARG002
        """Open a source for some seconds."""
        return self._ask(CameraTried, node, "cameras.probe", CameraTrial, PROBE_S)

    def discover_cameras(self, query: Nothing, node: str) -> dict[str, Any]:  # noqa: ARG002
        """Look for cameras."""
        return self._ask(CamerasFound, node, "cameras.discover", CameraSearch, DISCOVER_S)

    def _ask(
        self, answer: type[Any], node: str, command: str, asked: type[Any], deadline_s: float | None
    ) -> dict[str, Any]:
        if not any(messages(self._hub, "cameras", nodes=[node])):
            raise Refused(404, f"no node {node!r} says that its cameras can be changed")
        wanted = body_as(asked)
        return checked(answer, asked_of(self._requests, node, command, wanted, deadline_s))


def _schedules(node: NodeSays) -> dict[str, str | None] | None:
    """Names of a node's schedules by identifier; None: it knows none."""
    calendar = node.said.get("calendar")
    if calendar is None:
        return {} if node.can("calendar") else None
    return {schedule: one["name"] for schedule, one in calendar["schedules"].items()}
