"""Makes simple-websocket 1.1 safe for many browsers. These faults were measured, and each has a remedy here.

- Its ping thread and our sender wrote to the socket at the same time: a lock.
- It dropped what did not fit into one `send`: all of it is sent, or the connection ends.
- A client that stopped reading was never dropped: a deadline.
- Every message was compressed for every client: compression is refused at the handshake.
- Messages had no size limit: one is set.
- Kernel buffers kept stale frames: a small buffer is asked for.
- A client could send without limit: an allowance per second.
"""

from __future__ import annotations

import contextlib
import functools
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from simple_websocket import ConnectionClosed  # type: ignore[import-untyped]  # it has no types

from viewer_server.live.mailbox import Mailbox

SEND_TIMEOUT_S = 5.0
SEND_BUFFER = 64 * 1024
PING_S = 10
MAX_MESSAGE = 144 * 1024
"""Bytes; as many cameras as a browser may name, with the longest names, take 137 KiB."""
RECEIVE_PER_S = 2 * MAX_MESSAGE
"""Bytes a second; a page that opens says what it shows and what it watches in the same moment."""
WATCH_S = 1.0
CHECK_S = 2.0
"""Seconds after which a browser's right to stay is looked at again, whether it says anything or not."""
GOODBYE_S = 1.0
"""How long a browser has to answer when its connection is closed."""

OPTIONS: dict[str, Any] = {
    "ping_interval": PING_S,
    "max_message_size": MAX_MESSAGE,
    # A daemon, so that the exit waits for no client.
    "thread_class": functools.partial(threading.Thread, daemon=True),
}
"""Options that flask-sock hands to simple_websocket.Server."""


class SafeSocket:
    """Takes the place of the server's socket: simple-websocket reads and writes through it.

    Args:
        sock: The connection; the server closes it.
        send_timeout: Seconds in which the client must take a whole message.
    """

    def __init__(self, sock: socket.socket, send_timeout: float = SEND_TIMEOUT_S) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._sock = sock
        self._send_timeout = send_timeout
        self._lock = threading.Lock()
        self._second = 0
        self._received = 0

    def fileno(self) -> int:
        """The socket's descriptor, for selectors."""
        return self._sock.fileno()

    def recv(self, size: int) -> bytes:
        """Some bytes from the client.

        Raises:
            OSError: The connection is gone, or the client sends more than our page ever would.
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
        """Send all of `data`, while no other thread sends.

        Raises:
            OSError: The connection is gone, or the client did not take `data` in time. Then the connection is
                ended: after a part of a message, nothing else makes sense.
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
        """End the connection in both directions, which wakes waiting threads; the server frees the socket."""
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
    """Remove the client's offer of extensions from a handshake, so that none is agreed on."""
    environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)


def wrap(environ: dict[str, Any]) -> SafeSocket:
    """Put a `SafeSocket` where simple-websocket looks for the server's socket."""
    safe = SafeSocket(environ["gunicorn.socket"])
    environ["gunicorn.socket"] = safe
    return safe


class Listener(Protocol):
    """Handles what a browser sends."""

    def __call__(self, message: str | bytes, /) -> None:
        """Handle one message."""


def serve(ws: Any, sock: SafeSocket, mailbox: Mailbox, listener: Listener, check: Callable[[], None]) -> None:
    """Send a mailbox to a browser until either is closed; runs in the request's thread.

    Args:
        ws: simple_websocket.Server; the mailbox sets its event.
        sock: The socket of `ws`.
        mailbox: What to send.
        listener: Called with each message from the browser.
        check: Called every `CHECK_S`; closes the mailbox of a browser that may not stay.
    """
    checked = time.monotonic()
    try:
        while mailbox.closing is None and ws.connected and ws.thread.is_alive():
            # Wait with a limit: simple-websocket sets the event before it notes that a connection has ended.
            ws.event.wait(WATCH_S)
            # Clear the event first, then look for what may have set it, so that nothing is missed.
            ws.event.clear()
            if time.monotonic() - checked >= CHECK_S:
                checked = time.monotonic()
                check()
            while (message := ws.receive(timeout=0)) is not None:
                listener(message)
            while mailbox.closing is None and (payload := mailbox.take()) is not None:
                sock.send(payload)
        if mailbox.closing is not None:
            ws.close(*mailbox.closing)
            ws.thread.join(GOODBYE_S)
    except (ConnectionClosed, OSError):
        pass  # the browser has gone, or its connection was closed
    finally:
        sock.close()
