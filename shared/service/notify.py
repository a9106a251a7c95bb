"""systemd's notify protocol: a datagram of lines to the socket that $NOTIFY_SOCKET names.

The protocol is one `sendto`, less than a dependency would cost. Source: the man pages sd_notify(3) and
sd_watchdog_enabled(3).
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, MutableMapping

log = logging.getLogger("darner.service")

MAX_STATUS = 200


class Notifier:
    """Tells a service manager how this program is; without one, nothing happens.

    It takes the protocol's variables out of the environment, because no child process speaks for this one.

    Args:
        environment: Has NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID under systemd.
        clock: Monotonic seconds.

    Attributes:
        watchdog_s: Seconds within which `well` must be called again; None if nobody waits for it.
    """

    def __init__(
        self,
        environment: MutableMapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        process = environment.pop("WATCHDOG_PID", "")
        ours = process in ("", str(os.getpid())) and microseconds.isdecimal()
        self.watchdog_s = int(microseconds) / 1e6 if ours and int(microseconds) else None
        self._clock = clock
        self._next = 0.0

    def ready(self, status: str) -> None:
        """The program has started and does its work."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def status(self, text: str) -> None:
        """What the program does now, for people."""
        self._send(f"STATUS={_line(text)}")

    def well(self) -> None:
        """The program's parts get on with their work. Call it often: it passes on no more than is needed."""
        if self.watchdog_s is not None and self._clock() >= self._next:
            self._next = self._clock() + self.watchdog_s / 4
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The program has begun to end."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # A name that begins with @ is in the abstract namespace, whose names begin with a zero byte.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)  # a manager that does not read must not hold the program up
                sock.sendto(text.encode(), address)
        except OSError as error:
            log.debug("NOTIFY_SOCKET %s: %s", self._address, error)


def _line(text: str) -> str:
    return " ".join(text.split())[:MAX_STATUS]
