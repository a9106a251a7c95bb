"""Snapshots on their way to the broker: a few wait while it is away, so that what an event refers to comes.

Unlike an event, a picture may be lost: nothing is on disk, and where there is no room the newest win.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass
from types import TracebackType

from edge_node.outbox.in_flight import InFlight
from shared.errors import MessageError
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.messages import SnapshotMetrics

log = logging.getLogger("darner.snapshots")

MAX_WAITING = 64
MAX_BYTES = 4_000_000
IN_FLIGHT = 4
"""Few: they share the connection with the events."""
RETRY_S = 0.5
SETTLE_S = 5.0
"""Pictures wait this long after a reconnect: a broker that was away has its subscribers coming back, too."""


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    path: str
    jpeg: bytes
    user_properties: dict[str, str]


class Pictures:
    """Keeps each snapshot until the broker has it; `with` starts and ends the thread that sends them.

    Args:
        client: The connection; entered and left around this one.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()  # of the next three
        self._waiting: OrderedDict[str, _Picture] = OrderedDict()
        self._bytes = 0
        self._dropped: Counter[str] = Counter()
        self._send_from = 0.0
        self._closing = False
        self._wake = threading.Event()
        self._in_flight: InFlight[_Picture] = InFlight(client, IN_FLIGHT, self._wake.set)
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    def __enter__(self) -> Pictures:
        self._in_flight.listen()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join(1.0)

    def offer(self, path: str, jpeg: bytes, user_properties: dict[str, str]) -> None:
        """Take a picture; never waits. A better view of the same track takes the place of the one before.

        Args:
            path: Topic.
            jpeg: The picture.
            user_properties: What it shows.
        """
        with self._lock:
            self._take_out(path)
            self._waiting[path] = _Picture(path, jpeg, user_properties)
            self._bytes += len(jpeg)
            while len(self._waiting) > MAX_WAITING or self._bytes > MAX_BYTES:
                self._take_out(next(iter(self._waiting)))
                self._dropped["no_room"] += 1
        self._wake.set()

    def metrics(self) -> SnapshotMetrics:
        """How many wait, and how many were given up for which reason."""
        with self._lock:
            return SnapshotMetrics(waiting=len(self._waiting), bytes=self._bytes, dropped=dict(self._dropped))

    def drain(self, timeout: float) -> bool:
        """Wait until the broker has all; False when it has not in `timeout` seconds."""
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
            try:
                self._turn()
            except Exception:  # a fault of ours must not end the sending for good
                log.exception("snapshots: a turn failed")
                time.sleep(RETRY_S)

    def _turn(self) -> None:
        first = not self._in_flight.connection
        if self._in_flight.renew():
            self._send_from = time.monotonic() + (0.0 if first else SETTLE_S)
        for picture, taken in self._in_flight.answers():
            self._done(picture, None if taken else "refused")
        if time.monotonic() < self._send_from:
            return
        with self._lock:
            flying = set(map(id, self._in_flight))
            to_send = [picture for picture in self._waiting.values() if id(picture) not in flying]
        for picture in to_send:
            if self._in_flight.full:
                return
            try:
                if not self._in_flight.send(
                    picture, topics.SNAPSHOT, picture.path, picture.jpeg, picture.user_properties
                ):
                    return  # later
            except MessageError:
                self._done(picture, "too_large")

    def _done(self, picture: _Picture, lost: str | None) -> None:
        """Forget a picture, unless a better one has taken its place."""
        with self._lock:
            if self._waiting.get(picture.path) is picture:
                self._take_out(picture.path)
            self._dropped.update([lost] if lost else [])

    def _take_out(self, path: str) -> None:
        picture = self._waiting.pop(path, None)
        self._bytes -= len(picture.jpeg) if picture else 0
