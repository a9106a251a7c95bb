"""Makes simple-websocket 1.1 safe to serve many browsers with.

Measured faults of its own, and what stands against each here: its ping thread and our sender wrote the socket
at once (a lock); it used `send` and dropped what did not fit (all of it is sent, or the connection ends); a
client that stopped reading was kept for ever (a deadline); every message was compressed for every client
(compression is refused at the handshake); messages had no size limit (one is set); kernel buffers kept stale
frames (a small one is asked for); nothing limits what a client may send meanwhile (an allowance per second).
"""

from __future__ import annotations

import contextlib
import functools
import select
import socket
import threading
import time
from typing import Any, Protocol

from simple_websocket import ConnectionClosed  # type: ignore[import-untyped]  # it has none

from viewer_server.live.hub import Mailbox

SEND_TIMEOUT_S = 5.0
SEND_BUFFER = 64 * 1024
PING_S = 10
MAX_MESSAGE = 4096
RECEIVE_PER_S = 64 * 1024
WATCH_S = 1.0
GOODBYE_S = 1.0
"""How long a browser has to answer when it is sent away."""

OPTIONS: dict[str, Any] = {
    "ping_interval": PING_S,
    "max_message_size": MAX_MESSAGE,
    # Not waited for at exit, whatever state its client is in.
    "thread_class": functools.partial(threading.Thread, daemon=True),
}
"""For flask-sock, which hands them to simple_websocket.Server."""


class SafeSocket:
    """Stands in for the server's socket; simple-websocket reads and writes through it.

    Args:
        sock: The connection, which stays the server's to close.
        send_timeout: Seconds in which the client must have taken a whole message.
    """

    def __init__(self, sock: socket.socket, send_timeout: float = SEND_TIMEOUT_S) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._sock = sock
        self._send_timeout = send_timeout
        self._lock = threading.Lock()
        self._second = 0
        self._received = 0

    def fileno(self) -> int:
        """For selectors."""
        return self._sock.fileno()

    def recv(self, size: int) -> bytes:
        """Some bytes from the client.

        Raises:
            OSError: The connection is gone, or the client sends more than any page of ours would.
        """
        data = self._sock.recv(size)
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._received = second, 0
        self._received += len(data)
        if self._received > RECEIVE_PER_S:
            self.close()
            raise ConnectionAbortedError("the client floods us")
        return data

    def send(self, data: bytes) -> int:
        """Send all of `data`, alone on the socket meanwhile.

        Raises:
            OSError: The connection is gone, or the client did not take it in time. It is ended: after part
                of a message, nothing else would make sense.
        """
        view = memoryview(data)
        deadline = time.monotonic() + self._send_timeout
        with self._lock:
            while view:
                try:
                    view = view[self._sock.send(view, socket.MSG_DONTWAIT) :]
                except BlockingIOError:
                    self._wait_writable(deadline)
        return len(data)

    def close(self) -> None:
        """End the connection in both directions, waking whoever waits on it; the server frees the socket."""
        with contextlib.suppress(OSError):  # gone already
            self._sock.shutdown(socket.SHUT_RDWR)

    def _wait_writable(self, deadline: float) -> None:
        poll = select.poll()
        poll.register(self._sock, select.POLLOUT)
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            self.close()
            raise TimeoutError("the client does not read")


def refuse_compression(environ: dict[str, Any]) -> None:
    """Take the client's offer of extensions out of a handshake, so that none is agreed on."""
    environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)


def wrap(environ: dict[str, Any]) -> SafeSocket:
    """Put a `SafeSocket` where simple-websocket will look for the server's socket."""
    safe = SafeSocket(environ["gunicorn.socket"])
    environ["gunicorn.socket"] = safe
    return safe


class Listener(Protocol):
    """What to do with what the browser says."""

    def __call__(self, message: str | bytes, /) -> None:
        """Take in one message."""


def serve(ws: Any, sock: SafeSocket, mailbox: Mailbox, listener: Listener) -> None:
    """Send a mailbox to a browser until one of them is closed; runs in the request's thread.

    Args:
        ws: simple_websocket.Server; its event is the one that wakes the mailbox.
        sock: The socket under it.
        mailbox: What to send.
        listener: Called with each message from the browser.
    """
    try:
        while mailbox.closing is None and ws.connected and ws.thread.is_alive():
            # Not for ever: simple-websocket wakes us before it notes that a connection has ended.
            ws.event.wait(WATCH_S)
            # First cleared, then looked at everything that could have set it: nothing is missed.
            ws.event.clear()
            while (message := ws.receive(timeout=0)) is not None:
                listener(message)
            while mailbox.closing is None and (payload := mailbox.take()) is not None:
                sock.send(payload)
        if mailbox.closing is not None:
            ws.close(*mailbox.closing)
            ws.thread.join(GOODBYE_S)
    except (ConnectionClosed, OSError):
        pass  # the browser went away, or was sent away
    finally:
        sock.close()
