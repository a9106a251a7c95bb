"""What the viewer knows: the newest of everything on the broker, encoded for the next browser.

Every message is checked before it is kept. Only retained topics announce nodes and cameras. There is a cap on
the number of each kind of thing, and on the bytes of everything together.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping

from shared import limits
from shared.errors import MessageError
from shared.mqtt.received import Received
from shared.pictures import read_jpeg_header
from shared.wire import topics
from shared.wire.messages import (
    DetectionsMessage,
    Event,
    NodeInfo,
    NodeMessage,
    Zones,
    decode,
    now_us,
)
from shared.wire.topics import Topic
from viewer_server.live import updates
from viewer_server.live.join import Joiner, Pair, Thumbnail
from viewer_server.live.updates import Key, Update

SHOWN = tuple(
    row for row in topics.TABLE if row not in (topics.SNAPSHOT, topics.REQUEST, topics.RESPONSE, topics.ACK)
)
"""The topics that the page shows."""
MAX_NODES = 256
MAX_CAMERAS = 256
MAX_ENTRIES = 5_000
MAX_BYTES = 32_000_000
MAX_EVENTS = 100
"""Limit of track events, and of other events: with a common one, tracks would push the others out."""
MAX_CLASSES = 400
"""Maximum class names passed on for filters; a longer list is left out."""


class _Camera:
    def __init__(self) -> None:
        self.joiner = Joiner()
        self.last_frame: Update | None = None


class State:
    """The newest messages by topic, the last events, and the last frame of each camera.

    Not thread-safe: the hub's lock guards it.

    Args:
        prefix: The topics' prefix.

    Attributes:
        joined: Pictures that found their boxes.
        zones_versions: Version of the zones and lines, by node and camera.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._entries: dict[Key, bytes] = {}
        self._bytes = 0
        self._cameras: dict[tuple[str, str], _Camera] = {}
        self._events: OrderedDict[str, Update] = OrderedDict()
        self._track_events: OrderedDict[str, Update] = OrderedDict()
        self.joined = 0
        self.zones_versions: dict[tuple[str, str], int] = {}

    @property
    def nodes(self) -> set[str]:
        """Names of the nodes that are known."""
        return {key[1] for key in self._entries if len(key) == 2 and key[0] != topics.METRICS.name}

    @property
    def cameras(self) -> list[tuple[str, str]]:
        """Node and camera of every camera that is known."""
        return list(self._cameras)

    @property
    def unmatched(self) -> int:
        """Pictures whose boxes never came."""
        return sum(camera.joiner.unmatched for camera in self._cameras.values())

    @property
    def unnamed(self) -> int:
        """Pictures that did not say which frame they show."""
        return sum(camera.joiner.unnamed for camera in self._cameras.values())

    def apply(self, received: Received) -> list[Update]:
        """Check a message and keep what it says.

        Returns:
            The updates for browsers.

        Raises:
            MessageError: The topic is not shown, or the message breaks the contract or goes over a cap.
        """
        match = topics.match(self._prefix, received.topic)
        if match is None or match[0] not in SHOWN:
            raise MessageError("not one of the topics that are shown")
        row, ids = match
        if row.payload == "jpeg":
            return self._picture(ids, received)
        if not received.payload:
            return self._cleared(row, ids)
        message = decode(row.payload, received.payload)
        assert isinstance(message, NodeMessage)  # noqa: S101 - every shown topic carries one
        check_names(ids, message)
        if isinstance(message, DetectionsMessage):
            return self._detections(ids, message, len(received.payload))
        self._admit(row, ids)
        if isinstance(message, Event):
            return self._event(ids, message)
        return self._newest(row, ids, message)

    def remember(self, events: Iterable[Event]) -> None:
        """Add stored events, oldest first; their cameras need not be known."""
        for event in events:
            self._event({"node": event.node, "camera": event.camera}, event)

    def everything(self) -> Iterator[Update]:
        """Everything that a new browser must be sent: state, then events, then frames."""
        for key, payload in self._entries.items():
            yield Update("state", key, payload)
        yield from self._events.values()
        yield from self._track_events.values()
        for camera in self._cameras.values():
            if camera.last_frame is not None:
                yield camera.last_frame

    def last_frame(self, camera: Key) -> Update | None:
        """The newest frame of a camera."""
        known = self._cameras.get((camera[0], camera[1]))
        return None if known is None else known.last_frame

    def _newest(self, row: Topic, ids: Mapping[str, str], message: NodeMessage) -> list[Update]:
        told = []
        if isinstance(message, NodeInfo):
            if len(message.model.classes) > MAX_CLASSES:
                message = dataclasses.replace(message, model=dataclasses.replace(message.model, classes=()))
            listed = {info.camera for info in message.cameras}
            for node, camera in self.cameras:
                if node == ids["node"] and camera not in listed:
                    told += self._forget((node, camera))
        if isinstance(message, Zones):
            known = message.zones.keys() | message.lines.keys()
            for key in list(self._entries):
                about_zone = key[0] == topics.ZONE.name and key[1:3] == (ids["node"], ids["camera"])
                if about_zone and key[3] not in known:
                    told.append(self._remove(key))
        key = (row.name, *ids.values())
        payload = _encoded(row, ids, message)
        room = MAX_BYTES - self._bytes + len(self._entries.get(key, b""))
        if len(payload) > room or (key not in self._entries and len(self._entries) >= MAX_ENTRIES):
            raise MessageError(f"no room: the viewer keeps {MAX_ENTRIES} things in {MAX_BYTES} bytes")
        self._bytes += len(payload) - len(self._entries.get(key, b""))
        self._entries[key] = payload
        if isinstance(message, Zones):
            self.zones_versions[ids["node"], ids["camera"]] = message.version
        return [*told, Update("state", key, payload)]

    def _event(self, ids: Mapping[str, str], event: Event) -> list[Update]:
        remembered = self._track_events if event.type.startswith("track_") else self._events
        if event.event_id in remembered:  # delivered at least once: this is a repetition
            return []
        update = Update("event", (topics.EVENTS.name, event.event_id), _encoded(topics.EVENTS, ids, event))
        remembered[event.event_id] = update
        if len(remembered) > MAX_EVENTS:
            remembered.popitem(last=False)
        return [update]

    def _detections(self, ids: Mapping[str, str], message: DetectionsMessage, size: int) -> list[Update]:
        camera = self._known(ids)
        return self._joined(ids, camera, camera.joiner.add_detections(message, size))

    def _picture(self, ids: Mapping[str, str], received: Received) -> list[Update]:
        camera = self._known(ids)
        picture = _picture(received)
        add = camera.joiner.add_picture if picture.matched else camera.joiner.add_unnamed
        return self._joined(ids, camera, add(picture))

    def _joined(self, ids: Mapping[str, str], camera: _Camera, pair: Pair | None) -> list[Update]:
        if pair is None:
            return []
        self.joined += pair[0].matched
        camera.last_frame = updates.frame(ids["node"], ids["camera"], *pair, camera.joiner.lost)
        return [camera.last_frame]

    def _known(self, ids: Mapping[str, str]) -> _Camera:
        camera = self._cameras.get((ids["node"], ids["camera"]))
        if camera is None:
            raise MessageError("its camera has not announced itself in a retained topic")
        return camera

    def _admit(self, row: Topic, ids: Mapping[str, str]) -> None:
        """Add the node or camera that a retained topic announces; refuse messages of unknown ones."""
        if "camera" in ids:
            name = ids["node"], ids["camera"]
            if row.retain and name not in self._cameras:
                if len(self._cameras) >= MAX_CAMERAS:
                    raise MessageError(f"more than {MAX_CAMERAS} cameras")
                self._cameras[name] = _Camera()
            self._known(ids)
        elif ids["node"] not in self.nodes:
            if not row.retain:
                raise MessageError("its node has not announced itself in a retained topic")
            if len(self.nodes) >= MAX_NODES:
                raise MessageError(f"more than {MAX_NODES} nodes")

    def _cleared(self, row: Topic, ids: Mapping[str, str]) -> list[Update]:
        """Remove what an empty retained message clears, and everything that belongs to it."""
        if row is topics.STATUS:
            gone = [self._remove(key) for key in list(self._entries) if key[1] == ids["node"]]
            self._cameras = {key: camera for key, camera in self._cameras.items() if key[0] != ids["node"]}
            return gone
        if row is topics.CAMERA_STATUS:
            return self._forget((ids["node"], ids["camera"]))
        key = (row.name, *ids.values())
        return [self._remove(key)] if key in self._entries else []

    def _forget(self, camera: tuple[str, str]) -> list[Update]:
        self._cameras.pop(camera, None)
        return [self._remove(key) for key in list(self._entries) if key[1:3] == camera]

    def _remove(self, key: Key) -> Update:
        if key[0] == topics.ZONES.name:
            self.zones_versions.pop((key[1], key[2]), None)
        self._bytes -= len(self._entries.pop(key))
        names = dict(zip(("node", "camera", "zone"), key[1:], strict=False))
        return Update("state", key, updates.text(key[0], **names, message=None))


