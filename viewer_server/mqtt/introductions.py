"""Asks for what a node retains by its very topics, where wildcards bring nothing retained (RabbitMQ 3)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, Protocol

from shared.wire import topics
from shared.wire.topics import Topic

AFTER_S = 2.0
"""How long other messages of a node may come before its status does, seconds."""
MOST, MOST_OF_A_NODE = 512, 32
"""The most strangers, nodes and cameras, that are waited and asked for: in all, and of one node."""
MET = 5120
"""How many nodes and cameras are remembered as met by default."""


_OF_A_CAMERA = (topics.CAMERA_STATUS, topics.ZONES)


class Subscribing(Protocol):
    """The part of the client that is used here."""

    def subscribe(self, topic_filter: str, qos: Literal[0, 1] = 0) -> None:
        """Receive what matches."""

    def unsubscribe(self, topic_filter: str) -> None:
        """Receive no longer what this filter matches."""


class Introductions:
    """Subscribes to the very topics of a node or camera whose status does not come by itself, until it does.

    Args:
        client: Subscribes.
        prefix: The topics' prefix.
        clock: Monotonic seconds.
        met: How many nodes and cameras are remembered as met; beyond it, all are strangers again. There must
            be room for all that may be shown.
    """

    def __init__(
        self,
        client: Subscribing,
        prefix: str,
        clock: Callable[[], float] = time.monotonic,
        met: int = MET,
    ) -> None:
        self._client, self._prefix, self._clock, self._most_met = client, prefix, clock, met
        self._met: set[tuple[str, ...]] = set()
        self._since: dict[tuple[str, ...], float] = {}
        self._asked: dict[tuple[str, ...], list[str]] = {}
        self._of_node: Counter[str] = Counter()

    def heard(self, row: Topic, ids: Mapping[str, str]) -> None:
        """Note a message; ask for its node and camera if they are strangers still."""
        if row in (topics.STATUS, topics.CAMERA_STATUS):
            self._meet((ids["node"], ids["camera"]) if "camera" in ids else (ids["node"],))
            return
        node = (ids["node"],)
        if node not in self._met:
            self._miss(node, (topics.STATUS, topics.INFO), ids)
        if "camera" in ids and (camera := (ids["node"], ids["camera"])) not in self._met:
            self._miss(camera, _OF_A_CAMERA, ids)

    def heard_cameras(self, node: str, cameras: Iterable[str]) -> None:
        """Note which cameras a node speaks of: detections come only of those that somebody looks at."""
        for camera in cameras:
            if (node, camera) not in self._met:
                self._miss((node, camera), _OF_A_CAMERA, {"node": node, "camera": camera})

    def _miss(self, who: tuple[str, ...], rows: tuple[Topic, ...], ids: Mapping[str, str]) -> None:
        if who in self._asked:
            return
        now = self._clock()
        if who not in self._since:
            if len(self._since) >= MOST or self._of_node[who[0]] >= MOST_OF_A_NODE:
                return
            self._of_node[who[0]] += 1
            self._since[who] = now
        if now - self._since[who] < AFTER_S:
            return
        names = {name: ids[name] for name in ("node", "camera") if name in ids}
        self._asked[who] = [row.path(self._prefix, **names) for row in rows]
        for path in self._asked[who]:
            self._client.subscribe(path, 1)

    def _meet(self, who: tuple[str, ...]) -> None:
        if who in self._met:
            return
        if len(self._met) >= self._most_met:
            self._met.clear()
        self._met.add(who)
        if self._since.pop(who, None) is not None:
            self._of_node[who[0]] -= 1
            if not self._of_node[who[0]]:
                del self._of_node[who[0]]
        for path in self._asked.pop(who, ()):
            self._client.unsubscribe(path)
