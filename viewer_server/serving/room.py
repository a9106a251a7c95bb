"""Which connections are there, and which of them gives way when there are too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from viewer_server.serving.connection import Connection, Doing
from viewer_server.serving.limits import Limits

RANK = {
    Doing.LEAVING: 0,
    Doing.IDLE: 1,
    Doing.ARRIVING: 1,
    Doing.SENDING: 2,
    Doing.WAITING: 3,
    Doing.WORKING: 5,
}
"""The lowest give way first; among equals, the one that has been so for longest."""
SERVED_S = 1.0
"""By so much a connection that was answered counts as younger than one that never asked for anything."""
SMALL_BODY = 64 * 1024


class Room:
    """The connections besides websockets, and the number of websockets, by the network that they belong to.

    Args:
        limits: How many there may be.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
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
            return "address", self._idlest(newest.owner)
        if len(self._connections) > self._limits.connections:
            return "connections", self._idlest(self._owners.most_common(1)[0][0])
        return None

    def idlest(self) -> list[Connection]:
        """All connections, those that give way first in front."""
        return sorted(self._connections, key=_worth)

    def _idlest(self, owner: str) -> list[Connection]:
        return sorted((one for one in self._connections if one.owner == owner), key=_worth)

    def too_many_bodies(self, newest: Connection) -> Connection | None:
        """The upload that gives way, when all that are on their way are too large together; None: none."""
        large = [one for one in self._connections if len(one.incoming.buffer) > SMALL_BODY]
        if sum(len(one.incoming.buffer) for one in large) <= self._limits.bodies:
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


def _worth(connection: Connection) -> tuple[int, int, float]:
    if connection.doing is Doing.WAITING:
        # One that has got much steps back; /health is asked by those who watch over us.
        return RANK[Doing.WAITING] + connection.is_health, -connection.served, connection.changed
    served_s = SERVED_S if connection.doing is Doing.IDLE else 0.0
    return RANK[connection.doing], 0, connection.changed + served_s
