"""What an earlier run of this node left on the broker: cameras, zones and lines that it no longer has."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from edge_node.config.saved.definitions import DefinitionStore
from shared.mqtt.client import Client
from shared.mqtt.received import Received
from shared.wire import messages, topics
from shared.wire.messages import Request

log = logging.getLogger("darner.leftovers")

LISTENS_S = 10.0
"""How long the broker may take to hand out what it retains, from the first message on, seconds."""
SETTLED_S = 2.0
"""How long the node waits for its own request to come back, behind what the broker retains, seconds."""
AT_ONCE_S = 0.5
"""For how much of that time the start waits, seconds; a broker needs milliseconds."""
MOST = 5_000
"""The most topics that one run clears; a node has far fewer."""

_OF_CALENDARS = (topics.CALENDAR, topics.MODE)
_CLEARED = (*topics.OF_CAMERAS, *_OF_CALENDARS)


class Leftovers:
    """Clears retained state of cameras, zones and lines that were removed or renamed while the node was down.

    A calendar goes, too, if the node has none any more because it keeps no files.

    It listens once, at the start. What this run has published itself stays, whatever comes in between. The
    node says "online" when all of it is cleared: `settled`. Otherwise a camera of a killed run that is no
    more would seem to be live for a moment.

    Args:
        client: The connection.
        prefix: The prefix of the node's topics.
        node: The node's identifier.
        session: The node's session.
        definitions: The cameras, and the zones and lines of each.
        clock: Monotonic seconds.
        has_calendar: Says whether this run has a calendar.
    """

    def __init__(
        self,
        client: Client,
        prefix: str,
        node: str,
        session: str,
        definitions: DefinitionStore,
        clock: Callable[[], float] = time.monotonic,
        has_calendar: Callable[[], bool] = lambda: True,
    ) -> None:
        self._client, self._prefix, self._node = client, prefix, node
        self._has_calendar = has_calendar
        self._definitions, self._clock = definitions, clock
        self._until: float | None = None
        self._cleared = 0
        self._listening = False
        self._mark = f"leftovers of session {session}".encode()
        self._asked_at: float | None = None
        self._came_back = threading.Event()

    def subscribe(self) -> None:
        """Ask the broker for what it retains of this node, and wait a moment for a message from behind it."""
        self._listening = True
        for topic_filter in self._filters():
            self._client.subscribe(topic_filter, 1)
        self._ask()
        if self._asked_at is not None:
            self._came_back.wait(AT_ONCE_S)

    def settled(self) -> bool:
        """Whether the broker has handed out what it retains, as far as can be known; call this repeatedly."""
        if self._came_back.is_set():
            return True
        if not self._client.subscribed:
            self._asked_at = None
            return False
        if self._asked_at is None:
            self._ask()
        return self._asked_at is not None and self._clock() - self._asked_at >= SETTLED_S

    def before(self, accept: Callable[[Received], None]) -> Callable[[Received], None]:
        """A handler of requests that keeps the node's own to itself and hands on all others."""

        def handle(received: Received) -> None:
            if not self._came_back.is_set() and self._mark in received.payload:
                self._came_back.set()
            else:
                accept(received)

        return handle

    def handle(self, received: Received) -> None:
        """Clear what a message of an earlier run left, unless this run has it, too."""
        now = self._clock()
        self._until = self._until or now + LISTENS_S
        if self._listening and now > self._until:
            # Otherwise the broker would send the node everything that it says itself.
            self._listening = False
            for topic_filter in self._filters():
                self._client.unsubscribe(topic_filter)
        found = topics.match(self._prefix, received.topic)
        if not received.retain or not received.payload or found is None:
            return
        row, ids = found
        if row not in _CLEARED or ids["node"] != self._node or self._has(row, ids):
            return
        if self._cleared < MOST and self._client.clear_foreign(row, received.topic):
            self._cleared += 1
            log.info("cleared %s, which an earlier run has left on the broker", received.topic)

    def _has(self, row: topics.Topic, ids: dict[str, str]) -> bool:
        """Whether this run has what a topic is about: a calendar, or a camera and its zone or line."""
        if row in _OF_CALENDARS:
            return self._has_calendar()
        if ids["camera"] not in self._definitions:
            return False
        current = self._definitions[ids["camera"]]
        return "zone" not in ids or ids["zone"] in current.zones or ids["zone"] in current.lines

    def _ask(self) -> None:
        path = topics.REQUEST.path(self._prefix, node=self._node, command="ping")
        request = messages.encode(Request(transaction=self._mark.decode()))
        if self._client.connected and self._client.publish(topics.REQUEST, path, request):
            self._asked_at = self._clock()

    def _filters(self) -> list[str]:
        whole = (row.filter(self._prefix) for row in _CLEARED)
        return [one.replace("+", self._node, 1) for one in whole]
