"""Home Assistant's MQTT discovery: one device for each camera, made of topics that are published anyway.

Source of the keys: https://www.home-assistant.io/integrations/mqtt/ (device discovery) and the pages of the
platforms sensor, binary_sensor and camera.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

import orjson

from edge_node import __version__
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.settings import EdgeConfig
from shared import limits
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.topics import Topic, check_prefix

log = logging.getLogger("darner.homeassistant")

ORIGIN = "Darner"
_NODE_THERE = "{{ value_json.status }}"
_CAMERA_THERE = "{{ 'online' if value_json.status == 'streaming' else 'offline' }}"


def device(config: EdgeConfig, name: str, camera: CameraSettings) -> dict[str, Any]:
    """The discovery payload of one camera."""
    where = {"node": config.node, "camera": name}
    identifier = f"darner.{config.node}.{name}"  # no name has a dot, so two pairs never make one identifier

    def path(topic: Topic, **more: str) -> str:
        return topic.path(config.mqtt.prefix, **where, **more)

    node_status = topics.STATUS.path(config.mqtt.prefix, node=config.node)
    components = {"objects": _sensor("Objects", path(topics.DETECTIONS), "{{ value_json.objects | count }}")}
    if camera.thumbnail.fps:
        components["picture"] = {"platform": "camera", "name": "Picture", "topic": path(topics.THUMBNAIL)}
    for zone in camera.zones:
        state = path(topics.ZONE, zone=zone)
        components[f"zone-{zone}-count"] = _sensor(f"{zone} count", state, "{{ value_json.occupancy }}")
        components[f"zone-{zone}-occupied"] = {
            "platform": "binary_sensor",
            "name": f"{zone} occupied",
            "device_class": "occupancy",
            "state_topic": state,
            "value_template": "{{ 'ON' if value_json.occupancy > 0 else 'OFF' }}",
        }
    for line in camera.lines:
        state = path(topics.ZONE, zone=line)
        for key, word in (("entered", "in"), ("exited", "out")):
            template = f"{{{{ value_json.{key} }}}}"
            components[f"line-{line}-{word}"] = _sensor(f"{line} {word}", state, template, "total_increasing")
    for key, component in components.items():
        component["unique_id"] = f"{identifier}.{key}"
    return {
        "device": {
            "identifiers": [identifier],
            "name": f"{config.node} {name}",
            "manufacturer": ORIGIN,
            "model": "Camera",
            "sw_version": __version__,
        },
        "origin": {"name": ORIGIN, "sw_version": __version__},
        "availability": [
            {"topic": node_status, "value_template": _NODE_THERE},
            {"topic": path(topics.CAMERA_STATUS), "value_template": _CAMERA_THERE},
        ],
        "availability_mode": "all",
        "components": components,
    }


def _sensor(name: str, state_topic: str, template: str, state_class: str = "measurement") -> dict[str, Any]:
    return {
        "platform": "sensor",
        "name": name,
        "state_topic": state_topic,
        "value_template": template,
        "state_class": state_class,
    }


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