def check_names(ids: Mapping[str, str], message: NodeMessage) -> None:
    """Refuse a message that names another node, camera or zone than its topic."""
    for name, value in ids.items():
        if getattr(message, name) != value:
            raise MessageError(f"the topic says {name} {value}, the message {getattr(message, name)}")


def _encoded(row: Topic, ids: Mapping[str, str], message: NodeMessage) -> bytes:
    return updates.text(row.name, **ids, message=message)


def _picture(received: Received) -> Thumbnail:
    properties = received.user_properties
    named = "session" in properties and "seq" in properties
    session, seq = properties.get("session", ""), properties.get("seq", "0")
    if not (seq.isascii() and seq.isdigit() and len(seq) <= 16) or len(session) > 64:
        raise MessageError(f"user properties session {session[:64]!r}, seq {seq[:20]!r}: not a frame")
    if len(received.payload) > limits.PAYLOAD_BYTES:
        raise MessageError(
            f"a picture of {len(received.payload)} bytes; at most {limits.PAYLOAD_BYTES} are read"
        )
    header = read_jpeg_header(received.payload)
    if header is None or max(header.width, header.height) > limits.PICTURE_SIDE:
        raise MessageError(f"not a JPEG of at most {limits.PICTURE_SIDE} x {limits.PICTURE_SIDE} pixels")
    return Thumbnail(session, int(seq), header.width, header.height, now_us(), received.payload, named)
