"""The node's retained messages, which a subscriber gets even if it subscribes later."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal

from edge_node import __version__
from edge_node.config.definitions import Definitions, DefinitionStore
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import describe
from edge_node.frames import Frame
from edge_node.pictures import Decoding
from edge_node.publish.compose import Composer, only_time_passed
from shared import limits
from shared.mqtt.client import Client
from shared.secrets.redact import redact
from shared.wire import messages, topics
from shared.wire.messages import Suspect, ZoneNumbers, now_us

CAPABILITIES = (
    "detections",
    "thumbnails",
    "snapshots",
    "tracks",
    "zones",
    "lines",
    "commands",
    "masks",
    "suspects",
    "names",
)
ZONE_REFRESH_S = 1.0
"""How often a zone's durations are published while nothing else changes in it."""
ORIGIN_REFRESH_S = 1.0
"""The least time between two manifests that report a changed clock or reader of one camera."""


class _Camera:
    """What was last published about one camera."""

    def __init__(self, source: int | str, name: str | None) -> None:
        self.source, self.name = source, name
        self.status: messages.CameraState | None = None
        self.reason: str | None = None  # for the status
        self.counts = (0, 0)  # number of zones, number of lines
        self.numbers: dict[str, tuple[ZoneNumbers, float]] = {}  # by name, with the time of publishing
        self.origin: tuple[messages.ClockSource, str, Decoding] | None = None  # clock, reader, decoder
        self.origin_at = -math.inf


def _reason(camera: _Camera) -> str | None:
    """Why a camera is not decoded on the GPU."""
    why = camera.origin and camera.origin[2].why
    return limits.clipped(why) if why else None


