"""Home Assistant's MQTT discovery: which devices there are, announced and withdrawn."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from edge_node.config.settings import EdgeConfig
from edge_node.publish.homeassistant.camera import device
from edge_node.publish.homeassistant.components import fitting
from edge_node.publish.homeassistant.gone import (
    Platforms,
    platforms,
    platforms_of,
    shell,
    with_farewell,
    with_gone,
)
from edge_node.publish.homeassistant.node import node_device
from shared import limits
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.messages import ModeDefinition, RuleDefinition
from shared.wire.topics import check_prefix

MEETS_S = 10.0
"""How long Home Assistant gets after its start to take in entities that are then removed, seconds."""
QUIET_S = 3.0
"""The least time between two messages about a device, seconds. While Home Assistant takes in one, it skips
what is new in the next one: its mqtt/discovery.py, of 2025.4, returns at the first component that waits."""
MOST_GONE = 2 * limits.CAMERAS
"""The most devices whose removed components are remembered; no node has had so many."""


class HomeAssistant:
    """Announces a node and its cameras to Home Assistant, and withdraws those of earlier runs that are gone.

    Args:
        client: The connection.
        config: The node's configuration. Discovery is off unless `homeassistant.enabled` is set.
        thermometer: Whether the node's machine says how warm it is.
        rules: The node's rules; None: it has none yet.
        clock: Monotonic seconds.
        quiet_s: The least time between two messages about a device, seconds.
        say_mode: Publishes the mode once more. Home Assistant ignores one that comes before its options.

    Raises:
        ConfigError: `homeassistant.prefix` cannot begin a topic.
    """

    def __init__(
        self,
        client: Client,
        config: EdgeConfig,
        *,
        thermometer: bool = False,
        rules: Mapping[str, RuleDefinition] | None = None,
        clock: Callable[[], float] = time.monotonic,
        quiet_s: float = QUIET_S,
        say_mode: Callable[[], None] = lambda: None,
    ) -> None:
        self._client, self._thermometer, self._clock, self._quiet_s = client, thermometer, clock, quiet_s
        self._say_mode = say_mode
        self._prefix = check_prefix(config.homeassistant.prefix, "homeassistant.prefix")
        self._node = config.node
        self._nothing = topics.RESPONSE.path(config.mqtt.prefix, node=config.node, command="gone")
        self._lock = threading.Lock()  # guards all below, and the order of the messages
        self._config: EdgeConfig | None = None
        self._modes: Mapping[str, ModeDefinition] = {}
        self._rules: Mapping[str, RuleDefinition] = dict(rules or {})
        self._devices: dict[str, dict[str, Any]] = {}
        self._devices = self._of(config)
        self._gone: dict[str, Platforms] = {}
        """By a device's topic: components that it no longer has and Home Assistant may still have."""
        self._announced = False
        self._said_s: dict[str, float] = {}
        self._waiting: list[str] = []
        """Topics of devices that have changed so soon after their last message that the next one waits."""
        self._leaving: list[str] = []
        self._due: float | None = None
        self._offered: list[str] = []  # the modes in the last message about the node
        self._mode_due: float | None = None
        self._birth = f"{self._prefix}/status"

    def announce(self) -> None:
        """Publish every device, and subscribe to Home Assistant's status and to devices of earlier runs."""
        own = self._node_path()
        self._client.subscribe(own, 1)
        self._client.subscribe(own.removesuffix("config") + "+/config", 1)
        self._client.subscribe(self._birth, 0)
        with self._lock:
            self._announced = True
            for path in self._devices:
                self._say(path)

    def update(self, config: EdgeConfig) -> None:
        """Announce devices that have changed, and withdraw those that are gone.

        Args:
            config: The node's configuration, with its current zones and lines. A changed discovery prefix
                is ignored.
        """
        with self._lock:
            self._update(config)

    def set_modes(self, modes: Mapping[str, ModeDefinition]) -> None:
        """Offer these modes of the node to choose from; none: there is nothing to choose."""
        with self._lock:
            if list(modes) != list(self._modes):  # their names are not shown
                self._modes = dict(modes)
                self._renew()

    def set_rules(self, rules: Mapping[str, RuleDefinition]) -> None:
        """Announce the alerts of these rules of the node."""
        with self._lock:
            if rules != self._rules:
                self._rules = dict(rules)
                self._renew()

    def handle(self, received: Received) -> None:
        """Handle one message; messages that do not concern discovery are ignored."""
        if received.topic == self._birth:
            if received.payload == b"online" and not received.retain:
                with self._lock:
                    self._welcome()
        elif received.retain and received.payload and received.topic.startswith(f"{self._prefix}/device/"):
            before = platforms_of(received.payload)
            with self._lock:
                if before is not None:
                    self._replace(received.topic, before)

    def attend(self) -> None:
        """Send what waits, and remove what Home Assistant has taken in since its start; call this often."""
        if self._waiting:
            with self._lock:
                waiting, self._waiting = self._waiting, []
                for path in waiting:
                    self._say(path)
        if self._mode_due is not None and self._clock() >= self._mode_due:
            with self._lock:
                self._mode_due = None
            self._say_mode()  # not under the lock: who says it may hold its own when it calls `set_modes`
        if self._due is None or self._clock() < self._due:
            return
        with self._lock:
            self._due = None
            leaving, self._leaving = self._leaving, []
            for path in leaving:
                self._say(path, at_once=True)
                if self._gone.pop(path, None):
                    # Once more without it when Home Assistant has done that: it skips what comes meanwhile.
                    self._later(path)

    def _renew(self) -> None:
        """Announce what has changed, although the configuration has not."""
        config, self._config = self._config, None
        assert config is not None  # noqa: S101 - the constructor has set it
        self._update(config)

    def _update(self, config: EdgeConfig) -> None:
        before, self._devices = self._devices, self._of(config)
        if not self._announced:
            return
        # The node first, as in `_of`.
        for path in dict.fromkeys([*self._devices, *before]):
            if before.get(path) != self._devices.get(path):
                self._replace(path, platforms(before[path]) if path in before else {})

    def _of(self, config: EdgeConfig) -> dict[str, dict[str, Any]]:
        """The discovery payload of the node and of every camera, by topic; none where discovery is off."""
        before, self._config = self._config, config
        if not config.homeassistant.enabled:
            return {}
        # Somebody who draws a zone changes one camera. To describe one with 20 zones takes 1 ms.
        alike = before is not None and replace(before, cameras={}) == replace(config, cameras={})
        known = before.cameras if alike and before is not None else {}
        # The node first: its cameras name it as the device by which they are connected.
        devices = {self._node_path(): node_device(config, self._modes, thermometer=self._thermometer)}
        for name, camera in config.cameras.items():
            path = topics.DISCOVERY.path(self._prefix, node=self._node, camera=name)
            if known.get(name) == camera:
                devices[path] = self._devices[path]
            else:
                devices[path] = device(config, name, camera, self._rules)
        return devices

    def _welcome(self) -> None:
        """Home Assistant has started: announce every device, and what is to be removed from them."""
        for path in dict.fromkeys([*self._devices, *self._gone]):
            if gone := self._gone.get(path):
                self._publish(path, with_gone(self._device(path), gone, self._nothing))
                self._later(path)
            else:
                self._say(path)

    def _replace(self, path: str, before: Platforms) -> None:
        """Announce a device, and remove the components that it had before and no longer has.

        Args:
            path: The device's topic.
            before: The platform of each component that it had.
        """
        now = self._devices.get(path, {"components": {}})["components"]
        gone = {key: one for key, one in (self._gone.get(path, {}) | before).items() if key not in now}
        if gone and (path in self._gone or len(self._gone) < MOST_GONE):
            self._gone[path] = gone
        else:
            self._gone.pop(path, None)
        if gone and self._clock() < self._said_s.get(path, -math.inf) + self._quiet_s:
            # At once, before topics are cleared: an empty message is an error of each template that reads it.
            self._say(path, at_once=True)
        self._say(path)

    def _say(self, path: str, *, at_once: bool = False) -> None:
        """Publish a device and what is removed from it; clear its topic where there is neither."""
        if not at_once and self._clock() < self._said_s.get(path, -math.inf) + self._quiet_s:
            self._waiting += [path] * (path not in self._waiting)
            return
        gone = self._gone.get(path)
        if gone or path in self._devices:
            self._publish(path, with_farewell(self._device(path), gone or {}))
        else:
            self._said_s.pop(path, None)
            self._client.set_state(topics.DISCOVERY, path, b"")

    def _device(self, path: str) -> dict[str, Any]:
        return self._devices.get(path) or shell(path, self._prefix)

    def _publish(self, path: str, payload: dict[str, Any]) -> None:
        self._said_s[path] = self._clock()
        payload = fitting(payload, path, self._client.room(path))
        self._client.set_state(topics.DISCOVERY, path, orjson.dumps(payload))
        if path == self._node_path() and self._offered != list(self._modes):
            self._offered, self._mode_due = list(self._modes), self._clock() + self._quiet_s

    def _later(self, path: str) -> None:
        if path not in self._leaving:
            self._leaving.append(path)
        self._due = self._clock() + MEETS_S

    def _node_path(self) -> str:
        return topics.NODE_DISCOVERY.path(self._prefix, node=self._node)
