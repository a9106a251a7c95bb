"""An answer as it leaves: the thread that made it does not wait for the client that reads it.

What the kernel does not take at once is kept here, and the door sends it. Only a long answer, such as an
export, makes its thread wait; a client that reads too slowly is cut.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

HOLDS = 256 * 1024
"""Bytes kept for a client before the thread that makes more has to wait."""


class Outlet:
    """Stands where gunicorn expects a socket to write to.

    Args:
        sock: The connection, non-blocking.
        remains: Called, in the writing thread, when something is left for `flush`.
        grace_s: Seconds that a client may take for nothing.
        least_rate: Bytes a second that it must take otherwise.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        sock: socket.socket,
        remains: Callable[[], None],
        grace_s: float,
        least_rate: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sock = sock
        self._remains = remains
        self._grace_s = grace_s
        self._least_rate = least_rate
        self._clock = clock
        self._changed = threading.Condition()
        self._left = bytearray()
        self._patient_until = 0.0
        self.broken = False

    @property
    def left(self) -> int:
        """Bytes that are still to be sent."""
        return len(self._left)

    @property
    def is_late(self) -> bool:
        """Whether the client reads too slowly to be waited for."""
        with self._changed:
            return bool(self._left) and self._clock() > self._patient_until

    def sendall(self, data: bytes) -> None:
        """Send, or keep; waits only while much is kept.

        Raises:
            BrokenPipeError: The client has gone, or was cut.
        """
        with self._changed:
            self._check()
            taken = 0 if self._left else self._push(data)
            if taken == len(data):
                return
            if not self._left:
                self._patient_until = self._clock() + self._grace_s
            self._left += memoryview(data)[taken:]
        self._remains()
        with self._changed:
            while len(self._left) > HOLDS and not self.broken:
                self._changed.wait()
            self._check()

    def send(self, data: bytes) -> int:
        """As `sendall`."""
        self.sendall(data)
        return len(data)

    def flush(self) -> bool:
        """Send what the kernel takes; whether nothing is left. Called by the door."""
        with self._changed:
            if self._left and not self.broken:
                taken = self._push(self._left)
                del self._left[:taken]
                # What it takes buys time, but never more than at the beginning: else one that has taken a lot
                # could stop in the middle of a download and hold its thread for an hour.
                latest = self._clock() + self._grace_s
                self._patient_until = min(latest, self._patient_until + taken / self._least_rate)
            if self.broken:
                self._left.clear()
            if len(self._left) <= HOLDS:
                self._changed.notify_all()
            return not self._left

    def cut(self) -> None:
        """Send no more; a thread that waits is told."""
        with self._changed:
            self.broken = True
            self._left.clear()
            self._changed.notify_all()

    def _push(self, data: bytes | bytearray) -> int:
        try:
            return self._sock.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            self.broken = True
            return 0

    def _check(self) -> None:
        if self.broken:
            raise BrokenPipeError("the client has gone, or reads too slowly")
