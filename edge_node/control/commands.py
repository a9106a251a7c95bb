"""Commands over MQTT: a request under ``/request/{command}``, always an answer.

The answer goes to the request's MQTT 5 response topic with its correlation data, else to
``/response/{command}``; the transaction in the body comes back either way. What cannot be a command's name is
answered on ``/response/unknown``.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.errors import ConflictError, DarnerError, MessageError
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import messages, topics
from shared.wire.messages import MAX_LABEL, MAX_PAYLOAD, ErrorCode, Request, now_us

log = logging.getLogger("darner.commands")

Handler = Callable[[Request, bytes | None], dict[str, Any]]
"""Carries out a request, with the picture that came with it if there was one, and returns the result.

A handler says no with RefusedError. MessageError answers `invalid`, ConflictError `conflict`, every other
DarnerError `failed`.
"""

UNKNOWN = "unknown"
"""Answers to what is under ``/request`` and cannot be a command go under this name."""
PICTURES = (b"\xff\xd8", b"\x89PNG")
"""What JPEG and PNG begin with."""


class RefusedError(DarnerError):
    """A command that the node does not carry out.

    Args:
        code: The kind of error, for programs.
        reason: What was wrong and how to mend it, for people.
    """

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code: ErrorCode = code


class Commands:
    """Answers the requests to one node.

    Args:
        client: The connection.
        prefix: Of the topics.
        node: Who we are.
        session: This run.
        handlers: By command.
        others: Get every message that is not a request.
    """

    def __init__(
        self,
        client: Client,
        prefix: str,
        node: str,
        session: str,
        handlers: Mapping[str, Handler],
        others: Sequence[Callable[[Received], None]] = (),
    ) -> None:
        self._client = client
        self._prefix, self._node, self._session = prefix, node, session
        self._handlers = handlers
        self._others = others
        self._requests = topics.REQUEST.path(prefix, node=node, command="x")[: -len("/x")]

    def subscribe(self) -> None:
        """Ask the broker for the node's requests."""
        # Known identifiers only; "#" also brings what cannot be a command, which is answered as well.
        self._client.subscribe(f"{self._requests}/#", 1)

    def run(self) -> None:
        """Answer until the connection is closed; runs in a thread of its own."""
        for received in self._client.received:
            command = self._command(received.topic)
            if command is None:
                self._pass_on(received)
            elif not received.retain:  # a retained request is from before our time
                try:
                    self.answer(received, command)
                except Exception:  # a fault of ours must not end the answering of all others
                    log.exception("the request on %r was not answered", received.topic)

    def answer(self, received: Received, command: str) -> None:
        """Do what one request asks and publish the answer.

        Args:
            received: The request.
            command: Its name, or what stands in its place in the topic.
        """
        transaction, refused, result = None, None, {}
        try:
            request, image = _read(received.payload)
            transaction = request.transaction
            handler = self._handlers.get(command)
            if handler is None:
                known = ", ".join(self._handlers)
                raise RefusedError("unknown", f"no command {command[:MAX_LABEL]!r}; there are: {known}")
            result = handler(request, image)
        except DarnerError as error:
            refused = _refusal(error)
        except Exception:
            log.exception("command %s failed", command)
            refused = RefusedError("failed", "internal error; the node's log has it")
        if self._say(received, command, transaction, refused, result) or refused is not None:
            return
        too_long = f"the answer is too long: {MAX_PAYLOAD} bytes or what the broker takes (max_packet_size)"
        self._say(received, command, transaction, RefusedError("failed", too_long), {})

    def _say(
        self,
        received: Received,
        command: str,
        transaction: str | None,
        refused: RefusedError | None,
        result: dict[str, Any],
    ) -> bool:
        """Publish an answer; False when it could not be."""
        response = messages.Response(
            node=self._node,
            session=self._session,
            published_us=now_us(),
            command=command if topics.may_be_command(command) else UNKNOWN,
            transaction=transaction,
            error=str(refused)[:512] if refused else None,
            code=refused.code if refused else None,
            result=result,
        )
        payload = messages.encode(response)
        if len(payload) > MAX_PAYLOAD:
            return False
        path = self._reply_topic(received, response.command)
        return self._client.publish(topics.RESPONSE, path, payload, correlation=received.correlation)

    def _command(self, path: str) -> str | None:
        """What stands in the place of a command; None when it is no request at all."""
        if path == self._requests or path.startswith(f"{self._requests}/"):
            return path[len(self._requests) + 1 :]
        return None

    def _pass_on(self, received: Received) -> None:
        for other in self._others:
            try:
                other(received)
            except Exception:
                log.exception("a message on %r was skipped", received.topic)

    def _reply_topic(self, received: Received, command: str) -> str:
        wanted = received.response_topic
        if wanted and len(wanted) <= 1024 and not set(wanted) & set("+#\0") and not wanted.startswith("$"):
            return wanted
        return topics.RESPONSE.path(self._prefix, node=self._node, command=command)


def _refusal(error: DarnerError) -> RefusedError:
    """An error that a handler raised, with its code."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, ConflictError):
        return RefusedError("conflict", str(error))
    return RefusedError("invalid" if isinstance(error, MessageError) else "failed", str(error))


def _read(payload: bytes) -> tuple[Request, bytes | None]:
    """A request and its picture: a picture alone, JSON with or without one, or nothing at all."""
    if payload.startswith(PICTURES):
        return Request(), payload
    request = messages.decode(Request, payload or b"{}")
    if request.image_base64 is None:
        return request, None
    try:
        return request, base64.b64decode(request.image_base64, validate=True)
    except ValueError as error:
        raise MessageError(f"image_base64: {error}") from None
