"""Asks edge nodes over MQTT and waits for their answers.

With MQTT 5 a request carries correlation data and a response topic of the asker's own, so that nobody else
is sent the answer. The topic is below the node's responses, where a broker's access control lets the node
write. With MQTT 3.1.1, or a bridge on the way that speaks it, all of this is lost. So every request also has
a transaction in its body, the asker hears the answers to everybody's commands, too, and takes the first that
has its own transaction.
"""

from __future__ import annotations

import base64
import secrets
import string
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from shared import limits, typed
from shared.errors import DarnerError, MessageError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import topics
from shared.wire.messages import Request, Response, decode

MAX_OUTSTANDING = 32
"""Maximum requests that wait for an answer at the same time; each keeps a thread waiting."""
DEADLINE_S = 5.0


class NoAnswer(DarnerError):  # noqa: N818 - an outcome that callers expect
    """The node did not answer in time, or could not be asked."""


class BadAnswer(DarnerError):  # noqa: N818
    """The node's answer breaks the contract."""


class Busy(DarnerError):  # noqa: N818
    """Too many requests wait for an answer already."""


@dataclass(eq=False)
class _Outstanding:
    """A request that waits for its answer."""

    node: str
    command: str
    done: threading.Event
    response: Response | None = None
    broken: str | None = None


class _Named(msgspec.Struct):
    """The field of an answer that names its request."""

    transaction: str = ""


