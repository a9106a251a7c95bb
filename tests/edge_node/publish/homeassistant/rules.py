"""What Home Assistant takes and how it reads it, for the tests of the payloads.

`make test-homeassistant` asks a real one; this says the same in milliseconds.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

import orjson
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from edge_node.config.settings import EdgeConfig
from shared.settings import convert
from tests.conftest import REPO

# What Home Assistant takes (homeassistant/components/mqtt: schemas.py, and a file for each platform); a key
# that is not here makes it refuse or ignore the entity.
SHARED = {"availability", "availability_mode", "state_topic", "command_topic", "encoding"}
TOP = SHARED | {"device", "origin", "components"}
DEVICE = {"identifiers", "manufacturer", "model", "name", "sw_version"}
DEVICE |= {"suggested_area", "via_device", "configuration_url"}
ENTITY = {
    "platform",
    "name",
    "unique_id",
    "icon",
    "entity_category",
    "enabled_by_default",
    "availability",
    "qos",
}
ATTRIBUTES = {"json_attributes_topic", "json_attributes_template"}
READING = {"value_template", "device_class", "unit_of_measurement"}
PLATFORMS: dict[str, tuple[set[str], set[str]]] = {  # required, and allowed besides
    "sensor": (
        {"state_topic"},
        {"state_class", "options", "expire_after", "last_reset_value_template", "suggested_display_precision"}
        | READING
        | ATTRIBUTES,
    ),
    "binary_sensor": ({"state_topic"}, {"value_template", "device_class", "expire_after"} | ATTRIBUTES),
    "camera": ({"topic"}, {"image_encoding"}),
    "image": ({"image_topic"}, {"content_type"}),
    "event": ({"state_topic", "event_types"}, {"value_template"}),
    "number": (
        {"command_topic"},
        {"state_topic", "command_template", "min", "max", "step", "mode"} | READING,
    ),
    "switch": (
        {"command_topic"},
        {"state_topic", "value_template", "payload_on", "payload_off", "state_on", "state_off"},
    ),
    "select": (
        {"command_topic", "options"},
        {"state_topic", "value_template", "command_template"} | ATTRIBUTES,
    ),
    "button": ({"command_topic"}, {"payload_press"}),
}
TRIGGER = {"platform", "automation_type", "type", "subtype", "topic", "payload", "value_template", "qos"}
DEVICE_CLASSES = {"occupancy", "duration", "enum", "connectivity", "temperature", "data_size", "problem"}
STATE_CLASSES = {"measurement", "total", "total_increasing"}
EVERY_RULE = {
    "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]],
    "queue": True,
    "loitering_s": 5,
    "crowd": {"count": 3},
    "presence": {"on_after_s": 2},
    "classes": ["person"],
}


def config(camera: dict[str, Any] | None = None, **changes: Any) -> EdgeConfig:
    polygon = [[0, 0], [1, 0], [1, 1], [0, 1]]
    street = {
        "source": "0",
        "zones": {"all": {"polygon": polygon}, "a-count": {"polygon": polygon}},
        "lines": {"gate": {"points": [[0.5, 1], [0.5, 0]]}},
    }
    given = {
        "node": "box",
        "cameras": {"street": street | (camera or {})},
        "homeassistant": {"enabled": True},
    }
    return convert(EdgeConfig, given | changes, where="test")


def check(payload: dict[str, Any]) -> None:
    """The published rules."""
    assert set(payload) <= TOP
    assert payload["origin"]["name"]
    assert set(payload["origin"]) <= {"name", "sw_version", "support_url"}
    assert payload["device"]["identifiers"]
    assert set(payload["device"]) <= DEVICE
    assert payload["availability_mode"] == "all"
    check_availability(payload["availability"])
    entities = [one for one in payload["components"].values() if one["platform"] != "device_automation"]
    for component in payload["components"].values():
        if component["platform"] == "device_automation":
            assert set(component) == TRIGGER
            continue
        required, optional = PLATFORMS[component["platform"]]
        assert required | {"unique_id", "platform", "qos"} <= set(component) <= required | optional | ENTITY
        assert component.get("state_class", "measurement") in STATE_CLASSES
        assert component.get("device_class", "occupancy") in DEVICE_CLASSES
        assert ("last_reset_value_template" in component) == (component.get("state_class") == "total")
        check_availability(component.get("availability", []))
    ids = [component["unique_id"] for component in entities]
    assert len(set(ids)) == len(ids)


def present(payload: dict[str, Any]) -> dict[str, Any]:
    """A device's payload without farewells: a platform alone, which waits until Home Assistant starts."""
    entities = {key: one for key, one in payload["components"].items() if set(one) != {"platform"}}
    return payload | {"components": entities}


def check_availability(availability: list[dict[str, Any]]) -> None:
    for item in availability:
        assert set(item) <= {"topic", "payload_available", "payload_not_available", "value_template"}
        assert item["topic"]


def rendered(template: str, payload: bytes = b"{}", value: object = None) -> str:
    """As Home Assistant does: sandboxed Jinja with value and value_json, and some filters of its own."""
    given = payload.decode() if value is None else value
    return ENVIRONMENT.from_string(template).render(value=given, value_json=orjson.loads(payload)).strip()


def _utc(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()


ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
ENVIRONMENT.filters["timestamp_utc"] = _utc


def example(name: str, **changes: Any) -> bytes:
    """The payload of a message that a real node has sent, from the documentation."""
    captured = json.loads((REPO / f"docs/examples/{name}.json").read_text())
    return json.dumps(captured["payload"] | changes).encode()
