"""Sends finished tracks to the broker. Some wait in memory while there is no connection."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge_node.outbox.kept import Bounds, Kept
from shared.mqtt.client import Client
from shared.wire import topics

MAX_WAITING = 1_000
MAX_BYTES = 4_000_000
IN_FLIGHT = 8
SETTLE_S = 5.0
"""How long they wait after a reconnect, because whoever reads them reconnects, too."""


class TrackSender(Kept):
    """Keeps each finished track until the broker has it.

    Args:
        client: The connection; entered before this sender and left after it.
        clock: Monotonic seconds.
    """

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(client, topics.TRACK, Bounds(MAX_WAITING, MAX_BYTES, IN_FLIGHT, SETTLE_S), clock)
