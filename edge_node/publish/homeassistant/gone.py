"""Entities and devices that a node had once: how Home Assistant loses them.

It removes an entity that is announced with its platform alone, but only one that it has met since it started.
What went while Home Assistant was down would stay there for ever. So the platforms stay in the retained
message until Home Assistant starts again. Then they are announced once more in full, and let go when it has
met them.
"""

from __future__ import annotations

from typing import Any

import orjson

from edge_node.publish.homeassistant.parts import ORIGIN
from shared import limits

Platforms = dict[str, str]
"""The platform of each component, by its key."""


def platforms_of(payload: bytes) -> Platforms | None:
    """The components of a device, if Darner announced it; None if somebody else did."""
    try:
        message = orjson.loads(payload) if len(payload) <= limits.PAYLOAD_BYTES else None
    except orjson.JSONDecodeError:
        return None
    if not isinstance(message, dict) or not isinstance(message.get("origin"), dict):
        return None
    if message["origin"].get("name") != ORIGIN or not isinstance(message.get("components"), dict):
        return None
    return platforms(message)


def platforms(message: dict[str, Any]) -> Platforms:
    """The platform of each component of a discovery message."""
    return {
        key: component["platform"]
        for key, component in message["components"].items()
        if isinstance(component, dict) and isinstance(component.get("platform"), str)
    }


def shell(identifier: str) -> dict[str, Any]:
    """A device that is no more, without its components."""
    return {
        "device": {"identifiers": [identifier]},
        "origin": {"name": ORIGIN},
        "components": {},
    }


def with_farewell(device: dict[str, Any], gone: Platforms) -> dict[str, Any]:
    """A device's payload that also lets components go."""
    last = {key: {"platform": platform} for key, platform in gone.items()}
    return device | {"components": device["components"] | last}


def with_gone(device: dict[str, Any], gone: Platforms, nothing: str) -> dict[str, Any]:
    """A device's payload with components that it has no more, for Home Assistant to meet them.

    Args:
        device: The payload.
        gone: The components. Triggers are left out, because Home Assistant forgets them by itself.
        nothing: A topic on which nothing ever comes.
    """
    [identifier] = device["device"]["identifiers"]
    topics = dict.fromkeys(("state_topic", "command_topic", "topic", "image_topic"), nothing)
    met = {
        # Each platform takes the keys that it knows, and ignores the others.
        key: {"platform": platform, "unique_id": f"{identifier}.{key}", "event_types": ["gone"], **topics}
        for key, platform in gone.items()
        if platform != "device_automation"
    }
    return device | {"components": device["components"] | met}
