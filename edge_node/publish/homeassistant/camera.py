"""One camera as a device of Home Assistant, made of topics that are published anyway."""

from __future__ import annotations

import itertools
import typing
from collections.abc import Mapping
from typing import Any

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.settings import EdgeConfig
from edge_node.mqtt_source import is_mqtt
from edge_node.publish.homeassistant.alerts import add_alerts, rules_of
from edge_node.publish.homeassistant.components import (
    ALWAYS,
    DIAGNOSTIC,
    MEASURED,
    QUIET,
    SETTING,
    Components,
    Keys,
    attributes,
    called,
    current,
    described,
    icon,
    literal,
    metric,
    now,
    on_if,
    short,
    state,
)
from edge_node.publish.homeassistant.places import add_line, add_line_events, add_zone, add_zone_events
from shared.wire import topics
from shared.wire.messages import CameraState, RuleDefinition
from shared.wire.topics import Topic

# A paused camera is well: its entities keep their values, and the switch says that it is paused.
_CAMERA_THERE = "{{ 'online' if value_json.status in ['streaming', 'paused'] else 'offline' }}"
_PROBLEMS = (
    "{{ {'problems': value_json.problems | map(attribute='problem') | list, "
    "'counting': not value_json.paused} | tojson }}"
)
_SINCE = "{{ {'since': (value_json.since_us / 1000000) | timestamp_utc} | tojson }}"


def device(
    config: EdgeConfig, name: str, camera: CameraSettings, rules: Mapping[str, RuleDefinition]
) -> dict[str, Any]:
    """The discovery payload of one camera.

    Args:
        config: The node's configuration.
        name: The camera's identifier.
        camera: Its settings, with its current zones and lines.
        rules: All rules of the node.
    """
    return _Camera(config, name, camera).payload(rules_of(name, rules))


