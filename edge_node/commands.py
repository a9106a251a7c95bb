"""Commands over MQTT: a request under ``/request/{command}``, always an answer.

The answer goes to the request's MQTT 5 response topic with its correlation data, else to
``/response/{command}``; the transaction in the body comes back either way.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared import messages, topics
from shared.errors import DarnerError, MessageError
from shared.messages import Request, now_us
from shared.mqtt import Client, Received

log = logging.getLogger("darner.commands")

Handler = Callable[[Request, bytes | None], dict[str, Any]]
"""Does what is asked, with the picture that came along; the result, or DarnerError with what to mend."""

_PICTURES = (b"\xff\xd8", b"\x89PNG")


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

    def subscribe(self) -> None:
        """Ask the broker for the node's requests."""
        # Known identifiers only: the one wildcard is the command.
        own = topics.REQUEST.path(self._prefix, node=self._node, command="x")
        self._client.subscribe(own[: -len("x")] + "+", 1)

    def run(self) -> None:
        """Answer until the connection is closed; runs in a thread of its own."""
        for received in self._client.received:
            found = topics.match(self._prefix, received.topic)
            if found is None or found[0] is not topics.REQUEST:
                self._pass_on(received)
            elif not received.retain:  # a retained request is from before our time
                self.answer(received, found[1]["command"])

    def answer(self, received: Received, command: str) -> None:
        """Do what one request asks and publish the answer."""
        transaction, error, result = None, None, {}
        try:
            request, image = _read(received.payload)
            transaction = request.transaction
            handler = self._handlers.get(command)
            if handler is None:
                raise MessageError(f"no command {command!r}; there are: {', '.join(self._handlers)}")
            result = handler(request, image)
        except DarnerError as refused:
            error = str(refused)[:512]
        except Exception:
            log.exception("command %s failed", command)
            error = "internal error; the node's log has it"
        response = messages.Response(
            node=self._node,
            session=self._session,
            published_us=now_us(),
            command=command,
            transaction=transaction,
            error=error,
            result=result,
        )
        self._client.publish(
            topics.RESPONSE,
            self._reply_topic(received, command),
            messages.encode(response),
            correlation=received.correlation,
        )

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


def _read(payload: bytes) -> tuple[Request, bytes | None]:
    """A request and its picture: a picture alone, JSON with or without one, or nothing at all."""
    if payload.startswith(_PICTURES):
        return Request(), payload
    request = messages.decode(Request, payload or b"{}")
    if request.image_base64 is None:
        return request, None
    try:
        return request, base64.b64decode(request.image_base64, validate=True)
    except ValueError as error:
        raise MessageError(f"image_base64: {error}") from None
