"""The components of a device: entities and triggers, their sources, and when they are available.

Source of the keys: https://www.home-assistant.io/integrations/mqtt/ (device discovery) and the pages of the
platforms. Entities that differ in one way only share a group of keys here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import orjson

from edge_node import __version__

log = logging.getLogger("darner.homeassistant")

ORIGIN = "Darner"
EXPIRES_S = 180
"""Numbers come once a minute even if nothing changes; after this long without them they are not known."""
METRICS_EXPIRE_S = 60
"""Metrics come every 5 s, and each of these messages may be lost."""

Keys = dict[str, Any]

QUIET: Keys = {"enabled_by_default": False}
"""For what changes all the time: every change is a row in Home Assistant's database."""
DIAGNOSTIC: Keys = {"entity_category": "diagnostic"}
SETTING: Keys = {"entity_category": "config"}
MEASURED: Keys = {"state_class": "measurement"}
SECONDS: Keys = {"device_class": "duration", "unit_of_measurement": "s", **MEASURED}
ALWAYS: Keys = {"availability": []}
"""For what stays true while node and camera are away."""


class Components:
    """The entities and triggers of one device.

    Args:
        identifier: The device's; the unique ids of its entities begin with it.
        availability: What must all be true for its entities to be available, unless they say otherwise.
    """

    def __init__(self, identifier: str, availability: list[Keys]) -> None:
        self.identifier, self.availability = identifier, availability
        self.by_key: dict[str, Keys] = {}

    def entity(self, key: str, platform: str, name: str, *more: Mapping[str, Any]) -> None:
        """Add an entity.

        Args:
            key: Its unique id within the device. It stays the same for ever: it holds the entity's history.
            platform: Home Assistant's kind of entity.
            name: For people; Home Assistant shows it behind the device's name.
            more: Further keys; later ones replace earlier ones.
        """
        entity: Keys = {"platform": platform, "name": name, "unique_id": f"{self.identifier}.{key}"}
        for keys in more:
            entity |= keys
        self.by_key[key] = entity

    def trigger(self, key: str, subject: str, what: str, topic: str, match: tuple[str, str]) -> None:
        """Add a device trigger, which the automation editor offers.

        Args:
            key: Its key within the device.
            subject: What it is about.
            what: What happens; automations find the trigger by these two, so they never change.
            topic: The topic of the events.
            match: A template, and what it must give.
        """
        template, payload = match
        self.by_key[key] = {
            "platform": "device_automation",
            "automation_type": "trigger",
            "subtype": subject,
            "type": what,
            "topic": topic,
            "value_template": template,
            "payload": payload,
            "qos": 1,
        }


def icon(name: str) -> Keys:
    """The key that shows an entity with one of the Material Design Icons, https://pictogrammers.com/library/mdi."""
    return {"icon": f"mdi:{name}"}


def called(name: str | None, identifier: str) -> str:
    """What people read: a name, or the identifier as the names of other entities begin."""
    return name or f"{identifier[:1].upper()}{identifier[1:]}"


def state(topic: str, template: str) -> Keys:
    """The keys of an entity whose state comes from a topic at QoS 1."""
    return {"state_topic": topic, "value_template": template, "qos": 1}


SPOKEN = "{{ 'online' }}"
"""The template by which any message makes an entity available."""


def now(components: Components, topic: str, template: str, known: str = SPOKEN) -> Keys:
    """The keys of an entity that shows a current value, which expires; see `current`."""
    return {**state(topic, template), **current(topic, components.availability, known)}


def current(topic: str, availability: list[Keys], known: str = SPOKEN) -> Keys:
    """The keys of a value that expires, and is unavailable until its first message after a start.

    When Home Assistant starts, it restores such a value from its own storage, although that may be outdated.

    Args:
        topic: Where the value comes from.
        availability: What else must be true for the entity to be available.
        known: The template that says of a message whether the value is known.
    """
    has_spoken = {"topic": topic, "value_template": known}
    return {"expire_after": EXPIRES_S, "availability": [*availability, has_spoken]}


def metric(topic: str, template: str) -> Keys:
    """The keys of a diagnostic entity whose state comes from the metrics."""
    return {
        "state_topic": topic,
        "value_template": template,
        "qos": 0,
        "expire_after": METRICS_EXPIRE_S,
        **DIAGNOSTIC,
    }


def attributes(topic: str, template: str) -> Keys:
    """The keys that give an entity attributes."""
    return {"json_attributes_topic": topic, "json_attributes_template": template}


def on_if(condition: str) -> str:
    """The template of a binary sensor or a switch."""
    return f"{{{{ 'ON' if {condition} else 'OFF' }}}}"


def short(field: str) -> str:
    """The template of a text; Home Assistant takes at most 255 characters."""
    return f"{{{{ (value_json.{field} or 'none') | truncate(250, true, '…', 0) }}}}"


def literal(text: str) -> str:
    """Any text as a string of Jinja."""
    return json.dumps(text, ensure_ascii=False)


def described(components: Components, device: Keys) -> Keys:
    """The discovery payload of a device.

    Args:
        components: Its entities.
        device: What it is; its identifier and maker are added.
    """
    return {
        "device": {
            "identifiers": [components.identifier],
            "manufacturer": ORIGIN,
            "sw_version": __version__,
            **device,
        },
        "origin": {"name": ORIGIN, "sw_version": __version__},
        "availability": components.availability,
        "availability_mode": "all",
        "components": components.by_key,
    }


def fitting(payload: Keys, path: str, room: int) -> Keys:
    """A device's payload, without the last of its entities where a message has no room for all.

    Args:
        payload: The discovery payload.
        path: Its topic, for the log.
        room: How many bytes the message may have.
    """
    components: Keys = payload["components"]
    left = room - len(orjson.dumps(payload | {"components": {}}))
    fits: Keys = {}
    for key, component in components.items():
        left -= len(orjson.dumps({key: component}))
        if left < 0:
            log.warning(
                "%s: Home Assistant learns of %d of its %d entities and triggers, because a message holds "
                "%d bytes: use fewer zones and lines",
                path,
                len(fits),
                len(components),
                room,
            )
            break
        fits[key] = component
    return payload | {"components": fits}
