"""Accepts connections, and takes a breath when each of them means that another one is cut."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

AT_ONCE = 16
"""Connections accepted at once. It is a small number, so that a flood leaves time to read from the others."""
BREATH_S = 0.002
"""Pause in seconds. Clients that were cut reconnect as fast as they can, and frames need time, too."""
KERNEL_BYTES = 64 * 1024
"""Bytes of a request that the kernel keeps for us. Of an answer it keeps four times as much."""


class Listening:
    """The listening sockets.

    Args:
        sockets: They listen already.
        selector: Wakes the door.
        take_in: Called with each connection and its client's address; whether another one was cut for it.
        no_more: Called when the process has no descriptor left.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        sockets: list[Any],
        selector: selectors.BaseSelector,
        take_in: Callable[[socket.socket, tuple[str, int]], bool],
        no_more: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sockets = sockets
        self._selector = selector
        self._take_in = take_in
        self._no_more = no_more
        self._clock = clock
        self._until: float | None = None

    def open(self) -> None:
        """Begin to accept."""
        for sock in self._sockets:
            sock.setblocking(False)
            for level, option, value in (  # connections inherit them
                (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
                (socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES),
                (socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * KERNEL_BYTES),
            ):
                sock.setsockopt(level, option, value)
        self._listen()

    def stop(self) -> None:
        """Accept no more."""
        self._until = None
        for sock in self._sockets:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(sock)

    def close(self) -> None:
        """Close the sockets."""
        for sock in self._sockets:
            sock.close()

    def wait_s(self, wanted_s: float) -> float:
        """How long the door may wait, at most `wanted_s`; accepts again when it is time to."""
        if self._until is None:
            return wanted_s
        left_s = self._until - self._clock()
        if left_s > 0:
            return min(wanted_s, left_s)
        self._until = None
        self._listen()
        return wanted_s

    def _listen(self) -> None:
        for sock in self._sockets:
            self._selector.register(sock, selectors.EVENT_READ, partial(self._accept, sock))

    def _accept(self, listener: Any) -> None:
        cut = 0
        for _ in range(AT_ONCE):
            try:
                sock, peer = listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._no_more()
                    cut = AT_ONCE  # perhaps nobody could be cut: then each look would find the same again
                break
            cut += self._take_in(sock, peer[:2])
        if cut > AT_ONCE // 4:
            self.stop()
            self._until = self._clock() + BREATH_S
