"""Messages given to a connection that it has not taken yet: a few of them, instead of an endless queue."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol


class Sent(Protocol):
    """A message on its way."""

    def is_published(self) -> bool:
        """Whether it is written or, at QoS 1, acknowledged."""
        ...

    def wait_for_publish(self, timeout: float | None = None) -> None:
        """Wait until it is, at most for `timeout` seconds.

        Raises:
            RuntimeError, ValueError: It was lost with the connection.
        """
        ...


class Window:
    """Holds back the threads that send, while as many messages are on their way as may be.

    Args:
        size: Most messages on their way.
        connected: Whether there is a connection: only then is anything waited for.
    """

    def __init__(self, size: int, connected: Callable[[], bool]) -> None:
        self._size = size
        self._connected = connected
        self._unwritten: deque[Sent] = deque()
        self._lock = threading.Lock()  # several threads send; never held while one hands over or waits
        self._hurried = False

    def hurry(self) -> None:
        """From now on nothing is waited for."""
        self._hurried = True

    def wait_room(self) -> bool:
        """Wait until one more may be sent; False when none may: no connection, or in a hurry."""
        while self._connected():
            with self._lock:
                self._forget_written()
                if len(self._unwritten) < self._size:
                    return True
                if self._hurried:
                    return False
                oldest = self._unwritten[0]
            try:
                oldest.wait_for_publish(0.1)
            except (RuntimeError, ValueError):  # lost with the connection
                with self._lock:
                    if self._unwritten and self._unwritten[0] is oldest:
                        self._unwritten.popleft()
        with self._lock:
            self._unwritten.clear()
        return False

    def add(self, message: Sent) -> None:
        """Count a message that was sent."""
        with self._lock:
            self._unwritten.append(message)

    def drain(self, timeout: float) -> bool:
        """Wait until none is on its way; False when one is still, after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._connected():
            with self._lock:
                self._forget_written()
                if not self._unwritten:
                    break
                oldest = self._unwritten[0]
            oldest.wait_for_publish(0.1)
        return not self._unwritten

    def _forget_written(self) -> None:
        while self._unwritten and self._unwritten[0].is_published():
            self._unwritten.popleft()
