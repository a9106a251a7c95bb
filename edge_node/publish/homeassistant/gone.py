"""How Home Assistant loses entities and devices that the node no longer has.

Home Assistant removes an entity when a message has its platform and nothing else, but only if the entity was
announced in full since Home Assistant started. What went while it was down would stay there for ever. So the
platforms stay in the retained message until Home Assistant starts again. Then the node announces these
entities once more in full, and a moment later with their platforms alone.

A device's topic is cleared only behind such a message: Home Assistant 2024.11.3 removes no camera whose topic
is cleared.
"""

from __future__ import annotations

from typing import Any

import orjson

from edge_node.publish.homeassistant.components import ORIGIN
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


def shell(path: str, prefix: str) -> dict[str, Any]:
    """A device that the node no longer has, without its components.

    Args:
        path: The topic on which it was announced.
        prefix: That of Home Assistant's topics.
    """
    names = path.removeprefix(f"{prefix}/device/").removesuffix("/config").split("/")
    return {
        "device": {"identifiers": [".".join(["darner", *names])]},
        "origin": {"name": ORIGIN},
        "components": {},
    }


def with_farewell(device: dict[str, Any], gone: Platforms) -> dict[str, Any]:
    """A device's payload that also removes components."""
    last = {key: {"platform": platform} for key, platform in gone.items()}
    return device | {"components": device["components"] | last}


def with_gone(device: dict[str, Any], gone: Platforms, nothing: str) -> dict[str, Any]:
    """A device's payload that announces components that it no longer has, so that they can be removed.

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
        # A sensor with options must have more, so this one is only where it is required.
        | ({"options": ["gone"]} if platform == "select" else {})
        for key, platform in gone.items()
        if platform != "device_automation"
    }
    return device | {"components": device["components"] | met}