class NodeState:
    """Publishes the node's status and manifest, and each camera's status, definitions and zone numbers.

    Nothing here waits: the client keeps the newest message of each topic and sends it when it can.

    Args:
        client: The connection.
        config: The node's configuration.
        composer: Makes the messages.
        clock: Monotonic seconds.

    Attributes:
        reconnects: How often each camera was lost, or could not be opened.
    """

    def __init__(
        self,
        client: Client,
        config: EdgeConfig,
        composer: Composer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._composer, self._clock = client, composer, clock
        self._node, self._prefix, self._name = config.node, config.mqtt.prefix, config.node_name
        self._cameras = {name: _Camera(camera.source, camera.name) for name, camera in config.cameras.items()}
        self.reconnects: Counter[str] = Counter()
        self._status_lock = threading.Lock()
        self._node_lock = threading.Lock()
        self._said: str | None = None
        self._troubles: dict[str, str] = {}
        self._about: dict[str, Any] | None = None

    def announce(
        self,
        model: messages.ModelInfo,
        backend: str,
        device: str,
        tracker: str,
        definitions: DefinitionStore,
        suspects: Mapping[str, tuple[Suspect, ...]],
    ) -> None:
        """Publish that the node is online, its manifest, and all about every camera."""
        self.node_status("online")
        for name in self._cameras:
            self.define(name, definitions[name])
            self.suspects(name, suspects[name])
            self.camera_status(name, "starting")
        self._about = {**_running(model, backend, device), "tracker": tracker}
        self._inform()

    def runs_with(self, model: messages.ModelInfo, backend: str, device: str) -> None:
        """Publish the manifest again if another file, engine or device is the model's now."""
        changed = _running(model, backend, device)
        if self._about is not None and self._about | changed != self._about:
            self._about |= changed
            self._inform()

    def rename(self, config: EdgeConfig) -> None:
        """Publish the manifest again if people call the node or a camera something else now."""
        before = self._names()
        self._name = config.node_name
        for name, camera in self._cameras.items():
            camera.name = config.cameras[name].name
        if self._names() != before:
            self._inform()

    def node_status(self, status: Literal["online", "offline"], reason: str | None = None) -> None:
        """Publish whether the node is online, and what is wrong."""
        with self._node_lock:
            self._said = status
            self._publish(topics.STATUS, messages.encode(self._composer.status(status, reason)))

    def trouble(self, reason: str | None, about: str = "stages") -> None:
        """Publish what is wrong with a part of the node while it is online, or None when it is well again.

        Args:
            reason: What is wrong.
            about: The part; what is wrong with other parts stays said.
        """
        # Under the lock: a thread that is held up here must not say "online" after another's "offline".
        with self._node_lock:
            if reason is None:
                self._troubles.pop(about, None)
            else:
                self._troubles[about] = reason
            if self._said == "online":
                all_said = "; ".join(self._troubles.values()) or None
                self._publish(topics.STATUS, messages.encode(self._composer.status("online", all_said)))

    def offline(self, reason: str) -> bytes:
        """The status "offline", for a connection that is not the node's own."""
        return messages.encode(self._composer.status("offline", reason))

    def camera_status(self, camera: str, status: messages.CameraState, reason: str | None = None) -> None:
        """Publish a camera's status, unless it is the one published last."""
        reason = reason and limits.clipped(redact(reason))
        # Under the lock to the end: else a thread that is held up here would say its older status last.
        with self._status_lock:
            if self._cameras[camera].status == status:
                return
            self._cameras[camera].status, self._cameras[camera].reason = status, reason
            self.reconnects[camera] += status == "reconnecting"
            message = messages.CameraStatus(
                **self._composer.head(), camera=camera, status=status, since_us=now_us(), reason=reason
            )
            self._publish(topics.CAMERA_STATUS, messages.encode(message), camera=camera)

    def camera_states(self) -> dict[str, tuple[messages.CameraState | None, str | None]]:
        """Each camera's state and the reason for it; no state before its first."""
        return {name: (camera.status, camera.reason) for name, camera in self._cameras.items()}

    def define(self, camera: str, definitions: Definitions) -> None:
        """Publish a camera's definitions, and clear the numbers of zones and lines that it no longer has."""
        message = messages.Zones(
            **self._composer.head(),
            camera=camera,
            version=definitions.version,
            **definitions.by_key(),
        )
        self._publish(topics.ZONES, messages.encode(message), camera=camera)
        known = self._cameras[camera]
        counts = len(definitions.zones), len(definitions.lines)
        if counts != known.counts:
            known.counts = counts
            self._inform()
        for gone in known.numbers.keys() - definitions.zones.keys() - definitions.lines.keys():
            del known.numbers[gone]
            self._publish(topics.ZONE, b"", camera=camera, zone=gone)

    def suspects(self, camera: str, suspects: tuple[Suspect, ...]) -> None:
        """Publish what may be static false positives on a camera."""
        message = messages.Suspects(**self._composer.head(), camera=camera, suspects=suspects)
        self._publish(topics.SUSPECTS, messages.encode(message), camera=camera)

    def zone(self, numbers: ZoneNumbers, frame: Frame, *, at_once: bool = False) -> None:
        """Publish the numbers of a zone or line, if they have changed.

        Args:
            numbers: As of the frame.
            frame: The camera's newest frame.
            at_once: Publish grown durations even within `ZONE_REFRESH_S` of the last message.
        """
        known = self._cameras[frame.camera].numbers
        last, at = known.get(numbers.zone, (None, 0.0))
        if numbers == last:
            return
        now = self._clock()
        fresh = last is not None and now - at < ZONE_REFRESH_S and only_time_passed(last, numbers)
        if fresh and not at_once:
            return
        known[numbers.zone] = (numbers, now)
        message = self._composer.zone(numbers, frame)
        self._publish(topics.ZONE, messages.encode(message), camera=frame.camera, zone=numbers.zone)

    def origin(self, frame: Frame) -> None:
        """Publish the manifest again if this frame's clock, reader or decoder is not what it says."""
        camera, origin = self._cameras[frame.camera], (frame.clock, frame.reader, frame.decoding)
        if camera.origin == origin:
            return
        now = self._clock()
        if now - camera.origin_at >= ORIGIN_REFRESH_S:
            camera.origin, camera.origin_at = origin, now
            self._inform()

    def withdraw(self) -> None:
        """Clear all state and publish "offline": another node has the name, and publishes its own state."""
        self._client.clear_state(self._prefix)
        self.node_status("offline")

    def _names(self) -> list[str | None]:
        return [self._name, *(camera.name for camera in self._cameras.values())]

    def _inform(self) -> None:
        """Publish the manifest, once the node has announced itself."""
        if self._about is None:
            return
        cameras = tuple(
            messages.CameraInfo(
                camera=name,
                name=camera.name,
                source=limits.clipped(describe(camera.source)),
                zones=camera.counts[0],
                lines=camera.counts[1],
                clock=camera.origin and camera.origin[0],
                reader=camera.origin and camera.origin[1],
                decoder=camera.origin and camera.origin[2].on,
                decoder_reason=_reason(camera),
            )
            for name, camera in self._cameras.items()
        )
        info = messages.NodeInfo(
            **self._composer.head(),
            name=self._name,
            version=__version__,
            cameras=cameras,
            capabilities=CAPABILITIES,
            **self._about,
        )
        self._publish(topics.INFO, messages.encode(info))

    def _publish(self, topic: topics.Topic, payload: bytes, **ids: str) -> None:
        self._client.set_state(topic, topic.path(self._prefix, node=self._node, **ids), payload)


def _running(model: messages.ModelInfo, backend: str, device: str) -> dict[str, Any]:
    """What the manifest says of the model and its engine."""
    return {
        "model": dataclasses.replace(model, name=limits.clipped(model.name)),
        "backend": limits.clipped(backend, limits.LABEL_LENGTH),
        "device": limits.clipped(device),
    }
