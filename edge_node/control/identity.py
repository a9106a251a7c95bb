"""One name, one node: keeps two edge nodes from overwriting each other's state.

A node that starts pings its own name. If another session answers, the new node exits. If nobody answers, it
starts, even if a crashed node has left a retained "online". If two nodes start at the same moment, both pass.
Each then sees the other's "online", and the later session yields. It yields only to a session that answers a
ping, so a replayed status stops nobody.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any

from edge_node.control.commands import Handler
from shared.errors import BrokerError, MessageError
from shared.log import Once
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.link.route import first_connection_s
from shared.mqtt.received import Received
from shared.wire import messages, topics
from shared.wire.messages import NodeStatus, Request, Response

log = logging.getLogger("darner.identity")

ANSWER_WITHIN_S = 2.0
"""How long the holder of the name may take to answer; then it counts as crashed."""
CONNECT_WITHIN_S = 2.0
"""How long the name check waits for the broker, besides an attempt at another one of a cluster; then the node
starts without the check."""
MEND_EVERY_S = 1.0
"""The least time between two repairs of state that somebody keeps overwriting."""
ASK_AGAIN_S = 10.0
"""The least time between two pings to a session that publishes under this node's name."""
_ASKING = "name check of session "
"""The ping's transaction begins with this."""


def check_name(settings: MqttSettings, node: str, session: str) -> None:
    """Make sure that no other node has the name. The check passes if the broker cannot be reached.

    Raises:
        BrokerError: Another node answers, or the broker refuses this one for good.
    """
    found = holder(settings, node, session, f"{_ASKING}{session}")
    if found is not None:
        raise _taken(node, found)


def holder(settings: MqttSettings, node: str, session: str, transaction: str) -> Response | None:
    """What the running node of this name answers; None if none runs, or the broker cannot be reached.

    Args:
        settings: The broker.
        node: The name.
        session: The session that asks, which does not count.
        transaction: Says to the node who asks.

    Raises:
        BrokerError: The broker refuses the connection for good.
    """
    refused: list[BrokerError] = []
    # A connection of its own, without a will: its end must not change the other node's status.
    with Client(settings, name=f"darner-{node}-start", on_refused=refused.append) as client:
        for path in _watched(settings.prefix, node):
            client.subscribe(path, 1)
        client.subscribe(topics.REQUEST.path(settings.prefix, node=node, command="ping"), 1)
        deadline = time.monotonic() + first_connection_s(settings, CONNECT_WITHIN_S, most=1)
        while not client.wait_subscribed(0.05) and not refused and time.monotonic() < deadline:
            continue
        if refused:
            raise refused[0]
        if not client.connected:
            return None
        _ask(client, settings.prefix, node, transaction)
        return _answer(client, settings.prefix, session)


def _answer(client: Client, prefix: str, session: str) -> Response | None:
    """The answer of the name's holder; None when nobody holds the name, or the holder has crashed."""
    held = False
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while time.monotonic() < deadline:
        try:
            received = client.received.get(max(0.0, deadline - time.monotonic()))
            row, message = _read(prefix, received)
        except TimeoutError:
            return None
        except MessageError:
            continue  # not a message of a node
        if isinstance(message, Response) and message.session != session and not received.retain:
            return message
        if isinstance(message, NodeStatus):
            held = message.status == "online" and message.session != session
        # Our ping came back. A retained status comes on subscribing, so it would have come before.
        elif row is topics.REQUEST and not held:
            return None
    return None


