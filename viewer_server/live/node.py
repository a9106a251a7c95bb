"""What the viewer knows of one node, and which of it is shown.

Retained messages come in any order, and some are of an earlier run of the node. So everything is kept, and
what the node's newest manifest does not list is hidden: a camera that `info` does not name, and a zone that
the camera's definitions do not have. It is shown as soon as they do.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator, Mapping

from shared.wire import topics
from shared.wire.messages import CameraStatus, NodeInfo, NodeMessage, NodeStatus, Zones
from viewer_server.live.join import Joiner
from viewer_server.live.updates import Key, Update, text

OVERHEAD = 300
"""Bytes of memory of an entry beside its payload."""

READER = "mqtt"
"""What reads a camera that gives no pictures, as nodes say in `info`."""


class Camera:
    """A camera's newest frame, and the halves of frames that wait.

    Args:
        counts: What joiners count, of all cameras together.

    Attributes:
        joiner: Pairs pictures and boxes.
        last_frame: The newest frame.
        refused: Why its newest picture is not shown; None when it is, or none has come.
        begun_s: When listening to its detections and pictures began, monotonic.
        is_new: Whether the newest frame has come since then.
        held: Bytes of memory, as they were counted last.
    """

    def __init__(self, counts: Counter[str]) -> None:
        self.joiner = Joiner(counts)
        self.last_frame: Update | None = None
        self.refused: str | None = None
        self.begun_s = -math.inf
        self.is_new = False
        self.held = 0

    def empty(self) -> bool:
        """Forget all frames; whether pictures were among them, and not only boxes that wait for one."""
        pictures = self.joiner.let_go() or self.last_frame is not None
        self.last_frame = None
        return pictures

    def begin(self, now_s: float) -> None:
        """Listening begins, or begins anew."""
        self.begun_s, self.is_new = now_s, False
        self.joiner.begin()

    def weigh(self) -> int:
        """Count the bytes anew; the difference."""
        before = self.held
        self.held = self.joiner.held + (len(self.last_frame.payload) if self.last_frame else 0)
        return self.held - before


class Node:
    """One node: its entries by topic, and its cameras, those heard of longest ago first.

    Args:
        name: The node's name.
        now_s: Seconds, monotonic.

    Attributes:
        entries: The newest message of each topic about a camera or zone, encoded for browsers; those that are
            hidden or were updated longest ago first.
        about: The same for the topics of the node itself.
        bytes: Memory that both take.
        announced: Whether it has said something about itself that is retained.
        cameras: By name.
        shown: How many of them are shown.
        frame_bytes: Memory that the cameras' frames take.
        versions: Version of the zones and lines, by camera.
        heard_s: When anything came last.
        online: What its status says; None while there is none.
        label: What people call the node; empty where its description does not say.
        labels: The same of its cameras, by identifier.
        statuses: What the cameras' statuses say.
        without_pictures: The cameras whose detections come over MQTT.
    """

    def __init__(self, name: str, now_s: float) -> None:
        self.name = name
        self.entries: OrderedDict[Key, bytes] = OrderedDict()
        self.about: dict[Key, bytes] = {}
        self.bytes = 0
        self.announced = False
        self.cameras: OrderedDict[str, Camera] = OrderedDict()
        self.shown = 0
        self.frame_bytes = 0
        self.versions: dict[str, int] = {}
        self.heard_s = now_s
        self.online: bool | None = None
        self.label = ""
        self.labels: dict[str, str] = {}
        self.statuses: dict[str, str] = {}
        self.without_pictures: frozenset[str] = frozenset()
        self._listed: frozenset[str] | None = None
        self._defined: dict[str, frozenset[str]] = {}

    def __len__(self) -> int:
        return len(self.entries) + len(self.about)

    def shows(self, camera: str, zone: str | None = None) -> bool:
        """Whether a camera, or a zone of it, is one that the node has now."""
        if self._listed is not None and camera not in self._listed:
            return False
        return zone is None or camera not in self._defined or zone in self._defined[camera]

    def everything(self) -> Iterator[Update]:
        """The entries that are shown."""
        yield from self.about_itself()
        for key, payload in self.entries.items():
            if self.shows(*key[2:]):
                yield Update("state", key, payload)

    def refusal(self, camera: str) -> Iterator[Update]:
        """Why a camera's newest picture is not shown, if so."""
        if self.shows(camera) and self.cameras[camera].refused is not None:
            yield refusal({"node": self.name, "camera": camera}, self.cameras[camera])

    def about_itself(self) -> Iterator[Update]:
        """The entries about the node, and none about its cameras."""
        for key, payload in self.about.items():
            yield Update("state", key, payload)

    def details(self, cameras: Collection[str]) -> Iterator[Update]:
        """The entries about these cameras that are shown."""
        for key, payload in self.entries.items():
            if key[2] in cameras and self.shows(*key[2:]):
                yield Update("state", key, payload)

    def shown_cameras(self) -> Iterator[str]:
        """Names of the cameras that are shown."""
        return (name for name in self.cameras if self.shows(name))

    def put(self, key: Key, payload: bytes, message: NodeMessage) -> list[Update]:
        """Keep a message; the updates for browsers, also of what is hidden or shown by it."""
        told = self._heed(message)
        entries = self.about if len(key) == 2 else self.entries
        before = entries.pop(key, None)
        self.bytes += len(payload) + OVERHEAD - (0 if before is None else len(before) + OVERHEAD)
        entries[key] = payload
        if len(key) == 2:
            self.announced |= key[0] != topics.METRICS.name
            return [*told, Update("state", key, payload)]
        if self.shows(*key[2:]):
            return [*told, Update("state", key, payload)]
        self.entries.move_to_end(key, last=False)
        return told

    def remove(self, key: Key) -> list[Update]:
        """Forget an entry; updates about it, and about what it hid."""
        entries = self.about if len(key) == 2 else self.entries
        payload = entries.pop(key, None)
        if payload is None:
            return []
        self.announced = any(key[0] != topics.METRICS.name for key in self.about)
        told = [gone(key)] if len(key) == 2 or self.shows(*key[2:]) else []
        self.bytes -= len(payload) + OVERHEAD
        if key[0] == topics.ZONES.name:
            self.versions.pop(key[2], None)
            told += self._define(key[2], None)
        if key[0] == topics.CAMERA_STATUS.name:
            self.statuses.pop(key[2], None)
        if key[0] == topics.INFO.name:
            self.label, self.labels = "", {}
            told += self._list(None)
        return told

    def add_camera(self, name: str, camera: Camera) -> None:
        """Add a camera that was announced."""
        self.cameras[name] = camera
        self.shown += self.shows(name)

    def forget_camera(self, camera: str) -> list[Update]:
        """Forget a camera and all entries about it."""
        known = self.cameras.pop(camera, None)
        if known is not None:
            self.frame_bytes -= known.held
            self.shown -= self.shows(camera)
        keys = [key for key in self.entries if key[2] == camera]
        # Its numbers go before its definitions: these say which of them were shown.
        keys.sort(key=lambda key: key[0] == topics.ZONES.name)
        return [update for key in keys for update in self.remove(key)]

    def forget_oldest(self) -> list[Update] | None:
        """Forget the oldest entry about a camera; None when there is none, except the status."""
        if self.entries:
            return self.remove(next(iter(self.entries)))
        spare = next((key for key in self.about if key[0] != topics.STATUS.name), None)
        return None if spare is None else self.remove(spare)

    def camera_to_give_way(self) -> str:
        """A camera that is hidden, else the one that was heard of longest ago."""
        hidden = (name for name in self.cameras if not self.shows(name))
        return next(hidden, next(iter(self.cameras)))

    def _heed(self, message: NodeMessage) -> list[Update]:
        """Take in what a message says about what the node has; updates of what is hidden or shown by it."""
        if isinstance(message, NodeStatus):
            self.online = message.status == "online"
        elif isinstance(message, CameraStatus):
            self.statuses[message.camera] = message.status
        elif isinstance(message, NodeInfo):
            self.label = message.name or ""
            self.labels = {one.camera: one.name for one in message.cameras if one.name}
            self.without_pictures = frozenset(one.camera for one in message.cameras if one.reader == READER)
            return self._list(frozenset(info.camera for info in message.cameras))
        elif isinstance(message, Zones):
            self.versions[message.camera] = message.version
            return self._define(message.camera, frozenset(message.zones.keys() | message.lines.keys()))
        return []

    def _list(self, cameras: frozenset[str] | None) -> list[Update]:
        if cameras == self._listed:
            return []
        before = self._shown()
        self._listed = cameras
        for name, camera in self.cameras.items():
            if not self.shows(name):
                camera.empty()
                self.frame_bytes += camera.weigh()
        self.shown = sum(map(self.shows, self.cameras))
        return self._changes(before)

    def _define(self, camera: str, zones: frozenset[str] | None) -> list[Update]:
        if zones == self._defined.get(camera):
            return []
        before = self._shown()
        if zones is None:
            del self._defined[camera]
        else:
            self._defined[camera] = zones
        return self._changes(before)

    def _shown(self) -> set[Key]:
        return {key for key in self.entries if self.shows(*key[2:])}

    def _changes(self, before: set[Key]) -> list[Update]:
        """Updates of what is shown now and was not before, and the other way round."""
        after = self._shown()
        for key in before - after:
            self.entries.move_to_end(key, last=False)
        changed = [key for key in self.entries if (key in before) != (key in after)]
        return [Update("state", key, self.entries[key]) if key in after else gone(key) for key in changed]


def refusal(ids: Mapping[str, str], camera: Camera) -> Update:
    """Tells browsers why a camera's newest picture is not shown, or that one is again."""
    message = camera.refused and {"refused": camera.refused}
    return Update("state", ("picture", *ids.values()), text("picture", **ids, message=message))


def gone(key: Key) -> Update:
    """The update that says that something is no more."""
    names: Mapping[str, str] = dict(zip(("node", "camera", "zone"), key[1:], strict=False))
    return Update("state", key, text(key[0], **names, message=None), gone=True)
