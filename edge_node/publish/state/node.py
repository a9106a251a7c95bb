"""The node's retained messages: its status, its manifest, and those of its cameras."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from edge_node.analytics.paused import Paused
from edge_node.analytics.watch import Analysed
from edge_node.config.live import LiveStore
from edge_node.config.saved.definitions import Definitions, DefinitionStore
from edge_node.config.settings import EdgeConfig
from edge_node.days.book import NO_DAYS, CameraDays
from edge_node.publish.compose import Composer
from edge_node.publish.state.again import Again
from edge_node.publish.state.camera import CameraState
from edge_node.publish.state.manifest import Manifest
from shared.mqtt.client import Client
from shared.wire import messages, topics
from shared.wire.messages import Suspect


class NodeState:
    """Publishes the node's status, and each camera's status, definitions and zone numbers.

    Nothing here waits: the client keeps the newest message of each topic and sends it when it can.

    Args:
        client: The connection.
        config: The node's configuration.
        composer: Makes the messages.
        clock: Monotonic seconds.
        days: Counters of the day, by camera.

    Attributes:
        manifest: What the node says of itself.
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
        self._node, self._prefix = config.node, config.mqtt.prefix
        self._cameras = {
            name: CameraState(name, composer, self._publish, days.get(name, NO_DAYS))
            for name in config.cameras
        }
        self.manifest = Manifest(config, composer, partial(self._publish, topics.INFO), clock)
        self._again = Again(client, self._paths, clock())
        self._node_lock = threading.Lock()
        self._said: str | None = None
        self._troubles: dict[str, str] = {}

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
            camera.begin(definitions[name], live[name], paused(name))
            self.define(name, definitions[name])
            self.suspects(name, suspects[name])
        self.manifest.announce(model, backend, device, tracker)

    def online(self) -> None:
        """Publish that the node is online: what the broker retains of it is of this run now."""
        with self._node_lock:
            self._said = "online"
            self._say_online()

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
        self._cameras[camera].status(status, reason)

    def camera_states(self) -> dict[str, tuple[messages.CameraState | None, str | None]]:
        """Each camera's state and the reason for it; no state before its first."""
        return {name: camera.said for name, camera in self._cameras.items()}

    @property
    def reconnects(self) -> dict[str, int]:
        """How often each camera was lost."""
        return {name: camera.reconnects for name, camera in self._cameras.items()}

    def define(self, camera: str, definitions: Definitions) -> None:
        """Publish a camera's definitions, and clear the numbers of zones and lines that it no longer has."""
        message = messages.Zones(
            **self._composer.head(),
            camera=camera,
            version=definitions.version,
            **definitions.by_key(),
        )
        self._publish(topics.ZONES, messages.encode(message), camera=camera)
        self.manifest.define(camera, definitions)
        self._cameras[camera].define(definitions)

    def suspects(self, camera: str, suspects: tuple[Suspect, ...]) -> None:
        """Publish what may be static false positives on a camera."""
        message = messages.Suspects(**self._composer.head(), camera=camera, suspects=suspects)
        self._publish(topics.SUSPECTS, messages.encode(message), camera=camera)

    def analysed(self, item: Analysed) -> None:
        """Publish the numbers of an analysed frame, and behind them, where that is news, "streaming"."""
        now_s, state = self._clock(), self._cameras[item.frame.camera]
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
            camera.attend(newest(name), live[name], now_s, paused(name))
        self._again.due(now_s)

    def end(self, camera: str, item: Analysed | None) -> None:
        """Say that a camera has ended, behind numbers that say that nobody is there any more.

        Args:
            camera: The camera.
            item: Its last frame; None if there was none.
        """
        self._cameras[camera].end(item, self._clock())

    def withdraw(self) -> None:
        """Clear all state and publish "offline": another node has the name, and publishes its own state."""
        self._client.clear_state(self._prefix)
        self.gone()

    def _paths(self) -> list[str]:
        """Topics of what lives: the node's status, and what the cameras say."""
        return [topics.STATUS.path(self._prefix, node=self._node)] + [
            topic.path(self._prefix, node=self._node, camera=name, **zone)
            for name, camera in self._cameras.items()
            for topic, zone in camera.retained
        ]

    def _publish(self, topic: topics.Topic, payload: bytes, **ids: str) -> None:
        self._client.set_state(topic, topic.path(self._prefix, node=self._node, **ids), payload)
