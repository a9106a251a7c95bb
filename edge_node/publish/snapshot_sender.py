"""Sends snapshots to the broker. A few wait while there is no connection, because events refer to them.

Unlike an event, a snapshot may be lost: none is on disk, and when too many wait, the oldest are given up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from edge_node.outbox.in_flight import InFlight
from shared.errors import MessageError
from shared.mqtt.client import Client
from shared.service.watchdog import Look
from shared.wire import topics
from shared.wire.messages import SnapshotMetrics

log = logging.getLogger("darner.snapshots")

MAX_WAITING = 64
MAX_BYTES = 4_000_000
IN_FLIGHT = 4
"""The most snapshots in flight: few, because they share the connection with the events."""
RETRY_S = 0.5
SETTLE_S = 5.0
"""How long snapshots wait after a reconnect. After a broker's restart its subscribers reconnect too, and miss
every snapshot published before they are back, because the broker does not retain snapshots."""


@dataclass(frozen=True, slots=True, eq=False)
class _Snapshot:
    path: str
    jpeg: bytes
    user_properties: dict[str, str]


class SnapshotSender:
    """Keeps each snapshot until the broker has it; `with` starts and ends the thread that sends them.

    Args:
        client: The connection; entered before this sender and left after it.
        clock: Monotonic seconds.
    """

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()  # guards the next three
        self._waiting: OrderedDict[str, _Snapshot] = OrderedDict()  # by topic, until the broker has them
        self._bytes = 0
        self._dropped: Counter[str] = Counter()
        self._send_from = 0.0
        self._closing = False
        self._turns = 0
        self._wake = threading.Event()
        self._in_flight: InFlight[_Snapshot] = InFlight(client, IN_FLIGHT, self._wake.set)
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    def __enter__(self) -> SnapshotSender:
        self._in_flight.listen()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join(1.0)

    @property
    def in_flight(self) -> int:
        """How many snapshots were sent and are not acknowledged yet."""
        return len(self._in_flight)

    def offer(self, path: str, jpeg: bytes, user_properties: dict[str, str]) -> None:
        """Queue a snapshot; never waits. It replaces a waiting snapshot of the same track.

        Args:
            path: Topic.
            jpeg: The picture.
            user_properties: The message's user properties: which frame the picture is from, and its size.
        """
        with self._lock:
            self._remove(path)
            self._waiting[path] = _Snapshot(path, jpeg, user_properties)
            self._bytes += len(jpeg)
            while len(self._waiting) > MAX_WAITING or self._bytes > MAX_BYTES:
                self._remove(next(iter(self._waiting)))
                self._dropped["no_room"] += 1
        self._wake.set()

    def metrics(self) -> SnapshotMetrics:
        """How many snapshots wait, and how many were given up, by reason."""
        with self._lock:
            return SnapshotMetrics(waiting=len(self._waiting), bytes=self._bytes, dropped=dict(self._dropped))

    def look(self) -> Look:
        """What a watchdog sees of the thread."""
        return Look(self._turns)

    def drain(self, timeout: float) -> bool:
        """Wait until the broker has every snapshot; False if it does not after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self._waiting:
            if time.monotonic() > deadline or not self._client.connected:
                return False
            time.sleep(0.02)
        return True

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(RETRY_S)
            self._wake.clear()
            self._turns += 1
            try:
                self._turn()
            except Exception:  # a fault in one turn must not end the sending
                log.exception("snapshots: a turn failed")
                time.sleep(RETRY_S)

    def _turn(self) -> None:
        """Process the broker's answers, and send as many snapshots as may be in flight."""
        first = not self._in_flight.connection
        if self._in_flight.renew():
            self._send_from = self._clock() + (0.0 if first else SETTLE_S)
        for snapshot, taken in self._in_flight.answers():
            self._done(snapshot, None if taken else "refused")
        if self._clock() < self._send_from:
            return
        with self._lock:
            flying = set(map(id, self._in_flight))
            to_send = [snapshot for snapshot in self._waiting.values() if id(snapshot) not in flying]
        for snapshot in to_send:
            if self._in_flight.full:
                return
            try:
                if not self._in_flight.send(
                    snapshot, topics.SNAPSHOT, snapshot.path, snapshot.jpeg, snapshot.user_properties
                ):
                    return  # no connection, or no room on it: the next turn tries again
            except MessageError:
                self._done(snapshot, "too_large")

    def _done(self, snapshot: _Snapshot, lost: str | None) -> None:
        """Forget a snapshot, unless a better one has replaced it.

        Args:
            snapshot: The broker has it, or will never take it.
            lost: Why it will never take it.
        """
        with self._lock:
            if self._waiting.get(snapshot.path) is snapshot:
                self._remove(snapshot.path)
            self._dropped.update([lost] if lost else [])

    def _remove(self, path: str) -> None:
        snapshot = self._waiting.pop(path, None)
        self._bytes -= len(snapshot.jpeg) if snapshot else 0
