"""What the viewer knows: the newest of everything on the broker, encoded for the next browser.

Every message is checked before it is kept. Only retained topics announce nodes and cameras. `node.py` says
what of a node is shown, and `nodes.py` who gives way when there is no room.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from shared import limits
from shared.errors import MessageError
from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.messages import (
    DetectionsMessage,
    Event,
    NodeInfo,
    NodeMessage,
)
from shared.wire.topics import Match, Topic
from viewer_server.live import updates
from viewer_server.live.join import Pair, no_picture
from viewer_server.live.names import Names
from viewer_server.live.node import Camera, Node, refusal
from viewer_server.live.nodes import Nodes
from viewer_server.live.reading import SHOWN, read_message, read_picture
from viewer_server.live.recent import Recent
from viewer_server.live.updates import Key, Update
from viewer_server.quotas import Quotas

SETTLES_S = 1.0
"""How long after listening began messages may still come from before it; a gap behind them is no loss."""
MAX_CLASSES = 400
"""Maximum class names passed on for filters; a longer list is left out."""


class RefusedPicture(MessageError):  # noqa: N818 - a MessageError with something to tell
    """A picture that is not shown.

    Args:
        reason: Why.
        update: Tells it to browsers.
    """

    def __init__(self, reason: str, update: Update) -> None:
        super().__init__(reason)
        self.update = update


class State:
    """The newest messages by topic, the last events, and the last frame of each camera.

    Not thread-safe: the hub's lock guards it.

    Args:
        prefix: The topics' prefix.
        quotas: How much one node may have, and all together.
        clock: Seconds, monotonic.

    Attributes:
        joined: Pictures that found their boxes.
        message: What the last call of `apply` has read; None where it was a picture, or empty.
    """

    def __init__(
        self, prefix: str, quotas: Quotas | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._prefix = prefix
        self.quotas = quotas or Quotas()
        self._clock = clock
        self._nodes = Nodes(self.quotas, clock)
        self._names = Names(self._nodes)
        self._recent = Recent()
        self.joined = 0
        self.message: NodeMessage | None = None

    @property
    def nodes(self) -> set[str]:
        """Names of the nodes that are known."""
        return {node.name for node in self._nodes if node.announced}

    def census(self) -> tuple[int, int]:
        """How many nodes are known, and how many cameras are shown."""
        return self._nodes.census()

    @property
    def online(self) -> dict[str, bool]:
        """Whether each node that is known says it is online."""
        return {node.name: bool(node.online) for node in self._nodes if node.announced}

    @property
    def cameras(self) -> list[tuple[str, str]]:
        """Node and camera of every camera that is shown."""
        return [(node.name, camera) for node in self._nodes for camera in node.shown_cameras()]

    @property
    def unmatched(self) -> int:
        """Pictures whose boxes never came."""
        return self._nodes.counts["unmatched"]

    def knows(self, node: str) -> bool:
        """Whether the node has announced itself or a camera."""
        return self._nodes.get(node) is not None

    def should_ask_again(self) -> bool:
        """Whether the broker is to send its retained messages again, because some found no room."""
        return self._nodes.should_ask_again()

    def zones_version(self, node: str, camera: str) -> int | None:
        """The version of a camera's zones and lines; None when none has arrived."""
        known = self._nodes.get(node)
        return None if known is None else known.versions.get(camera)

    @property
    def unnamed(self) -> int:
        """Pictures that did not say which frame they show."""
        return self._nodes.counts["unnamed"]

    def apply(
        self, received: Received, match: Match | None = None, read: NodeMessage | None = None
    ) -> list[Update]:
        """Check a message and keep what it says.

        Args:
            received: The message.
            match: Row and identifiers of its topic, where somebody has looked them up.
            read: What is in it, where somebody has read it and compared its names with the topic's.

        Returns:
            The updates for browsers.

        Raises:
            MessageError: The topic is not shown, or the message breaks the contract or there is no room.
        """
        self.message = None
        match = match or topics.match(self._prefix, received.topic)
        if match is None or match[0] not in SHOWN:
            raise MessageError("not one of the topics that are shown")
        row, ids = match
        if row.payload == "jpeg":
            return self._picture(ids, received)
        if not received.payload:
            return self._cleared(row, ids)
        message = read or read_message(row, ids, received)
        self.message = message
        if isinstance(message, DetectionsMessage):
            return self._detections(ids, message, len(received.payload))
        node, told = self._admit(row, ids)
        if not received.retain:  # what the broker has kept may be years old
            self._nodes.hear(node)
        if isinstance(message, Event):
            return told + self._recent.add(ids, message)
        return told + self._newest(node, row, ids, message)

    def remember(self, events: Iterable[Event]) -> None:
        """Add stored events, oldest first; their cameras need not be known."""
        for event in events:
            self._recent.add({"node": event.node, "camera": event.camera}, event)

    def everything(self) -> Iterator[Update]:
        """Everything that a new browser must be sent: state, then events, then frames."""
        for node in self._nodes:
            yield from node.everything()
        yield from self._recent
        for node in self._nodes:
            for name in node.shown_cameras():
                yield from node.refusal(name)
                frame = node.cameras[name].last_frame
                if frame is not None:
                    yield frame

    def details(self, nodes: Iterable[str], cameras: Collection[Key]) -> Iterator[Update]:
        """What `everything` has of these nodes themselves and of these cameras, but for frames."""
        yield from self._nodes.details(nodes, cameras)
        yield from (event for event in self._recent if event.key[1:3] in cameras)

    def names(self) -> Iterator[Update]:
        """The list of names."""
        return iter(self._names)

    def renamed(self, told: Iterable[Update]) -> list[Update]:
        """The lines of the list of names that have changed with these updates."""
        return self._names.follow(told)

    def known(self, kinds: Collection[str], nodes: Iterable[str] | None = None) -> Iterator[Update]:
        """The newest messages of these kinds, of all nodes or of some."""
        for node in self._nodes if nodes is None else filter(None, map(self._nodes.get, nodes)):
            yield from (update for update in node.everything() if update.key[0] in kinds)

    def last_frame(self, camera: Key) -> Update | None:
        """The newest frame of a camera that is shown."""
        node = self._nodes.get(camera[0])
        known = node.cameras.get(camera[1]) if node else None
        return known.last_frame if node and known and node.shows(camera[1]) else None

    def new_frame(self, camera: Key) -> Update | None:
        """The same, if it has come since listening to the camera began."""
        node = self._nodes.get(camera[0])
        known = node.cameras.get(camera[1]) if node else None
        return self.last_frame(camera) if known and known.is_new else None

    def entry(self, key: Key) -> bytes | None:
        """The newest message of a topic, encoded, by the topic's name, node and camera."""
        node = self._nodes.get(key[1])
        return None if node is None else node.about.get(key) or node.entries.get(key)

    def shows(self, camera: Key) -> bool:
        """Whether a camera is known and shown."""
        node = self._nodes.get(camera[0])
        return node is not None and camera[1] in node.cameras and node.shows(camera[1])

    def begin(self, cameras: Iterable[Key]) -> None:
        """Note that listening to the detections and pictures of cameras begins."""
        for name, camera in cameras:
            node = self._nodes.get(name)
            if node is not None and camera in node.cameras:
                node.cameras[camera].begin(self._clock())
                self._nodes.weigh(node, node.cameras[camera])

    def _newest(self, node: Node, row: Topic, ids: Mapping[str, str], message: NodeMessage) -> list[Update]:
        if isinstance(message, NodeInfo) and len(message.model.classes) > MAX_CLASSES:
            message = dataclasses.replace(message, model=dataclasses.replace(message.model, classes=()))
        key = (row.name, *ids.values())
        return self._nodes.put(node, key, updates.text(row.name, **ids, message=message), message)

    def _detections(self, ids: Mapping[str, str], message: DetectionsMessage, size: int) -> list[Update]:
        node, camera = self._known(ids)
        if not node.shows(ids["camera"]):
            return []
        if self._clock() - camera.begun_s < SETTLES_S:
            camera.joiner.excuse()
        pair = camera.joiner.add_detections(message, size)
        if pair is None and ids["camera"] in node.without_pictures:
            pair = camera.joiner.add_picture(no_picture(message))
        return self._joined(node, ids["camera"], pair)

    def _picture(self, ids: Mapping[str, str], received: Received) -> list[Update]:
        node, camera = self._known(ids)
        told = []
        try:
            picture = read_picture(received)
        except MessageError as error:
            camera.refused, before = limits.clipped(str(error)), camera.refused
            if camera.refused != before and node.shows(ids["camera"]):
                raise RefusedPicture(str(error), refusal(ids, camera)) from None
            raise
        if not node.shows(ids["camera"]):
            return []
        if camera.refused is not None:
            camera.refused = None
            told.append(refusal(ids, camera))
        add = camera.joiner.add_picture if picture.matched else camera.joiner.add_unnamed
        return told + self._joined(node, ids["camera"], add(picture))

    def _joined(self, node: Node, name: str, pair: Pair | None) -> list[Update]:
        camera, told = node.cameras[name], []
        if pair is not None:
            self.joined += pair[0].matched
            camera.last_frame = updates.frame(node.name, name, *pair, camera.joiner.lost)
            camera.is_new = True
            told.append(camera.last_frame)
        self._nodes.weigh(node, camera)
        return told

    def _known(self, ids: Mapping[str, str]) -> tuple[Node, Camera]:
        node = self._nodes.get(ids["node"])
        camera = node.cameras.get(ids["camera"]) if node else None
        if node is None or camera is None:
            self._nodes.missed(ids["node"])
            raise MessageError("its camera has not announced itself in a retained topic")
        self._nodes.hear(node)
        return node, camera

    def _admit(self, row: Topic, ids: Mapping[str, str]) -> tuple[Node, list[Update]]:
        """Add the node or camera that a retained topic announces; refuse messages of unknown ones.

        Returns:
            The node, and updates about what had to give way.
        """
        if row.retain:
            node, told = self._nodes.admit(ids["node"])
            if "camera" in ids:
                told += self._nodes.announce(node, ids["camera"])
        elif "camera" in ids:
            node, told = self._known(ids)[0], []
        else:
            found, told = self._nodes.get(ids["node"]), []
            if found is None or not found.announced:
                self._nodes.missed(ids["node"])
                raise MessageError("its node has not announced itself in a retained topic")
            node = found
        return node, told

    def _cleared(self, row: Topic, ids: Mapping[str, str]) -> list[Update]:
        """Remove what an empty retained message clears, and everything that belongs to it."""
        node = self._nodes.get(ids["node"])
        if node is None:
            return []
        if row is topics.STATUS:
            return self._nodes.forget(node)
        if row is topics.CAMERA_STATUS:
            return self._nodes.forget_camera(node, ids["camera"])
        return self._nodes.remove(node, (row.name, *ids.values()))
