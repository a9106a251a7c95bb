"""What has arrived and waits for the subscriber: a lane for each node, so that none fills that of another.

Nodes take turns. When messages come faster than they are read, the lane that holds the most loses its oldest:
first those that may be lost (QoS 0), which newer ones will replace.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

from shared.channel import Closed
from shared.mqtt.received import Received
from viewer_server.quotas import Quotas

MAX_WAITING, MAX_WAITING_BYTES = 2000, 32_000_000
"""Messages, and their bytes, that may wait, of all nodes together."""
OVERHEAD = 500
"""Bytes of memory of a message beside its payload."""
PASSED_OVER = 16
"""How many messages at QoS 1 are passed over in search of one that may be lost."""


class _Lane:
    """Messages of one node, oldest first."""

    def __init__(self) -> None:
        self.waiting: deque[Received] = deque()
        self.bytes = 0

    def drop(self) -> int:
        """Drop the oldest message that may be lost, or the oldest; its bytes."""
        nearest = range(min(PASSED_OVER, len(self.waiting)))
        at = next((i for i in nearest if self.waiting[i].qos == 0), 0)
        size = _size(self.waiting[at])
        del self.waiting[at]
        self.bytes -= size
        return size


class Inbox:
    """Messages that wait; `put` is for the network's thread, `get` for the subscriber's.

    Args:
        prefix: The topics' prefix.
        quotas: Told whose messages were dropped.
    """

    def __init__(self, prefix: str, quotas: Quotas) -> None:
        self._skip = len(prefix) + 1
        self._quotas = quotas
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()
        self._long = 0  # lanes with two messages or more
        self._count = self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, received: Received) -> None:
        """Add a message without waiting; nothing happens when the inbox is closed."""
        node = received.topic[self._skip :].partition("/")[0]
        dropped: list[str] = []
        with self._changed:
            if self._closed:
                return
            lane = self._lanes.get(node)
            if lane is None:
                lane = self._lanes[node] = _Lane()
            lane.waiting.append(received)
            self._long += len(lane.waiting) == 2
            lane.bytes += _size(received)
            self._count += 1
            self._bytes += _size(received)
            while self._count > MAX_WAITING or self._bytes > MAX_WAITING_BYTES:
                dropped.append(self._drop(node))
            self._changed.notify()
        for name in dropped:
            self._quotas.hit(name, "messages", MAX_WAITING)

    def get(self, timeout: float | None = None) -> Received:
        """Take the oldest message of the node whose turn it is.

        Args:
            timeout: Seconds; None waits until a message comes or the inbox is closed.

        Raises:
            Closed: The inbox is closed and empty.
            TimeoutError: Nothing came in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or bool(self._lanes), timeout):
                raise TimeoutError
            if not self._lanes:
                raise Closed
            node, lane = next(iter(self._lanes.items()))
            received = lane.waiting.popleft()
            self._long -= len(lane.waiting) == 1
            lane.bytes -= _size(received)
            self._count -= 1
            self._bytes -= _size(received)
            if lane.waiting:
                self._lanes.move_to_end(node)
            else:
                del self._lanes[node]
            return received

    def close(self) -> None:
        """Take nothing more in; what waits can still be taken out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _drop(self, newest: str) -> str:
        """Drop a message; whose it was."""
        if self._bytes > MAX_WAITING_BYTES:
            node = max(self._lanes, key=lambda name: self._lanes[name].bytes)
        elif self._long:
            node = max(self._lanes, key=lambda name: len(self._lanes[name].waiting))
        else:  # all have one: who comes last has the least claim, and there is nothing to search for
            node = newest
        lane = self._lanes[node]
        self._long -= len(lane.waiting) == 2
        self._bytes -= lane.drop()
        self._count -= 1
        if not lane.waiting:
            del self._lanes[node]
        return node


def _size(received: Received) -> int:
    return len(received.payload) + OVERHEAD
