"""One camera as a device of Home Assistant, made of topics that are published anyway.

Source of the keys: https://www.home-assistant.io/integrations/mqtt/ (device discovery) and the pages of the
platforms sensor, binary_sensor and camera.
"""

from __future__ import annotations

from typing import Any

from edge_node import __version__
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.settings import EdgeConfig
from shared.wire import topics
from shared.wire.topics import Topic

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