class NodeRequests:
    """Requests to edge nodes over one connection; any thread may call `ask`.

    Args:
        client: The connection; its owner passes responses to `handle`.
        settings: The broker.
        deadline_s: How long a request waits for its answer by default, seconds.
        asker: What asks, in errors; lower-case letters.
        mailbox: Last level of the topic of answers, where a broker's access control has to name it; by
            default one that nobody else knows.
    """

    def __init__(
        self,
        client: Client,
        settings: MqttSettings,
        deadline_s: float = DEADLINE_S,
        asker: str = "viewer",
        mailbox: str | None = None,
    ) -> None:
        self._client = client
        self._prefix = settings.prefix
        self._v5 = settings.version == "5"
        self._deadline_s = deadline_s
        # Only letters, as in a command's name, so that the table of topics matches this as a response topic.
        self._asker = asker
        unknown = "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))
        self._mailbox = mailbox or f"{asker}.{unknown}"
        self._lock = threading.Lock()
        self._outstanding: dict[str, _Outstanding] = {}
        self._heard: set[str] = set()
        self._closed = False

    @property
    def outstanding(self) -> int:
        """Number of requests that wait for an answer."""
        return len(self._outstanding)

    def response_topic(self, node: str) -> str:
        """Where a node is to send its answers to this asker, with MQTT 5."""
        return topics.RESPONSE.path(self._prefix, node=node, command=self._mailbox)

    def subscribe(self) -> None:
        """Subscribe to this asker's own answers."""
        if self._v5:
            self._hear(self._mailbox)

    def ask(
        self,
        node: str,
        command: str,
        body: Mapping[str, Any],
        image: bytes | None = None,
        deadline_s: float | None = None,
    ) -> Response:
        """Send a request to a node and wait for its answer.

        Args:
            node: The node's name.
            command: Such as ``detect`` or ``zones.set``.
            body: Fields of `shared.wire.messages.Request`.
            image: JPEG or PNG that the request carries.
            deadline_s: How long to wait, seconds; by default the constructor's `deadline_s`.

        Returns:
            The node's answer; without an `error`, the node did what was asked.

        Raises:
            MessageError: The request breaks the contract or is too large; the node was not asked.
            ConfigError: Node or command cannot be part of a topic.
            NoAnswer: No broker, no answer in time, or the asker is stopping.
            Busy: Too many requests wait for an answer.
            BadAnswer: The answer breaks the contract.
        """
        path = topics.REQUEST.path(self._prefix, node=node, command=command)
        number = secrets.token_hex(8)
        payload = self._payload(body, image, number)
        waiting = _Outstanding(node, command, threading.Event())
        with self._lock:
            if self._closed:
                raise NoAnswer(f"the {self._asker} is stopping")
            if len(self._outstanding) >= MAX_OUTSTANDING:
                raise Busy(f"{MAX_OUTSTANDING} requests to nodes wait for an answer already; try again")
            self._outstanding[number] = waiting
        try:
            self._hear(command)
            self._send(path, node, payload, number)
            begin = time.monotonic()
            waiting.done.wait(self._deadline_s if deadline_s is None else deadline_s)
        finally:
            with self._lock:
                self._outstanding.pop(number, None)
        if waiting.broken is not None:
            raise BadAnswer(
                f"node {node!r} gave an answer to {command!r} that breaks the contract: {waiting.broken}"
            )
        if waiting.response is None:
            waited_s = time.monotonic() - begin
            why = f"the {self._asker} is stopping" if self._closed else f"no answer after {waited_s:.1f} s"
            raise NoAnswer(f"node {node!r} was asked for {command!r}: {why}")
        return waiting.response

    def handle(self, received: Received) -> None:
        """Handle a message from a response topic; a response that nobody waits for is skipped.

        Raises:
            MessageError: It is no response, or the response of another node.
        """
        if received.retain:
            return  # a retained message was sent before anybody here asked
        found = topics.match(self._prefix, received.topic)
        if found is None or not self._outstanding:
            return
        number = (received.correlation or b"").decode("ascii", "replace")
        with self._lock:
            waiting = self._outstanding.get(number)
        try:
            response = decode(Response, received.payload)
        except MessageError as error:
            waiting = waiting or self._asked_by(received.payload)
            if waiting is not None and found[1]["node"] == waiting.node:
                waiting.broken = str(error)[:200]
                waiting.done.set()
            raise
        if waiting is None:
            with self._lock:
                waiting = self._outstanding.get(response.transaction or "")
        if waiting is None:
            return
        if not found[1]["node"] == response.node == waiting.node or response.command != waiting.command:
            raise MessageError(f"{response.node} answered {response.command}, but {waiting.node} was asked")
        waiting.response = response
        waiting.done.set()

    def _asked_by(self, payload: bytes) -> _Outstanding | None:
        """The request that a broken answer without correlation data is for."""
        try:
            named = typed.decode(payload[: limits.PAYLOAD_BYTES], _Named).transaction
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        with self._lock:
            return self._outstanding.get(named)

    def close(self) -> None:
        """Refuse new requests, and end all waiting for answers."""
        with self._lock:
            self._closed = True
            for waiting in self._outstanding.values():
                waiting.done.set()

    def _hear(self, command: str) -> None:
        """Subscribe to answers to a command, or in a mailbox, of every node."""
        with self._lock:
            if command in self._heard:
                return
            self._heard.add(command)
        everything = topics.RESPONSE.filter(self._prefix)
        self._client.subscribe(everything[: -len("+")] + command, 1)

    def _payload(self, body: Mapping[str, Any], image: bytes | None, number: str) -> bytes:
        fields = {**body, "transaction": number}
        if image is not None:
            fields["image_base64"] = base64.b64encode(image).decode()
        try:
            typed.convert(fields, Request)
        except msgspec.ValidationError as error:
            raise MessageError(str(error)) from None
        payload = orjson.dumps(fields)
        if len(payload) > limits.PAYLOAD_BYTES:
            raise MessageError(
                f"a request of {len(payload)} bytes; nodes read {limits.PAYLOAD_BYTES} at most"
            )
        return payload

    def _send(self, path: str, node: str, payload: bytes, number: str) -> None:
        about: dict[str, Any] = {}
        if self._v5:
            about["correlation"] = number.encode()
            about["response_topic"] = self.response_topic(node)
        if not self._client.publish(topics.REQUEST, path, payload, **about):
            raise NoAnswer("the broker cannot be reached, or refuses a message of this size")
