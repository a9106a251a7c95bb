"""What nodes say of themselves: their retained state, as it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from shared import limits, typed
from shared.errors import MessageError
from shared.fleet.wanted.globs import matches
from shared.fleet.wanted.reading import DEFINITIONS
from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.messages import (
    Calendar,
    Cameras,
    CameraStatus,
    Metrics,
    NodeInfo,
    NodeStatus,
    Rules,
    SettingsState,
    Zones,
    decode,
)
from shared.wire.messages.codec import write_out_defaults

STATE = (
    topics.STATUS,
    topics.INFO,
    topics.CAMERAS,
    topics.CALENDAR,
    topics.RULES,
    topics.CAMERA_STATUS,
    topics.SETTINGS,
    topics.ZONES,
)
"""The topics that say what is in force. Status comes first: it says which nodes there are."""
MOST_NODES = 50_000
MOST_CAMERAS = 4 * limits.CAMERAS
"""Cameras of a node with those that earlier runs have left on the broker."""
MOST_BYTES = 32_000_000
"""Bytes of all definitions of one node."""
LIVE = ("confidence", "detect_every", "paused", "thumbnail_fps")
"""The fields of the settings message that `set` changes."""
_POLL_S = 0.05


class _Head(msgspec.Struct):
    """What is read of definitions before somebody needs all of them."""

    session: str
    version: int


@dataclass
class Camera:
    """What is known of one camera.

    Attributes:
        status: Its state.
        settings: What `set` changes.
        zones: The definitions as they came: thousands of cameras are told apart by session and version.
        head: Session and version of the definitions.
    """

    status: CameraStatus | None = None
    settings: SettingsState | None = None
    zones: bytes = b""
    head: _Head | None = None

    def definitions(self) -> Zones:
        """The definitions, checked.

        Raises:
            MessageError: They break the contract.
        """
        return decode(Zones, self.zones)


@dataclass
class Node:
    """What is known of one node.

    Attributes:
        name: Its identifier.
        status: Online or not.
        info: Its manifest.
        saved: Its cameras as `cameras.set` knows them.
        calendar: Its calendar; None: it has said nothing of one, as before it has one.
        rules: Its rules; None, likewise.
        cameras: By identifier.
        metrics: The newest.
        metrics_at: When they came, by the monotonic clock, s.
    """

    name: str
    status: NodeStatus | None = None
    info: NodeInfo | None = None
    saved: Cameras | None = None
    calendar: Calendar | None = None
    rules: Rules | None = None
    cameras: dict[str, Camera] = field(default_factory=dict)
    metrics: Metrics | None = None
    metrics_at: float = 0.0

    @property
    def online(self) -> bool:
        """Whether it runs, as far as the broker knows."""
        return self.status is not None and self.status.status == "online"

    @property
    def session(self) -> str:
        """The session of its status; empty without one."""
        return "" if self.status is None else self.status.session

    @property
    def listed(self) -> list[str]:
        """The cameras of its manifest."""
        return [] if self.info is None else [one.camera for one in self.info.cameras]

    def lacks(self) -> str | None:
        """What an online node has not said yet in this session; None: it has said all."""
        for what, message in (("info", self.info), ("cameras", self.saved)):
            if message is None or message.session != self.session:
                return f"its {what} message"
        for what, said in (("calendar", self.calendar), ("rules", self.rules)):
            if said is not None and said.session != self.session:
                return f"its {what} message"
        for name in self.listed:
            camera = self.cameras.get(name)
            if camera is None or camera.head is None or camera.head.session != self.session:
                return f"the zones message of camera {name}"
            if camera.settings is None or camera.settings.session != self.session:
                return f"the settings message of camera {name}"
        return None

    def state_of(self, camera: str) -> str | None:
        """The status of a camera in this session, such as "streaming"; None: nothing was said."""
        status = self.cameras[camera].status if camera in self.cameras else None
        return status.status if status is not None and status.session == self.session else None


class Inventory:
    """Every node that fits some patterns; any thread may ask, and one may tell.

    Args:
        prefix: First levels of every topic.
        globs: Patterns of the nodes' identifiers.
        clock: Monotonic, s.

    Attributes:
        broken: Messages that break the contract, or are of more nodes than there may be.
        heard: Messages that have come.
    """

    def __init__(
        self, prefix: str, globs: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._prefix, self._globs, self._clock = prefix, globs, clock
        self._lock = threading.Lock()
        self._nodes: dict[str, Node] = {}
        self.broken = 0
        self.heard = 0

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The nodes, by identifier."""
        with self._lock:
            return dict(sorted(self._nodes.items()))

    def get(self, node: str) -> Node:
        """One node.

        Raises:
            KeyError: Nothing is known of it.
        """
        return self._nodes[node]

    def take(self, received: Received) -> None:
        """Take in a message of one of the topics in `STATE`, or metrics; others are skipped."""
        found = topics.match(self._prefix, received.topic)
        if found is None or not matches(found[1]["node"], self._globs):
            return
        row, ids = found
        self.heard += 1
        with self._lock:
            node = self._nodes.get(ids["node"])
            if node is None:
                if not received.payload or len(self._nodes) >= MOST_NODES:
                    self.broken += bool(received.payload)
                    return
                node = self._nodes[ids["node"]] = Node(ids["node"])
            try:
                self._keep(node, row, ids.get("camera"), received.payload)
            except (MessageError, msgspec.MsgspecError, ValueError, RecursionError):
                self.broken += 1

    def _keep(self, node: Node, row: topics.Topic, camera: str | None, payload: bytes) -> None:
        """Keep what a message says; an empty one clears it."""
        if row is topics.STATUS:
            node.status = decode(NodeStatus, payload) if payload else None
        elif row is topics.INFO:
            node.info = decode(NodeInfo, payload) if payload else None
        elif row is topics.CAMERAS:
            node.saved = decode(Cameras, payload) if payload else None
        elif row is topics.CALENDAR:
            node.calendar = decode(Calendar, payload) if payload else None
        elif row is topics.RULES:
            node.rules = decode(Rules, payload) if payload else None
        elif row is topics.METRICS:
            node.metrics, node.metrics_at = decode(Metrics, payload), self._clock()
        elif camera is not None:
            if camera not in node.cameras and len(node.cameras) >= MOST_CAMERAS:
                raise MessageError("more cameras than a node may have, even with those of earlier runs")
            one = node.cameras.setdefault(camera, Camera())
            if row is topics.CAMERA_STATUS:
                one.status = decode(CameraStatus, payload) if payload else None
            elif row is topics.SETTINGS:
                one.settings = decode(SettingsState, payload) if payload else None
            elif row is topics.ZONES:
                others = sum(len(known.zones) for known in node.cameras.values()) - len(one.zones)
                if others + len(payload) > MOST_BYTES:
                    raise MessageError("more definitions than are kept of a node")
                one.head = typed.decode(payload, _Head) if payload else None
                one.zones = payload


def wait_for(condition: Callable[[], bool], seconds: float, stop: Callable[[], bool] = lambda: False) -> bool:
    """Wait until a condition holds; whether it did within the time, and before a stop.

    It asks again and again: a condition is about a node whose messages come in another thread.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline or stop():
            return condition()
        time.sleep(_POLL_S)
    return True


def plain(value: Any) -> Any:
    """A definition or value as JSON has it, with every default written out, so that two can be compared."""
    write_out_defaults(value)
    return orjson.loads(orjson.dumps(value, default=vars))


def definitions_of(zones: Zones) -> dict[str, Any]:
    """The definitions in a message, by key."""
    return {key: plain(getattr(zones, key)) for key in DEFINITIONS}
