"""A bound on messages that paho has and the network has not taken yet, instead of an endless queue."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol


class Sent(Protocol):
    """A message that was given to paho."""

    def is_published(self) -> bool:
        """Whether the message is written or, at QoS 1, acknowledged.

        Raises:
            RuntimeError, ValueError: The message was lost with the connection.
        """
        ...

    def wait_for_publish(self, timeout: float | None = None) -> None:
        """Wait until the message is published, at most `timeout` seconds.

        Raises:
            RuntimeError, ValueError: The message was lost with the connection.
        """
        ...


class Window:
    """Makes senders wait while the most messages allowed are unwritten.

    Args:
        size: The most unwritten messages.
        connected: Whether there is a connection; without one nobody waits.
        before_wait: Called by a thread before it waits: what it holds back would never be written meanwhile.
    """

    def __init__(
        self, size: int, connected: Callable[[], bool], before_wait: Callable[[], None] = lambda: None
    ) -> None:
        self._size = size
        self._connected, self._before_wait = connected, before_wait
        self._unwritten: deque[Sent] = deque()
        self._lock = threading.Lock()  # several threads send; it is never held while one sends or waits
        self._hurried = False
        self.turns = 0
        """Grows while somebody waits, so that a wait for the network can be told from a hang."""

    def hurry(self) -> None:
        """Let nobody wait from now on."""
        self._hurried = True

    def wait_room(self) -> bool:
        """Wait until one more message may be sent; False without a connection, or when full in a hurry."""
        while self._connected():
            with self._lock:
                self._forget_written()
                if len(self._unwritten) < self._size:
                    return True
                if self._hurried:
                    return False
                oldest = self._unwritten[0]
            self.turns += 1
            self._wait_for(oldest)
        with self._lock:
            self._unwritten.clear()
        return False

    def add(self, message: Sent) -> None:
        """Count a message that was sent."""
        with self._lock:
            self._unwritten.append(message)

    def drain(self, timeout: float) -> bool:
        """Wait until no message is unwritten; False when one still is after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._connected():
            with self._lock:
                self._forget_written()
                if not self._unwritten:
                    break
                oldest = self._unwritten[0]
            self._wait_for(oldest)
        return not self._unwritten

    def _wait_for(self, message: Sent) -> None:
        self._before_wait()
        with contextlib.suppress(RuntimeError, ValueError):  # lost with the connection
            message.wait_for_publish(0.1)

    def _forget_written(self) -> None:
        while self._unwritten and _is_done(self._unwritten[0]):
            self._unwritten.popleft()


def _is_done(message: Sent) -> bool:
    """Whether a message is written, or was lost with its connection."""
    try:
        return message.is_published()
    except (RuntimeError, ValueError):
        return True
