"""Home Assistant's MQTT discovery: which devices there are, announced and withdrawn."""

from __future__ import annotations

import threading
from typing import Any

import orjson

from edge_node.config.settings import EdgeConfig
from edge_node.publish.homeassistant.camera import ORIGIN, device
from shared import limits
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.topics import check_prefix


class HomeAssistant:
    """Announces a node's cameras to Home Assistant, and withdraws those of earlier runs that are gone.

    Args:
        client: The connection.
        config: The node's configuration. Discovery is off unless `homeassistant.enabled` is set.

    Raises:
        ConfigError: `homeassistant.prefix` cannot begin a topic.
    """

    def __init__(self, client: Client, config: EdgeConfig) -> None:
        self._client = client
        self._prefix = check_prefix(config.homeassistant.prefix)
        self._node = config.node
        self._lock = threading.Lock()  # guards the devices and the order of their messages
        self._devices = self._of(config)
        self._birth = f"{self._prefix}/status"

    def announce(self) -> None:
        """Publish every device, and subscribe to Home Assistant's status and to devices of earlier runs."""
        self._client.subscribe(self._path("x")[: -len("x/config")] + "+/config", 1)
        self._client.subscribe(self._birth, 0)
        with self._lock:
            self._publish()

    def update(self, config: EdgeConfig) -> None:
        """Announce devices that have changed, and withdraw those that are gone.

        Args:
            config: The node's configuration, with its current zones and lines. A changed discovery prefix
                is ignored.
        """
        with self._lock:
            before, self._devices = self._devices, self._of(config)
            for path in before.keys() | self._devices.keys():
                if before.get(path) == self._devices.get(path):
                    continue
                if path in before:
                    self._replace(path, _platforms(before[path]))
                else:
                    self._client.set_state(topics.DISCOVERY, path, orjson.dumps(self._devices[path]))

    def handle(self, received: Received) -> None:
        """Handle one message; messages that do not concern discovery are ignored."""
        if received.topic == self._birth:
            if received.payload == b"online" and not received.retain:
                with self._lock:
                    self._publish()
        elif received.retain and received.payload and received.topic.startswith(f"{self._prefix}/device/"):
            before = _components(received.payload)
            with self._lock:
                if before is not None:
                    self._replace(received.topic, before)

    def _of(self, config: EdgeConfig) -> dict[str, dict[str, Any]]:
        """The discovery payload of every camera, by topic; none where discovery is off."""
        cameras = config.cameras if config.homeassistant.enabled else {}
        return {self._path(name): device(config, name, cameras[name]) for name in cameras}

    def _publish(self) -> None:
        for path, payload in self._devices.items():
            self._client.set_state(topics.DISCOVERY, path, orjson.dumps(payload))

    def _replace(self, path: str, before: dict[str, str]) -> None:
        """Announce a device, and remove the components that it had before and no longer has.

        Args:
            path: The device's topic.
            before: The platform of each component that it had.
        """
        now = self._devices.get(path)
        if now is None:
            self._client.set_state(topics.DISCOVERY, path, b"")
            return
        gone = {key: platform for key, platform in before.items() if key not in now["components"]}
        if gone:
            # Home Assistant removes a component that is announced with its platform alone.
            last = {key: {"platform": platform} for key, platform in gone.items()}
            farewell = now | {"components": now["components"] | last}
            self._client.set_state(topics.DISCOVERY, path, orjson.dumps(farewell))
        self._client.set_state(topics.DISCOVERY, path, orjson.dumps(now))

    def _path(self, camera: str) -> str:
        return topics.DISCOVERY.path(self._prefix, node=self._node, camera=camera)


def _components(payload: bytes) -> dict[str, str] | None:
    """The platform of each component, if Darner announced the device; None if somebody else did."""
    try:
        message = orjson.loads(payload) if len(payload) <= limits.PAYLOAD_BYTES else None
    except orjson.JSONDecodeError:
        return None
    if not isinstance(message, dict) or not isinstance(message.get("origin"), dict):
        return None
    if message["origin"].get("name") != ORIGIN or not isinstance(message.get("components"), dict):
        return None
    return _platforms(message)


def _platforms(message: dict[str, Any]) -> dict[str, str]:
    """The platform of each component."""
    return {
        key: component["platform"]
        for key, component in message["components"].items()
        if isinstance(component, dict) and isinstance(component.get("platform"), str)
    }
