"""Tells nodes which of their cameras somebody looks at through this viewer, if they want to know.

Only a node with the capability "interest" is told. What it was told holds for a while, and is said again
before that is over. So a viewer that was killed leaves nothing behind that is wrong for long.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection
from typing import Protocol

from shared.wire import topics
from shared.wire.messages import Interest, NodeInfo, encode, now_us
from shared.wire.topics import Topic
from viewer_server.live.updates import Key

CAPABILITY = "interest"
"""What a node says in its manifest if it wants to know."""
HOLDS_S = topics.INTEREST.expiry_s or 180
AGAIN_S = HOLDS_S / 3
"""How soon it is said again, seconds; a random part of it, so that not all nodes are told at once."""


class Publishing(Protocol):
    """The part of the client that is used here."""

    def set_state(self, topic: Topic, path: str, payload: bytes) -> None:
        """Publish retained state now and after every reconnect."""

    def forget_state(self, path: str) -> None:
        """Publish a topic's retained state no more."""


class _Told:
    """What a node was told last."""

    def __init__(self) -> None:
        self.cameras: frozenset[str] | None = frozenset()
        self.again_s = math.inf


class Interests:
    """What this viewer tells nodes. Any thread may call its methods.

    Args:
        client: Publishes.
        prefix: The topics' prefix.
        session: One run of the viewer.
        name: The viewer's name, which may be the same in its next run; empty: it has none but the session.
        is_online: Whether each node that is known is online.
        most: The most nodes that are told.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        client: Publishing,
        prefix: str,
        session: str,
        name: Callable[[], str],
        is_online: Callable[[], dict[str, bool]],
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._prefix, self._clock = client, prefix, clock
        self._session, self._name = session, name
        self._is_online, self._most = is_online, most
        self._lock = threading.Lock()
        self._told: OrderedDict[str, _Told] = OrderedDict()
        self._listened: dict[str, set[str]] | None = {}
        self._due_s = math.inf

    def hear(self, info: NodeInfo) -> None:
        """Note from a node's manifest whether it wants to know, and tell it."""
        with self._lock:
            if CAPABILITY not in info.capabilities:
                self._leave(info.node, clear=True)
                return
            told = self._told.setdefault(info.node, _Told())
            if len(self._told) > self._most:
                self._leave(next(iter(self._told)), clear=False)
            self._tell(info.node, told)

    def listens_to(self, cameras: Collection[Key] | None) -> None:
        """Tell the nodes for which it makes a difference what is listened to now; None: everything."""
        by_node: defaultdict[str, set[str]] = defaultdict(set)
        for node, camera in cameras or ():
            by_node[node].add(camera)
        with self._lock:
            self._listened = None if cameras is None else by_node
            for node, told in self._told.items():
                if told.cameras != self._of(node):
                    self._tell(node, told)

    def attend(self) -> None:
        """Say again what holds no longer soon. Call this often; it costs next to nothing."""
        now = self._clock()
        if now < self._due_s:
            return
        online = self._is_online()
        with self._lock:
            for node, told in [one for one in self._told.items() if one[1].again_s <= now]:
                if online.get(node):
                    self._tell(node, told)
                else:  # its next run sends its manifest again
                    self._leave(node, clear=node not in online)
            self._due_s = min((told.again_s for told in self._told.values()), default=math.inf)

    def close(self) -> None:
        """Clear on the broker what nodes were told: a viewer that has ended says nothing."""
        with self._lock:
            for node in list(self._told):
                self._leave(node, clear=True)

    def _of(self, node: str) -> frozenset[str] | None:
        return None if self._listened is None else frozenset(self._listened.get(node, ()))

    def _path(self, node: str) -> str:
        return topics.INTEREST.path(self._prefix, node=node, viewer=self._name() or self._session)

    def _tell(self, node: str, told: _Told) -> None:
        told.cameras = self._of(node)
        message = Interest(
            node=node,
            session=self._session,
            published_us=now_us(),
            viewer=self._name() or self._session,
            cameras=None if told.cameras is None else tuple(sorted(told.cameras)),
            holds_s=HOLDS_S,
        )
        self._client.set_state(topics.INTEREST, self._path(node), encode(message))
        told.again_s = self._clock() + AGAIN_S * random.uniform(0.5, 1.0)
        self._due_s = min(self._due_s, told.again_s)

    def _leave(self, node: str, *, clear: bool) -> None:
        if self._told.pop(node, None) is None:
            return
        if clear:
            self._client.set_state(topics.INTEREST, self._path(node), b"")
        self._client.forget_state(self._path(node))
