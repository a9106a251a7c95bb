"""The inbox: hands every message that the node receives to the part that handles it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.service.watchdog import Look, taking
from shared.wire import topics

log = logging.getLogger("darner.inbox")

Route = Callable[[Received], None]
"""Takes one message. All routes share the inbox's thread, so a route must not wait for anything."""


class Inbox:
    """One thread between the connection and the parts that listen to it.

    Args:
        client: The connection. Each part subscribes to its own topics.
        prefix: The prefix of the node's topics.
        node: The node's name.
        routes: The route of each row of the topic table. Messages of rows without one are ignored.
        elsewhere: Takes messages whose topic is not in the table, such as Home Assistant's.
    """

    def __init__(
        self,
        client: Client,
        prefix: str,
        node: str,
        routes: Mapping[topics.Topic, Route],
        elsewhere: Route | None = None,
    ) -> None:
        self._client, self._prefix = client, prefix
        self._requests = topics.REQUEST.path(prefix, node=node, command="x").removesuffix("x")
        self._routes, self._elsewhere = routes, elsewhere

    def start(self) -> None:
        """Start the thread; it ends when the connection is closed."""
        threading.Thread(target=self._run, name="inbox", daemon=True).start()

    def look(self) -> Look | None:
        """What a watchdog sees of the thread."""
        return taking(self._client.received)()

    def _run(self) -> None:
        for received in self._client.received:
            row = self._row(received.topic)
            route = self._routes.get(row) if row else self._elsewhere
            if route is None:
                continue
            try:
                route(received)
            except Exception:  # a fault in one part must not make the node deaf
                log.exception("a message on %r was skipped", received.topic)

    def _row(self, topic: str) -> topics.Topic | None:
        found = topics.match(self._prefix, topic)
        if found is not None:
            return found[0]
        # A topic below /request that cannot be a command is not in the table, yet its sender gets an answer.
        return topics.REQUEST if f"{topic}/".startswith(self._requests) else None
