"""The node itself as a device of Home Assistant, by which its cameras are connected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_node.config.settings import EdgeConfig
from edge_node.publish.homeassistant.components import (
    ALWAYS,
    DIAGNOSTIC,
    MEASURED,
    QUIET,
    SETTING,
    Components,
    Keys,
    attributes,
    described,
    icon,
    metric,
    on_if,
    short,
    state,
)
from shared.wire import topics
from shared.wire.messages import ModeDefinition

_HOTTEST = (
    "{% set all = value_json.temperatures_c.values() | list "
    "+ value_json.gpus | map(attribute='temperature_c') | reject('none') | list %}"
    "{{ all | max | round | int if all else none }}"
)
_LATENCY = "{{ value_json.stages_ms.get('capture_to_publish', {}).get('p95') }}"
_BACKLOG = "{{ value_json.outbox.backlog if value_json.outbox else none }}"
_LOOK = "{{ value_json.stages.get('look', {}).get('waiting') }}"
_NEXT = (
    "{% set next = value_json.next_change_us %}"
    "{{ {'since': (value_json.since_us / 1000000) | timestamp_utc, 'by_hand': value_json.by_hand, "
    "'next_mode': value_json.next_mode, "
    "'next_change': (next / 1000000) | timestamp_utc if next else none} | tojson }}"
)
_MODEL = "{{ {'layout': value_json.model.layout, 'sha256': value_json.model.sha256} | tojson }}"


def node_device(
    config: EdgeConfig, modes: Mapping[str, ModeDefinition], *, thermometer: bool
) -> dict[str, Any]:
    """The discovery payload of the node.

    Args:
        config: The node's configuration.
        modes: The modes of its calendar.
        thermometer: Whether its machine says how warm it is.
    """
    prefix, node = config.mqtt.prefix, config.node
    status, info, metrics = (
        topic.path(prefix, node=node) for topic in (topics.STATUS, topics.INFO, topics.METRICS)
    )
    there = {"topic": status, "value_template": "{{ value_json.status }}"}
    components = Components(f"darner.{config.node}", [there])
    entity = components.entity
    online = {**state(status, on_if("value_json.status == 'online'")), "device_class": "connectivity"}
    entity("online", "binary_sensor", "Status", online, DIAGNOSTIC, ALWAYS)
    entity(
        "reason",
        "sensor",
        "Reason",
        state(status, short("reason")),
        DIAGNOSTIC,
        ALWAYS,
        icon("information-outline"),
    )
    entity(
        "version",
        "sensor",
        "Version",
        state(status, "{{ value_json.version }}"),
        DIAGNOSTIC,
        icon("tag-outline"),
    )
    more = attributes(info, _MODEL)
    entity("model", "sensor", "Model", state(info, short("model.name")), more, DIAGNOSTIC, icon("brain"))
    device = attributes(info, "{{ {'device': value_json.device} | tojson }}")
    entity(
        "engine",
        "sensor",
        "Engine",
        state(info, short("backend")),
        device,
        DIAGNOSTIC,
        icon("engine-outline"),
    )
    if modes:
        _add_mode(components, config, modes)
    _add_metrics(components, metrics, thermometer=thermometer)
    press: Keys = {
        "command_topic": topics.REQUEST.path(prefix, node=node, command="reload"),
        "payload_press": "{}",
        "qos": 1,
        **icon("reload"),
    }
    entity("reload", "button", "Reload configuration", press, SETTING)
    about: Keys = {"name": config.node_name or node, "model": "Edge node"}
    if config.homeassistant.viewer_url is not None:
        about["configuration_url"] = config.homeassistant.viewer_url
    return described(components, about)


def _add_mode(components: Components, config: EdgeConfig, modes: Mapping[str, ModeDefinition]) -> None:
    """Add the choice of the mode. Automations name its options, so these are identifiers, not names.

    A mode that is no option is an error in Home Assistant's log: it may come before the options do.
    """
    prefix, node = config.mqtt.prefix, config.node
    topic = topics.MODE.path(prefix, node=node)
    known = f"{{{{ value_json.mode if value_json.mode in {list(modes)} }}}}"
    said = {**state(topic, known), **attributes(topic, _NEXT)}
    choose: Keys = {
        "options": list(modes),
        "command_topic": topics.REQUEST.path(prefix, node=node, command="mode.set"),
        "command_template": '{"mode": "{{ value }}"}',
    }
    components.entity("mode", "select", "Mode", said, choose, icon("home-switch"))


def _add_metrics(components: Components, topic: str, *, thermometer: bool) -> None:
    entity = components.entity
    if thermometer:
        warm = {"device_class": "temperature", "unit_of_measurement": "°C", **MEASURED}
        entity("temperature", "sensor", "Temperature", metric(topic, _HOTTEST), warm)
    waiting = {"unit_of_measurement": "events", **MEASURED}
    entity("backlog", "sensor", "Events waiting", metric(topic, _BACKLOG), waiting, icon("tray-full"))
    percent = {"unit_of_measurement": "%", "suggested_display_precision": 0, **MEASURED, **QUIET}
    entity("cpu", "sensor", "CPU", metric(topic, "{{ value_json.cpu_percent }}"), percent, icon("cpu-64-bit"))
    memory = {"device_class": "data_size", "unit_of_measurement": "MB", **MEASURED, **QUIET}
    entity("memory", "sensor", "Memory", metric(topic, "{{ value_json.memory_mb }}"), memory)
    latency = {"device_class": "duration", "unit_of_measurement": "ms", **MEASURED, **QUIET}
    entity("latency", "sensor", "Latency", metric(topic, _LATENCY), latency)
    frames = {"unit_of_measurement": "frames", **MEASURED, **QUIET}
    entity("frames_waiting", "sensor", "Frames waiting", metric(topic, _LOOK), frames, icon("tray-full"))
