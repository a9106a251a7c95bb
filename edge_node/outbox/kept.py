"""Messages that are kept in memory until the broker has them, because others refer to them or count them.

Unlike an event, such a message may be lost: none is on disk, and when too many wait, the oldest are given up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from edge_node.outbox.in_flight import InFlight
from shared.errors import MessageError
from shared.mqtt.client import Client
from shared.service.watchdog import Look
from shared.wire.topics import Topic

if TYPE_CHECKING:
    from typing_extensions import Self  # of the standard library from Python 3.11 on

log = logging.getLogger("darner.kept")

RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is kept.

    Attributes:
        messages: The most that may wait.
        bytes: The most bytes that they may have together.
        in_flight: The most on their way at a time; they share the connection with the events.
        settle_s: How long they wait after a reconnect, seconds. After a broker's restart its subscribers
            reconnect, too, and miss what is published before they are back, because it is not retained.
    """

    messages: int
    bytes: int
    in_flight: int
    settle_s: float


@dataclass(frozen=True, slots=True, eq=False)
class _Message:
    key: str
    path: str
    payload: bytes
    user_properties: dict[str, str] | None


class Kept:
    """Keeps each message of one row until the broker has it; `with` allows it to send.

    The thread that sends them starts with the first message.

    Args:
        client: The connection; entered before this and left after it.
        topic: The row of the topic table.
        bounds: How much is kept.
        clock: Monotonic seconds.
    """

    def __init__(
        self, client: Client, topic: Topic, bounds: Bounds, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._topic, self._bounds, self._clock = client, topic, bounds, clock
        self._lock = threading.Lock()  # guards the next four
        self._waiting: OrderedDict[str, _Message] = OrderedDict()  # by key, until the broker has them
        self._bytes = 0
        self._dropped: Counter[str] = Counter()
        self._thread: threading.Thread | None = None
        self._send_from = 0.0
        self._entered = self._ending = self._closing = False
        self._turns = 0
        self._wake = threading.Event()
        self._in_flight: InFlight[_Message] = InFlight(client, bounds.in_flight, self._wake.set)

    def __enter__(self) -> Self:
        self._in_flight.listen()
        self._entered = True
        if self._waiting:
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(1.0)

    @property
    def in_flight(self) -> int:
        """How many messages were sent and are not acknowledged yet."""
        return len(self._in_flight)

    @property
    def waiting(self) -> tuple[int, int]:
        """How many messages the broker does not have yet, and their bytes."""
        with self._lock:
            return len(self._waiting), self._bytes

    @property
    def dropped(self) -> dict[str, int]:
        """How many messages were given up, by reason."""
        with self._lock:
            return dict(self._dropped)

    def offer(
        self, path: str, payload: bytes, user_properties: dict[str, str] | None = None, key: str | None = None
    ) -> None:
        """Queue a message; never waits.

        Args:
            path: Topic.
            payload: What to send.
            user_properties: The message's user properties.
            key: A waiting message with the same key is replaced; by default, the key is the topic.
        """
        key = path if key is None else key
        with self._lock:
            self._remove(key)
            self._waiting[key] = _Message(key, path, payload, user_properties)
            self._bytes += len(payload)
            while len(self._waiting) > self._bounds.messages or self._bytes > self._bounds.bytes:
                self._remove(next(iter(self._waiting)))
                self._dropped["no_room"] += 1
            if self._entered and self._thread is None:
                self._start()
        self._wake.set()

    def look(self) -> Look | None:
        """What a watchdog sees of the thread; None while there is none."""
        return None if self._thread is None else Look(self._turns)

    def drain(self, timeout: float) -> bool:
        """Send without waiting for anybody, until the broker has every message: for a program about to end.

        Returns:
            False when the broker does not have them within `timeout` seconds, or cannot be reached.
        """
        self._ending = True
        self._wake.set()
        deadline = time.monotonic() + timeout
        while self._waiting:
            if time.monotonic() > deadline or not self._client.connected:
                return False
            time.sleep(0.02)
        return True

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"{self._topic.name}s", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(RETRY_S)
            self._wake.clear()
            self._turns += 1
            try:
                self._turn()
            except Exception:  # a fault in one turn must not end the sending
                log.exception("%s: a turn failed", self._topic.name)
                time.sleep(RETRY_S)

    def _turn(self) -> None:
        """Process the broker's answers, and send as many messages as may be in flight."""
        first = not self._in_flight.connection
        if self._in_flight.renew():
            self._send_from = self._clock() + (0.0 if first else self._bounds.settle_s)
        for message, taken in self._in_flight.answers():
            self._done(message, None if taken else "refused")
        if self._clock() < self._send_from and not self._ending:
            return
        with self._lock:
            flying = set(map(id, self._in_flight))
            to_send = [message for message in self._waiting.values() if id(message) not in flying]
        for message in to_send:
            if self._in_flight.full:
                return
            try:
                if not self._in_flight.send(
                    message, self._topic, message.path, message.payload, message.user_properties
                ):
                    return  # no connection, or no room on it: the next turn tries again
            except MessageError:
                self._done(message, "too_large")

    def _done(self, message: _Message, lost: str | None) -> None:
        """Forget a message, unless another has replaced it.

        Args:
            message: The broker has it, or will never take it.
            lost: Why it will never take it.
        """
        with self._lock:
            if self._waiting.get(message.key) is message:
                self._remove(message.key)
            self._dropped.update([lost] if lost else [])

    def _remove(self, key: str) -> None:
        message = self._waiting.pop(key, None)
        self._bytes -= len(message.payload) if message else 0
