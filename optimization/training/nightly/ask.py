"""Asks a node over MQTT to take the model's new file, and waits for what it says."""

from __future__ import annotations

import secrets
import string
import time
from pathlib import Path
from typing import Any

from edge_node.assets.download import sha256
from shared.errors import BrokerError, MessageError
from shared.mqtt.address import MqttSettings
from shared.mqtt.command_line import connected
from shared.wire import messages, topics
from shared.wire.messages import Request, Response

WITHIN_S = 30.0
"""How long the node may take to answer; it waits 8 s for the file itself."""


def reload(settings: MqttSettings, node: str, within_s: float = WITHIN_S) -> dict[str, Any]:
    """Ask a node to read configuration and model again.

    Args:
        settings: How to reach the broker.
        node: The node's name.
        within_s: How long to wait for the answer.

    Returns:
        What the answer says of the model: `state`, `sha256`, and `why` a file was refused.

    Raises:
        BrokerError: There is no broker, no answer, or the node refuses the command.
    """
    mark = "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))
    answers = topics.RESPONSE.path(settings.prefix, node=node, command=f"adapt.{mark}")
    asked = topics.REQUEST.path(settings.prefix, node=node, command="reload")
    general = topics.RESPONSE.path(settings.prefix, node=node, command="reload")
    until = time.monotonic() + within_s
    with connected(settings, f"darner-adapt-{mark}", answers, general) as client:
        payload = messages.encode(Request(transaction=mark))
        client.publish(topics.REQUEST, asked, payload, response_topic=answers, correlation=mark.encode())
        while (left := until - time.monotonic()) > 0:
            try:
                received = client.received.get(left)
                answer = messages.decode(Response, received.payload)
            except TimeoutError:
                break
            except MessageError:
                continue
            if answer.transaction != mark:
                continue
            if answer.error is not None:
                raise BrokerError(f"node {node}: {answer.error}")
            model = answer.result.get("model")
            return model if isinstance(model, dict) else {"state": "unknown"}
    raise BrokerError(f"node {node}: gave no answer to reload within {within_s:.0f} s; is it running?")


def words(node: str, model: dict[str, Any], out: Path) -> str:
    """What a node said, in a sentence.

    Args:
        node: The node's name.
        model: What the answer says of the model.
        out: The file that it was to load.
    """
    state, other = model.get("state"), model.get("sha256") != sha256(out)
    if state in ("loaded", "unchanged") and other:
        return f"node {node} runs another model: set model.name to {out}, and restart it"
    said = {
        "loaded": "runs the new file",
        "unchanged": "runs this file already",
        "loading": "is loading the new file",
        "refused": f"did not take the new file: {model.get('why')}",
    }
    return f"node {node} {said.get(str(state), 'is of an older version: restart it')}"
