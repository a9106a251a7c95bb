"""The node's retained messages, which a subscriber gets even if it subscribes later."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from edge_node import __version__
from edge_node.analytics.paused import Paused
from edge_node.analytics.watch import Analysed
from edge_node.config.definitions import Definitions, DefinitionStore
from edge_node.config.live import LiveStore
from edge_node.config.settings import EdgeConfig
from edge_node.config.sources import describe
from edge_node.days.book import NO_DAYS, CameraDays
from edge_node.frames import Frame
from edge_node.pictures import Decoding
from edge_node.publish.again import Again
from edge_node.publish.camera_state import CameraState
from edge_node.publish.compose import Composer
from shared import limits
from shared.mqtt.client import Client
from shared.wire import messages, topics
from shared.wire.messages import Suspect

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
    "rules",
    "calendar",
    "health",
)
ORIGIN_REFRESH_S = 1.0
"""The least time between two manifests that report a changed clock or reader of one camera."""


class _Camera:
    """What the manifest says of one camera, and its own state."""

    def __init__(self, source: int | str, name: str | None, state: CameraState) -> None:
        self.source, self.name, self.state = source, name, state
        self.counts = (0, 0)  # number of zones, number of lines
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
        days: Counters of the day, by camera.

    Attributes:
        reconnects: How often each camera was lost, or could not be opened.
    """

    def __init__(
        self,
        client: Client,
        config: EdgeConfig,
        composer: Composer,
        clock: Callable[[], float] = time.monotonic,
        days: Mapping[str, CameraDays] = MappingProxyType({}),
    ) -> None:
        self._client, self._composer, self._clock = client, composer, clock
        self._node, self._prefix, self._name = config.node, config.mqtt.prefix, config.node_name
        self._cameras = {
            name: _Camera(
                camera.source,
                camera.name,
                CameraState(name, composer, self._publish, days.get(name, NO_DAYS)),
            )
            for name, camera in config.cameras.items()
        }
        self._again = Again(client, self._paths, clock())
        self._node_lock = threading.Lock()
        self._said: str | None = None
        self._troubles: dict[str, str] = {}
        self._about: dict[str, Any] | None = None
        self._capabilities: tuple[str, ...] = CAPABILITIES

    def announce(
        self,
        model: messages.ModelInfo,
        backend: str,
        device: str,
        tracker: str,
        definitions: DefinitionStore,
        suspects: Mapping[str, tuple[Suspect, ...]],
        live: LiveStore,
        paused: Callable[[str], Paused],
    ) -> None:
        """Publish all about every camera and the manifest; `online` comes later.

        Before "online", nobody takes what the broker retains for live, so an earlier run's numbers go first.
        """
        for name, camera in self._cameras.items():
            camera.state.begin(definitions[name], live[name], paused(name))
            self.define(name, definitions[name])
            self.suspects(name, suspects[name])
        self._about = {**_running(model, backend, device), "tracker": tracker}
        self._inform()

    def online(self) -> None:
        """Publish that the node is online: what the broker retains of it is of this run now."""
        with self._node_lock:
            self._said = "online"
            self._say_online()

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

    def gone(self, reason: str | None = None) -> None:
        """Publish that the node is offline, and why if something is wrong."""
        with self._node_lock:
            self._said = "offline"
            self._publish(topics.STATUS, self.offline(reason))

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
                self._say_online()

    def _say_online(self) -> None:
        all_said = "; ".join(self._troubles.values()) or None
        self._publish(topics.STATUS, messages.encode(self._composer.status("online", all_said)))

    def offline(self, reason: str | None) -> bytes:
        """The status "offline", for a connection that is not the node's own."""
        return messages.encode(self._composer.status("offline", reason))

    def camera_status(self, camera: str, status: messages.CameraState, reason: str | None = None) -> None:
        """Publish a camera's status, unless it is the one published last; see `CameraState.status`."""
        self._cameras[camera].state.status(status, reason)

    def camera_states(self) -> dict[str, tuple[messages.CameraState | None, str | None]]:
        """Each camera's state and the reason for it; no state before its first."""
        return {name: camera.state.said for name, camera in self._cameras.items()}

    @property
    def reconnects(self) -> dict[str, int]:
        """How often each camera was lost."""
        return {name: camera.state.reconnects for name, camera in self._cameras.items()}

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
        known.state.define(definitions)

    def suspects(self, camera: str, suspects: tuple[Suspect, ...]) -> None:
        """Publish what may be static false positives on a camera."""
        message = messages.Suspects(**self._composer.head(), camera=camera, suspects=suspects)
        self._publish(topics.SUSPECTS, messages.encode(message), camera=camera)

    def analysed(self, item: Analysed) -> None:
        """Publish the numbers of an analysed frame, and behind them, where that is news, "streaming"."""
        now_s, state = self._clock(), self._cameras[item.frame.camera].state
        for numbers in item.report.numbers.values():
            state.zone(numbers, item.frame, now_s)
        state.analysed(item, now_s)

    def attend(
        self,
        newest: Callable[[str], Analysed | None],
        live: LiveStore,
        paused: Callable[[str], Paused],
    ) -> None:
        """Publish counts and live settings that have changed, and some state again; call this often.

        Args:
            newest: Gives each camera's newest frame.
            live: The live settings.
            paused: Gives which zones and lines of each camera count nothing.
        """
        now_s = self._clock()
        for name, camera in self._cameras.items():
            camera.state.attend(newest(name), live[name], now_s, paused(name))
        self._again.due(now_s)

    def end(self, camera: str, item: Analysed | None) -> None:
        """Say that a camera has ended, behind numbers that say that nobody is there any more.

        Args:
            camera: The camera.
            item: Its last frame; None if there was none.
        """
        self._cameras[camera].state.end(item, self._clock())

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
        self.gone()

    def names(self) -> dict[str, str]:
        """What people call each camera; its identifier where it has no name."""
        return {name: camera.name or name for name, camera in self._cameras.items()}

    def node_name(self) -> str:
        """What people call the node."""
        return self._name or self._node

    def hears(self, *, interest: bool) -> None:
        """Publish the manifest again if viewers are to say now who looks at which camera, or no longer."""
        capabilities = CAPABILITIES + ("interest",) * interest
        if capabilities != self._capabilities:
            self._capabilities = capabilities
            self._inform()

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
            capabilities=self._capabilities,
            **self._about,
        )
        self._publish(topics.INFO, messages.encode(info))

    def _paths(self) -> list[str]:
        """Topics of what lives: the node's status, and what the cameras say."""
        return [topics.STATUS.path(self._prefix, node=self._node)] + [
            topic.path(self._prefix, node=self._node, camera=name, **zone)
            for name, camera in self._cameras.items()
            for topic, zone in camera.state.retained
        ]

    def _publish(self, topic: topics.Topic, payload: bytes, **ids: str) -> None:
        self._client.set_state(topic, topic.path(self._prefix, node=self._node, **ids), payload)


def _running(model: messages.ModelInfo, backend: str, device: str) -> dict[str, Any]:
    """What the manifest says of the model and its engine."""
    return {
        "model": dataclasses.replace(model, name=limits.clipped(model.name)),
        "backend": limits.clipped(backend, limits.LABEL_LENGTH),
        "device": limits.clipped(device),
    }
