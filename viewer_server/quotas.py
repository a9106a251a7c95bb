"""What a node lost because it reached a limit: counted by node and limit, logged, shown on the System page.

The limits are `QuotaSettings`. Whoever keeps something that a node chooses the name or the number of asks for
`settings`, lets the node's own oldest things give way, and says so here.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from shared.log import Once
from shared.wire.messages import now_us
from viewer_server.config import QuotaSettings

log = logging.getLogger("darner.quotas")

Limit = Literal[
    "nodes",
    "cameras",
    "states",
    "live_mb",
    "pictures_mb",
    "messages",
    "boots",
    "places",
    "sessions",
    "waiting",
    "events",
    "sums",
    "snapshots",
    "versions",
    "clock",
]

ALL_NODES = ""
"""Stands for all nodes together, where there is no room for another node."""

SAYS: dict[Limit, str] = {
    "nodes": "more than {} nodes: those that say nothing give way, and others are neither shown nor stored "
    "until one does (quotas.nodes)",
    "cameras": "more than {} cameras: those heard of longest ago are no longer shown (quotas.cameras)",
    "states": "more than {} retained messages about its cameras and zones: the oldest are no longer shown "
    "(quotas.states, quotas.states_total)",
    "live_mb": "the newest messages of all nodes take more than {} MB, and this node's take the most: its "
    "oldest are no longer shown (quotas.live_mb)",
    "pictures_mb": "the newest pictures of all cameras take more than {} MB, and this node's take the most: "
    "some are no longer shown (quotas.pictures_mb)",
    "messages": "sends faster than the viewer reads: its oldest messages of more than {} are skipped",
    "boots": "events of more than {} starts of the node: progress of the oldest is forgotten (quotas.boots)",
    "places": "more than {} zones and lines: sums of the oldest are deleted (quotas.places)",
    "sessions": "more than {} sessions: how long the oldest lasted is forgotten (quotas.sessions)",
    "waiting": "more than {} events wait for events before them: these are waited for no longer",
    "events": "events and sums of all nodes take more than {} MB, and this node's take the most: its oldest "
    "events are deleted (history.max_mb)",
    "sums": "events and sums of all nodes take more than {} MB, and this node's take the most: its oldest "
    "sums are deleted (history.max_mb)",
    "snapshots": "pictures of tracks of all nodes take more than {} MB, and this node's take the most: its "
    "oldest are deleted (history.snapshots_mb)",
    "versions": "earlier zones of all nodes take more than {} MB, and this node's take the most: its oldest "
    "are deleted",
    "clock": "its clock is wrong: a time more than {} s ahead of the viewer's clock, or before 2020, is "
    "replaced by the time of arrival; set the clock of its machine",
}
"""What is wrong, for people; `{}` is the limit."""

SAY_AGAIN_US = 24 * 3_600_000_000
LINES_A_MINUTE = 20
LINES_OF_A_NODE = 20
LINES_OF_UNKNOWN_NODES = 100
KEPT_OF_A_NODE = 4
"""Limits that are remembered for each of `quotas.nodes`, of all nodes together: on a broker without passwords
anybody may invent nodes."""


@dataclass
class Reached:
    """A limit that a node has reached.

    Attributes:
        node: Its name; empty for all nodes together.
        limit: Which limit.
        allowed: What is allowed.
        count: How many things gave way since the viewer started.
        last_us: When the last one gave way, microseconds UTC.
        said_us: When it was logged last.
    """

    node: str
    limit: Limit
    allowed: float
    count: int = 0
    last_us: int = 0
    said_us: int = 0

    @property
    def says(self) -> str:
        """What is wrong and how to change it."""
        return SAYS[self.limit].format(f"{self.allowed:g}")


class OnceByNode:
    """Lets the first message of each key through, and so many of each node: none uses up those of others.

    The empty name stands for all nodes that are not known.

    Args:
        nodes: How many nodes are remembered.
        most: Keys of a node that are let through.
    """

    def __init__(self, nodes: int, most: int = LINES_OF_A_NODE) -> None:
        self._kept, self._most = nodes, most
        self._nodes: OrderedDict[str, Once] = OrderedDict()

    def __call__(self, node: str, key: str) -> bool:
        """True the first time that a node's `key` is seen."""
        once = self._nodes.pop(node, None) or Once(self._most if node else LINES_OF_UNKNOWN_NODES)
        self._nodes[node] = once
        if len(self._nodes) > self._kept:
            self._nodes.popitem(last=False)
        return once(key)


class Quotas:
    """The limits, and which of them were reached; any thread may call it.

    Args:
        settings: The limits.
        wall_us: The wall clock, microseconds UTC.
    """

    def __init__(self, settings: QuotaSettings | None = None, wall_us: Callable[[], int] = now_us) -> None:
        self.settings = settings or QuotaSettings()
        self._kept = KEPT_OF_A_NODE * self.settings.nodes
        self._wall_us = wall_us
        self._lock = threading.Lock()
        self._reached: OrderedDict[tuple[str, Limit], Reached] = OrderedDict()
        self._minute, self._lines = 0, 0

    def hit(self, node: str, limit: Limit, allowed: float, count: int = 1) -> None:
        """Count what gave way, and log the first of a day.

        Args:
            node: The node whose things gave way.
            limit: The limit that it has reached.
            allowed: What is allowed.
            count: How many things gave way.
        """
        now = self._wall_us()
        with self._lock:
            key = node, limit
            reached = self._reached.get(key) or Reached(node, limit, allowed)
            reached.allowed, reached.last_us, reached.count = allowed, now, reached.count + count
            self._reached[key] = reached
            self._reached.move_to_end(key)
            if len(self._reached) > self._kept:
                self._reached.popitem(last=False)
            say = abs(now - reached.said_us) >= SAY_AGAIN_US and self._may_say(now)
            if say:
                reached.said_us = now
        if say:
            log.warning("%s: %s (said once a day)", f"node {node}" if node else "all nodes", reached.says)

    def reached(self) -> list[Reached]:
        """Every limit that was reached since the start, by node."""
        with self._lock:
            return sorted(self._reached.values(), key=lambda one: (one.node, one.limit))

    def _may_say(self, now: int) -> bool:
        minute = now // 60_000_000
        if minute != self._minute:
            self._minute, self._lines = minute, 0
        self._lines += 1
        return self._lines <= LINES_A_MINUTE
