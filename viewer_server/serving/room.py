"""Which connections are there, and which of them gives way when there are too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from viewer_server.serving.connection import Connection, Doing
from viewer_server.serving.limits import Limits

NEW_S = 0.25
"""Seconds before a new connection counts as one that says nothing."""
SERVED_S = 1.0
"""The same for a connection that was answered, which may ask for more."""
SMALL_BODY = 64 * 1024
"""Bytes up to which a request is not counted among those that are too large together."""


class Room:
    """The connections besides websockets, and the number of websockets, by the network that they belong to.

    Args:
        limits: How many there may be.
        clock: Seconds, monotonic.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._connections: set[Connection] = set()
        self._owners: Counter[str] = Counter()
        self._browsers: Counter[str] = Counter()

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._connections

    def __iter__(self) -> Iterator[Connection]:
        """All connections, also while some of them leave."""
        return iter(list(self._connections))

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def browsers(self) -> int:
        """How many websockets there are."""
        return self._browsers.total()

    def add(self, connection: Connection) -> None:
        """Let a connection in."""
        self._connections.add(connection)
        self._owners[connection.owner] += 1

    def remove(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.remove(connection)
        _lower(self._owners, connection.owner)

    def crowded(self, newest: Connection, *, is_proxy: bool) -> tuple[str, list[Connection]] | None:
        """Why somebody has to give way to a new connection, and who, the first one first; None: nobody.

        Args:
            newest: The connection.
            is_proxy: Whether it speaks for many.
        """
        if self._owners[newest.owner] > self._limits.each and not is_proxy:
            return "address", self.idlest(newest.owner)
        if len(self._connections) > self._limits.connections:
            return "connections", self.idlest(self._owners.most_common(1)[0][0])
        return None

    def idlest(self, owner: str | None = None) -> list[Connection]:
        """The connections of an owner, or all, those that give way first in front."""
        now = self._clock()
        mine = (one for one in self._connections if owner is None or one.owner == owner)
        return sorted(mine, key=lambda one: _worth(one, now))

    def too_many_bodies(self, newest: Connection) -> Connection | None:
        """The upload that gives way, when all that are on their way are too large together; None: none."""
        large = [one for one in self._connections if one.incoming.held > SMALL_BODY]
        if sum(one.incoming.held for one in large) <= self._limits.bodies:
            return None
        others = [one for one in large if one is not newest and one.doing is Doing.ARRIVING]
        return min(others, key=lambda one: one.changed, default=newest)

    def seat(self, asker: str) -> tuple[int, str] | None:
        """Count one more websocket, or say with which status and why it cannot be."""
        if self._browsers.total() >= self._limits.browsers:
            return 503, "too many browsers (http.max_browsers)"
        if self._browsers[asker] >= self._limits.browsers_each:
            return 429, "too many browsers of this address; a part of http.max_browsers is kept for others"
        self._browsers[asker] += 1
        return None

    def unseat(self, asker: str) -> None:
        """Count one less."""
        _lower(self._browsers, asker)


def _lower(counts: Counter[str], name: str) -> None:
    counts[name] -= 1
    if not counts[name]:
        del counts[name]


def _worth(connection: Connection, now: float) -> tuple[int, float]:
    """The lowest give way first; among equals, the one that has been so for longest."""
    doing, age = connection.doing, now - connection.changed
    if doing is Doing.LEAVING:
        rank = 0
    elif (doing is Doing.ARRIVING and age > NEW_S) or (doing is Doing.IDLE and age > SERVED_S):
        rank = 1
    elif doing is Doing.SENDING:
        rank = 2
    elif doing is Doing.WAITING and connection.served:
        rank = 3  # it has got something already
    elif doing in (Doing.ARRIVING, Doing.IDLE):
        return 4, connection.changed + (SERVED_S if doing is Doing.IDLE else 0.0)
    elif doing is Doing.WAITING:
        rank = 6 if connection.lane == "health" else 5  # those who watch over us ask for /health
    else:
        rank = 7
    return rank, connection.changed