class _Camera:
    def __init__(self, config: EdgeConfig, name: str, camera: CameraSettings) -> None:
        self._config, self._name, self._camera = config, name, camera
        node_status = topics.STATUS.path(config.mqtt.prefix, node=config.node)
        self._node_there: Keys = {"topic": node_status, "value_template": "{{ value_json.status }}"}
        there = {"topic": self._path(topics.CAMERA_STATUS), "value_template": _CAMERA_THERE}
        # No name has a dot, so two pairs never make one identifier.
        self._components = Components(f"darner.{config.node}.{name}", [self._node_there, there])
        self._events = self._path(topics.EVENTS)

    def payload(self, rules: list[str]) -> dict[str, Any]:
        """The discovery payload. What matters most comes first, because a message holds only so much.

        Args:
            rules: The identifiers of the rules about this camera.
        """
        self._add_objects()
        self._add_pictures()
        self._add_status()
        self._add_settings()
        add_alerts(self._components, rules, self._path(topics.ALERT))
        for zone, definition in self._camera.zones.items():
            topic = self._path(topics.ZONE, zone=zone)
            add_zone(self._components, zone, called(definition.name, zone), definition, topic)
        for line, drawn in self._camera.lines.items():
            add_line(self._components, line, called(drawn.name, line), self._path(topics.ZONE, zone=line))
        self._add_metrics()
        for line, drawn in self._camera.lines.items():
            add_line_events(self._components, line, called(drawn.name, line), self._events)
        for zone, definition in self._camera.zones.items():
            add_zone_events(self._components, zone, called(definition.name, zone), definition, self._events)
        return described(self._components, self._about())

    def _about(self) -> Keys:
        config = self._config
        about: Keys = {
            # A name for people says enough; an identifier may be no more than "front".
            "name": self._camera.name or f"{config.node_name or config.node} {self._name}",
            "model": "Camera",
            "via_device": f"darner.{config.node}",
        }
        if self._camera.area is not None:
            about["suggested_area"] = self._camera.area
        if config.homeassistant.viewer_url is not None:
            viewer = config.homeassistant.viewer_url.rstrip("/")
            about["configuration_url"] = f"{viewer}/#/camera/{config.node}/{self._name}"
        return about

    def _path(self, topic: Topic, **more: str) -> str:
        return topic.path(self._config.mqtt.prefix, node=self._config.node, camera=self._name, **more)

    def _add_objects(self) -> None:
        topic, entity = self._path(topics.COUNT), self._components.entity
        by_class = attributes(topic, "{{ value_json.classes | tojson }}")
        total = now(self._components, topic, "{{ value_json.total }}")
        entity("objects", "sensor", "Objects", total, MEASURED, by_class, icon("counter"))
        occupied = now(self._components, topic, on_if("value_json.total > 0"))
        entity("occupied", "binary_sensor", "Occupied", occupied, {"device_class": "occupancy"})
        # The classes that its owner has named: a model may know a thousand others.
        named = [zone.classes for zone in self._camera.zones.values()]
        named += [line.classes for line in self._camera.lines.values()]
        for label in dict.fromkeys(itertools.chain.from_iterable(named)):
            name = f"{called(None, label)} count"
            template = f"{{{{ value_json.classes.get({literal(label)}, 0) }}}}"
            one = now(self._components, topic, template)
            entity(f"class-{label}", "sensor", name, one, MEASURED, icon("counter"))

    def _add_pictures(self) -> None:
        entity = self._components.entity
        if self._camera.thumbnail.fps:
            entity("picture", "camera", "Picture", {"topic": self._path(topics.THUMBNAIL), "qos": 0})
        if self._camera.snapshot.enabled:
            every_track = f"{self._path(topics.SNAPSHOT, track='x').removesuffix('x')}+"
            newest = {"image_topic": every_track, "content_type": "image/jpeg", "qos": 1}
            entity("last_event", "image", "Last event", newest, ALWAYS)

    def _add_status(self) -> None:
        topic, entity = self._path(topics.CAMERA_STATUS), self._components.entity
        states = {"device_class": "enum", "options": list(typing.get_args(CameraState))}
        said: Keys = {**current(topic, [self._node_there]), **DIAGNOSTIC}
        status = {**state(topic, "{{ value_json.status }}"), **attributes(topic, _SINCE)}
        entity("status", "sensor", "Status", status, states, said, icon("cctv"))
        entity("reason", "sensor", "Reason", state(topic, short("reason")), said, icon("information-outline"))
        if is_mqtt(self._camera.source) or not self._camera.health.enabled:  # nobody looks at a picture
            return
        topic = self._path(topics.HEALTH)
        wrong = {**state(topic, on_if("value_json.problems")), **attributes(topic, _PROBLEMS)}
        there: Keys = {"availability": [self._node_there], "device_class": "problem"}
        entity("problem", "binary_sensor", "Problem", wrong, there, DIAGNOSTIC)

    def _add_settings(self) -> None:
        topic = self._path(topics.SETTINGS)
        prefix, node = self._config.mqtt.prefix, self._config.node
        command: Keys = {
            "command_topic": topics.REQUEST.path(prefix, node=node, command="set"),
            **SETTING,
            "availability": [self._node_there],
        }

        def request(key: str, value: str) -> str:
            return f'{{"camera": "{self._name}", "{key}": {value}}}'

        def number(key: str, name: str, template: str, *more: Keys) -> None:
            live = {**state(topic, f"{{{{ value_json.{key} }}}}"), "command_template": request(key, template)}
            self._components.entity(key, "number", name, live, command, *more)

        pause = {
            **state(topic, on_if("value_json.paused")),
            "state_on": "ON",
            "state_off": "OFF",
            "payload_on": request("paused", "true"),
            "payload_off": request("paused", "false"),
        }
        self._components.entity("paused", "switch", "Pause", pause, command, icon("pause"))
        number("confidence", "Confidence", "{{ value }}", {"min": 0, "max": 1, "step": 0.01}, icon("tune"))
        if is_mqtt(self._camera.source):  # neither a network of ours looks at it, nor is there a picture
            return
        every = {"min": 1, "max": 100, "step": 1, "mode": "box", "unit_of_measurement": "frames"}
        number("detect_every", "Detect every", "{{ value | int }}", every, icon("skip-next"))
        rate = {"min": 0, "max": 60, "step": 0.5, "mode": "box", "unit_of_measurement": "fps"}
        number("thumbnail_fps", "Picture rate", "{{ value }}", rate, QUIET, icon("image-multiple"))

    def _add_metrics(self) -> None:
        topic = topics.METRICS.path(self._config.mqtt.prefix, node=self._config.node)
        entity = self._components.entity

        def of_camera(field: str) -> Keys:
            return {**metric(topic, f"{{{{ value_json.cameras['{self._name}'].{field} }}}}"), **QUIET}

        rate = {"unit_of_measurement": "fps", **MEASURED}
        entity("fps_in", "sensor", "Frames captured", of_camera("fps_in"), rate, icon("speedometer"))
        entity("fps_out", "sensor", "Frames analysed", of_camera("fps_out"), rate, icon("speedometer"))
        dropped = {"state_class": "total_increasing", "unit_of_measurement": "frames"}
        entity("dropped", "sensor", "Frames dropped", of_camera("dropped"), dropped, icon("debug-step-over"))