class NameGuard:
    """Watches what others publish under the name of a running node.

    Args:
        client: The node's connection.
        prefix: The prefix of the node's topics.
        node: The node's name.
        session: The node's session.
        on_taken: Called once, when this node has to end because an earlier session has its name.

    Attributes:
        yielded: Whether this node has left its name and state to another node.
    """

    def __init__(
        self, client: Client, prefix: str, node: str, session: str, on_taken: Callable[[BrokerError], None]
    ) -> None:
        self._client = client
        self._prefix, self._node, self._session = prefix, node, session
        self._on_taken = on_taken
        self._once = Once()
        self._asked: dict[str, float] = {}
        self._damaged = self._garbled = False
        self._mended_at = 0.0
        self.yielded = False

    @property
    def overwritten(self) -> bool:
        """Whether somebody has overwritten state of this node that `mend` has not published again yet."""
        return self._damaged or self._garbled

    def subscribe(self) -> None:
        """Subscribe to the node's own status, and to answers to pings."""
        for path in _watched(self._prefix, self._node):
            self._client.subscribe(path, 1)

    def handle(self, received: Received) -> None:
        """Handle one message; messages on other topics are ignored."""
        if received.retain:
            return  # from before this run, whose own "online" is on its way
        if received.topic == topics.STATUS.path(self._prefix, node=self._node):
            try:
                self._on_status(_read(self._prefix, received)[1])
            except MessageError:
                self._garbled = True
        elif received.topic == topics.RESPONSE.path(self._prefix, node=self._node, command="ping"):
            try:
                self._on_answer(_read(self._prefix, received)[1])
            except MessageError as error:
                log.debug("%s: %s", received.topic, error)

    def mend(self) -> None:
        """Publish the node's state again if somebody overwrote it; call this several times a second."""
        due = time.monotonic() - self._mended_at >= MEND_EVERY_S
        if self.overwritten and due and not self.yielded:
            # Another node overwrites all state. Garbage was written to the status alone.
            status = topics.STATUS.path(self._prefix, node=self._node)
            path = None if self._damaged else status
            self._damaged, self._garbled, self._mended_at = False, False, time.monotonic()
            self._client.refresh(path)

    def watched(self, ping: Handler) -> Handler:
        """A handler for `ping` that also logs when the name check of another node asks."""

        def answer(request: Request, image: bytes | None) -> dict[str, Any]:
            asking = request.transaction or ""
            if asking.startswith(_ASKING) and asking != f"{_ASKING}{self._session}" and self._once(asking):
                log.error(
                    "another edge node wants to start as %r (%s); it is refused. "
                    "Give one of them another name (node: in its configuration)",
                    self._node,
                    asking[len(_ASKING) :][:64],
                )
            return ping(request, image)

        return answer

    def _on_status(self, message: object) -> None:
        if not isinstance(message, NodeStatus):
            return
        if message.session == self._session:
            # The will of an earlier connection of ours: another member of a cluster may publish it long after
            # we have gone on here. Nothing but the status is wrong.
            self._garbled |= message.status == "offline"
            return
        self._damaged = True
        if message.status == "offline":
            return  # the will of this node's crashed predecessor, or of a node that yielded
        if self._once(message.session):
            log.error(
                "somebody else publishes under the name of this node, %r (session %s)",
                self._node,
                message.session,
            )
        now = time.monotonic()
        if message.session < self._session and now - self._asked.get(message.session, -1e9) > ASK_AGAIN_S:
            if len(self._asked) >= 100:
                self._asked.clear()
            self._asked[message.session] = now
            _ask(self._client, self._prefix, self._node, f"{_ASKING}{self._session}")

    def _on_answer(self, message: object) -> None:
        if isinstance(message, Response) and message.session in self._asked and not self.yielded:
            self.yielded = True
            self._on_taken(_taken(self._node, message))


def _watched(prefix: str, node: str) -> tuple[str, str]:
    return topics.STATUS.path(prefix, node=node), topics.RESPONSE.path(prefix, node=node, command="ping")


def _ask(client: Client, prefix: str, node: str, transaction: str) -> None:
    path = topics.REQUEST.path(prefix, node=node, command="ping")
    client.publish(topics.REQUEST, path, messages.encode(Request(transaction=transaction)))


def _read(prefix: str, received: Received) -> tuple[topics.Topic, object]:
    """The message, and the row of the topic table that it belongs to.

    Raises:
        MessageError: The topic is not in the table, or the payload breaks the contract.
    """
    found = topics.match(prefix, received.topic)
    if found is None or not dataclasses.is_dataclass(found[0].payload):
        raise MessageError(f"{received.topic!r} is not the topic of a JSON message")
    return found[0], messages.decode(found[0].payload, received.payload)


def _taken(node: str, holder: Response) -> BrokerError:
    cameras = holder.result.get("cameras")
    watching = f", watching {', '.join(map(str, cameras))[:100]}" if isinstance(cameras, list) else ""
    return BrokerError(
        f"another edge node named {node!r} runs on this broker (session {holder.session}{watching}); "
        "give this one another name: node: in its configuration or --set node=NAME"
    )
