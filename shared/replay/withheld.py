"""What a recording leaves out: the passwords in requests, such as that of a camera in ``cameras.set``."""

from __future__ import annotations

import dataclasses
from typing import Any

import orjson

from shared.mqtt.received import Received
from shared.pictures import is_picture
from shared.secrets.known import HIDDEN
from shared.secrets.redact import names_a_secret, redact_address


def without_passwords(received: Received, prefix: str) -> Received:
    """A message as it may be kept; only requests change.

    The JSON of a request is written anew, because a key that stands twice could hide a password. A request
    that is neither JSON nor a picture loses its payload: nobody can tell where a password would be in it.

    Args:
        received: The message.
        prefix: First levels of our topics.
    """
    levels = received.topic.removeprefix(f"{prefix}/").split("/")
    if levels[1:2] != ["request"] or not received.payload or is_picture(received.payload):
        return received
    try:
        payload = orjson.dumps(_shown(orjson.loads(received.payload)))
    except (ValueError, RecursionError):
        payload = b""
    return dataclasses.replace(received, payload=payload)


def _shown(value: Any, key: str = "") -> Any:
    # A camera may be called "secret-door", so what is below such a name is looked at.
    if value is not None and (key == "password" or (names_a_secret(key) and not isinstance(value, dict))):
        return HIDDEN
    if isinstance(value, dict):
        return {name: _shown(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_shown(item, key) for item in value]
    return redact_address(value) if isinstance(value, str) and key == "source" else value
