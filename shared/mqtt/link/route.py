"""Which address of a cluster is tried next, after how long a wait, and how long an attempt may take."""

from __future__ import annotations

import random
from collections.abc import Sequence

from shared.mqtt.address import MOST_ADDRESSES, Address, MqttSettings

FIRST_S = 3.0
"""How long an attempt may take while other addresses are left to try, until CONNACK, seconds."""
LONGEST_S = 12.0
"""The most that it may take on a slow network, and where there is no other address."""
BETWEEN_S = (0.05, 0.15)
"""The wait between two addresses of one round; random, as all waits are."""
QUICK_ROUNDS = 4
"""Rounds after a loss whose waits do not grow: a cluster chooses its new leader within some seconds."""


class Route:
    """The addresses of one cluster, each once a round, in an order of this client's own.

    The order is random, so that a fleet spreads over a cluster, and so do the clients of a member that dies.

    Args:
        addresses: At least one.

    Attributes:
        address: The one to try now.
        patience_s: How long that may take, seconds.
    """

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._order = random.sample(addresses, len(addresses))
        self._failed = self._late = self._rounds = 0
        self.address = self._order[0]
        self.patience_s = LONGEST_S if len(self._order) == 1 else FIRST_S

    @property
    def size(self) -> int:
        """The number of addresses."""
        return len(self._order)

    @property
    def alone(self) -> bool:
        """Whether there is only one address."""
        return len(self._order) == 1

    def failed(self, *, late: bool, short_lived: int = 0) -> tuple[float, float]:
        """Go on to the next address, because no connection came about.

        Args:
            late: Whether the attempt ran out of time. Only a round in which all did is followed by a more
                patient one: elsewhere the network is not slow, and one address swallows packets.
            short_lived: As in `reconnect_delays`.

        Returns:
            Seconds to wait before the attempt, and the most that later waits may have.
        """
        self._late += late
        self._failed += 1
        self._next()
        first, longest = reconnect_delays(short_lived)
        if self._failed % len(self._order):
            return random.uniform(*BETWEEN_S), longest
        if not self.alone:
            slow = self._late == len(self._order)
            self.patience_s = min(2 * self.patience_s, LONGEST_S) if slow else FIRST_S
        self._late = 0
        slower = self._rounds if self.alone else max(0, self._rounds - QUICK_ROUNDS + 1)
        wait_s = min(first * 2.0 ** min(slower, 10), longest)
        self._rounds += 1
        return wait_s, longest

    def lost(self, short_lived: int) -> tuple[float, float]:
        """Go on to the next address, because the connection was lost; as `failed` otherwise."""
        self._failed = self._late = self._rounds = 0
        self.patience_s = LONGEST_S if self.alone else FIRST_S
        self._next()
        return reconnect_delays(short_lived)

    def _next(self) -> None:
        self.address = self._order[(self._order.index(self.address) + 1) % len(self._order)]


def first_connection_s(settings: MqttSettings, seconds: float, most: int = MOST_ADDRESSES) -> float:
    """Seconds to wait for a first connection: those given, and an attempt at up to `most` more addresses."""
    return seconds + FIRST_S * min(most, len(settings.urls) - 1)


def reconnect_delays(short_lived: int = 0) -> tuple[float, float]:
    """Seconds before the first attempt to reconnect, and the most that later ones wait: random, below 3 s.

    A thousand nodes must not return to a restarted broker in the same instant.

    Args:
        short_lived: How many connections in a row the broker has ended soon after it accepted them. From the
            fourth on, each wait is twice as long as the one before, up to 24 s.
    """
    longer = 2.0 ** min(max(0, short_lived - 3), 3)
    return random.uniform(0.3, 1.0) * longer, random.uniform(1.5, 3.0) * longer
