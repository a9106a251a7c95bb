"""Sends snapshots to the broker. A few wait while there is no connection, because events refer to them."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge_node.outbox.kept import Bounds, Kept
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.messages import SnapshotMetrics

MAX_WAITING = 64
MAX_BYTES = 4_000_000
IN_FLIGHT = 4
"""The most snapshots in flight: few, because they are large."""
SETTLE_S = 5.0
"""How long snapshots wait after a reconnect, because whoever reads them reconnects, too."""


class SnapshotSender(Kept):
    """Keeps the newest snapshot of each track until the broker has it.

    Args:
        client: The connection; entered before this sender and left after it.
        clock: Monotonic seconds.
    """

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(client, topics.SNAPSHOT, Bounds(MAX_WAITING, MAX_BYTES, IN_FLIGHT, SETTLE_S), clock)

    def metrics(self) -> SnapshotMetrics:
        """How many snapshots wait, and how many were given up, by reason."""
        waiting, size = self.waiting
        return SnapshotMetrics(waiting=waiting, bytes=size, dropped=self.dropped)
