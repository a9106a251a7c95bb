"""What has arrived and waits for the subscriber: a lane for each node, so that none fills that of another.

Nodes take turns. When messages come faster than they are read, those give way that may be lost (QoS 0), which
newer ones replace: the oldest of the node that has the most of them. Where only messages at QoS 1 are left,
the network's thread waits for room, and the broker keeps what comes. So the retained state of ten thousand
nodes, which comes all at once, is taken in whole.

A node that floods at QoS 1 must not hold up the others for ever. When there was no room for seconds on end,
and one node takes a large share of it, that node loses its oldest. Events among them are not acknowledged, so
it sends them again.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from shared.channel import Closed
from shared.mqtt.received import Received
from viewer_server.quotas import Quotas

MAX_WAITING, MAX_WAITING_BYTES = 2000, 32_000_000
"""Messages, and their bytes, that may wait, of all nodes together."""
OVERHEAD = 500
"""Bytes of memory of a message beside its payload."""
ROOM = 0.9
"""Down to this share, who waits for room goes on: to wake up for each message would cost more."""
CALM = 0.5
"""Down to this share, there was room, and patience begins anew."""
PATIENCE_S = 5.0
"""How long there must have been no room until a flood loses its oldest, seconds."""
FLOOD = 0.25
"""The share of the room from which the node that has the most of it is a flood."""
LOOK_S = 0.5
"""How often a flood is looked for, and how often somebody is told that the network's thread still waits."""


class _Lane:
    """Messages of one node, each with its place among all of them: those that may be lost, and the others."""

    __slots__ = ("bytes", "heavy", "light", "light_bytes")

    def __init__(self) -> None:
        self.heavy: deque[tuple[int, Received]] = deque()
        self.light: deque[tuple[int, Received]] = deque()
        self.bytes = self.light_bytes = 0

    def __len__(self) -> int:
        return len(self.heavy) + len(self.light)

    def oldest_is_light(self) -> bool:
        """Whether the oldest message is one that may be lost."""
        return not self.heavy or bool(self.light and self.light[0][0] < self.heavy[0][0])


class Inbox:
    """Messages that wait; `put` is for the network's thread, `get` for the subscriber's.

    Args:
        prefix: The topics' prefix.
        quotas: Told whose messages were dropped.
        still_here: Called now and then while `put` waits, so that the broker does not take us for dead.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        prefix: str,
        quotas: Quotas,
        still_here: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._skip = len(prefix) + 1
        self._quotas, self._still_here, self._clock = quotas, still_here, clock
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()
        self._with_light: OrderedDict[str, _Lane] = OrderedDict()
        self._with_more: dict[str, _Lane] = {}  # lanes with two or more that may be lost
        self._number = self._count = self._bytes = 0
        self._full_since_s: float | None = None
        self._looked_s = 0.0
        self._flooding = ""
        self._closed = False
        lock = threading.Lock()
        self._came, self._went = threading.Condition(lock), threading.Condition(lock)
        self._waits = False

    def put(self, received: Received) -> None:
        """Add a message; one at QoS 1 waits for room. Nothing happens when the inbox is closed."""
        node = received.topic[self._skip :].partition("/")[0]
        size = len(received.payload) + OVERHEAD
        dropped: list[str] = []
        while True:
            with self._came:
                if self._closed or self._add(node, received, size, dropped):
                    break
                self._waits = True
                self._went.wait(LOOK_S)
                self._waits = False
            self._still_here()
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
        with self._came:
            if not self._lanes and not self._came.wait_for(
                lambda: self._closed or bool(self._lanes), timeout
            ):
                raise TimeoutError
            if not self._lanes:
                raise Closed
            node, lane = next(iter(self._lanes.items()))
            received = self._take(node, lane, light=lane.oldest_is_light())
            if node in self._lanes:
                self._lanes.move_to_end(node)
            if self._waits and self._has_room(ROOM):
                self._went.notify()
            return received

    def close(self) -> None:
        """Take nothing more in, and let nobody wait; what waits can still be taken out."""
        with self._came:
            self._closed = True
            self._came.notify_all()
            self._went.notify_all()

    def _add(self, node: str, received: Received, size: int, dropped: list[str]) -> bool:
        """Add a message if there is room, or what may be lost can make some; whether it did."""
        if self._has_room(1.0, size):
            if self._full_since_s is not None and self._has_room(CALM):
                self._full_since_s = None
        elif received.qos and not self._with_light and not self._end_flood(dropped):
            return False
        lane = self._lanes.get(node)
        if lane is None:
            lane = self._lanes[node] = _Lane()
        self._number += 1
        self._count += 1
        self._bytes += size
        lane.bytes += size
        if received.qos:
            lane.heavy.append((self._number, received))
        else:
            lane.light.append((self._number, received))
            lane.light_bytes += size
            self._with_light[node] = lane
            if len(lane.light) == 2:
                self._with_more[node] = lane
        while self._with_light and not self._has_room(1.0):
            dropped.append(self._drop_light())
        self._came.notify()
        return True

    def _has_room(self, share: float, size: int = 0) -> bool:
        """Whether what waits, and a message of this size, takes no more than a share of the room."""
        count = self._count + (size > 0)
        return not self._count or (
            count <= MAX_WAITING * share and self._bytes + size <= MAX_WAITING_BYTES * share
        )

    def _take(self, node: str, lane: _Lane, *, light: bool) -> Received:
        """Take a lane's oldest message of a kind out."""
        received = (lane.light if light else lane.heavy).popleft()[1]
        size = len(received.payload) + OVERHEAD
        self._count -= 1
        self._bytes -= size
        lane.bytes -= size
        if light:
            lane.light_bytes -= size
            if len(lane.light) == 1:
                del self._with_more[node]
            elif not lane.light:
                del self._with_light[node]
        if not (lane.heavy or lane.light):
            del self._lanes[node]
        return received

    def _drop_light(self) -> str:
        """Drop a message that may be lost; whose it was."""
        if self._bytes > MAX_WAITING_BYTES:
            node = max(self._with_light, key=lambda name: self._with_light[name].light_bytes)
        elif self._with_more:
            node = max(self._with_more, key=lambda name: len(self._with_more[name].light))
        else:  # all have one: who comes last has the least claim, and there is nothing to search for
            node = next(reversed(self._with_light))
        self._take(node, self._lanes[node], light=True)
        return node

    def _end_flood(self, dropped: list[str]) -> bool:
        """Drop the oldest of a node that leaves no room to the others, if there is one; whether it did."""
        now = self._clock()
        if self._full_since_s is None:
            self._full_since_s = now
        if now - self._full_since_s < PATIENCE_S:
            return False
        if not self._floods(self._flooding):
            if now - self._looked_s < LOOK_S:
                return False
            self._looked_s = now
            by_bytes = self._bytes > MAX_WAITING_BYTES / 2
            lanes = self._lanes
            self._flooding = max(lanes, key=lambda name: lanes[name].bytes if by_bytes else len(lanes[name]))
            if not self._floods(self._flooding):
                return False
        self._take(self._flooding, self._lanes[self._flooding], light=False)
        dropped.append(self._flooding)
        return True

    def _floods(self, node: str) -> bool:
        lane = self._lanes.get(node)
        return lane is not None and (
            len(lane) >= MAX_WAITING * FLOOD or lane.bytes >= MAX_WAITING_BYTES * FLOOD
        )
