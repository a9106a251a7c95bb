"""Commands over MQTT: a request under ``/request/{command}``, always an answer.

The answer goes to the request's MQTT 5 response topic with its correlation data, else to
``/response/{command}``; the transaction in the body comes back either way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from edge_node.outbox import Outbox
from shared import messages, topics
from shared.errors import DarnerError, MessageError
from shared.messages import Request, now_us
from shared.mqtt import Client, Received

log = logging.getLogger("darner.commands")

Handler = Callable[[Request], dict[str, Any]]
"""Does what is asked; the result, or DarnerError with what the asker has to mend."""


class Commands:
    """Answers the requests to one node.

    Args:
        client: The connection.
        prefix: Of the topics.
        node: Who we are.
        session: This run.
        handlers: By command.
    """

    def __init__(
        self, client: Client, prefix: str, node: str, session: str, handlers: Mapping[str, Handler]
    ) -> None:
        self._client = client
        self._prefix, self._node, self._session = prefix, node, session
        self._handlers = handlers

    def subscribe(self) -> None:
        """Ask the broker for the node's requests."""
        # Known identifiers only: the one wildcard is the command.
        own = topics.REQUEST.path(self._prefix, node=self._node, command="x")
        self._client.subscribe(own[: -len("x")] + "+", 1)

    def run(self, outbox: Outbox | None = None) -> None:
        """Answer until the connection is closed, and give acknowledgements to the outbox.

        Runs in a thread of its own.
        """
        for received in self._client.received:
            found = topics.match(self._prefix, received.topic)
            if found and found[0] is topics.ACK and outbox:
                try:
                    outbox.acknowledged(received)
                except MessageError as error:
                    log.warning("%s: skipped: %s", received.topic, error)
            elif found and found[0] is topics.REQUEST and not received.retain:
                self.answer(received, found[1]["command"])  # a retained one is from before our time

    def answer(self, received: Received, command: str) -> None:
        """Do what one request asks and publish the answer."""
        transaction, error, result = None, None, {}
        try:
            request = messages.decode(Request, received.payload or b"{}")
            transaction = request.transaction
            handler = self._handlers.get(command)
            if handler is None:
                raise MessageError(f"no command {command!r}; there are: {', '.join(self._handlers)}")
            result = handler(request)
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

    def _reply_topic(self, received: Received, command: str) -> str:
        wanted = received.response_topic
        if wanted and len(wanted) <= 1024 and not set(wanted) & set("+#\0") and not wanted.startswith("$"):
            return wanted
        return topics.RESPONSE.path(self._prefix, node=self._node, command=command)
