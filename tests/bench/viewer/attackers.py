"""Clients that mean harm: they keep a number of connections open, and open a new one for each that is cut.

python tests/bench/viewer/attackers.py PORT KIND COUNT [--seconds 20] [--address 127.0.0.1]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
GET = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HALF = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECTING = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n"
TLS = bytes.fromhex("16030100c8010000c40303") + bytes(range(190))


@dataclass(frozen=True)
class Kind:
    """What one attacker does.

    Attributes:
        first: Sent at once.
        then: Sent again and again, a little at a time.
        every_s: How often.
        reads: Whether answers are read.
        resets: Whether the connection is reset as soon as it has sent.
    """

    first: bytes = b""
    then: Callable[[], bytes] = field(default=lambda: b"")
    every_s: float = 1.0
    reads: bool = False
    resets: bool = False


def _line() -> bytes:
    return b"X-%d: 1" % random.randrange(10)  # a line of a head that never ends; its end never comes


KINDS = {
    "silent": Kind(),
    "half-open": Kind(HALF),
    "dripping-head": Kind(HALF, _line, 0.5),
    "dripping-body": Kind(
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 1000\r\n\r\n",
        lambda: b"p",
        0.5,
    ),
    "never-reading": Kind(GET % b"/static/style.css" * 40),
    "pipelining": Kind(GET % b"/health" * 50, lambda: GET % b"/health" * 50, 0.2, reads=True),
    "garbage": Kind(TLS, lambda: random.randbytes(200), 0.2, reads=True),
    "handshakes": Kind(HANDSHAKE),
    "tiny-chunks": Kind(CHUNKED + b"1\r\nx\r\n" * 30_000 + b"0\r\n\r\n", reads=True),
    "resets": Kind(EXPECTING, resets=True),
}


class Attack:
    """Keeps connections of one kind open.

    Args:
        port: Of the viewer, on loopback.
        kind: A key of `KINDS`.
        count: Number of connections.
        address: Where they come from.
    """

    def __init__(self, port: int, kind: str, count: int, address: str = "127.0.0.1") -> None:
        self._port = port
        self._kind = KINDS[kind]
        self._count = count
        self._address = address
        self._selector = selectors.DefaultSelector()
        self._open: set[socket.socket] = set()
        self._due = 0.0
        self.cut = 0

    def turn(self) -> None:
        """Open what is missing, send what is due, read what came."""
        for _ in range(min(100, self._count - len(self._open))):
            self._add()
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + self._kind.every_s
            for sock in list(self._open):
                self._send(sock, self._kind.then())
        for key, _ in self._selector.select(0.02):
            self._read(key.fileobj)  # type: ignore[arg-type]  # only sockets are registered

    def close(self) -> None:
        """Hang up."""
        for sock in list(self._open):
            self._drop(sock)
        self._selector.close()

    def _add(self) -> None:
        sock = socket.socket()
        if not self._kind.reads:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.bind((self._address, 0))
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            sock.connect(("127.0.0.1", self._port))
        self._open.add(sock)
        self._selector.register(sock, selectors.EVENT_READ)
        self._send(sock, self._kind.first)
        if self._kind.resets and sock in self._open:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._drop(sock)

    def _send(self, sock: socket.socket, data: bytes) -> None:
        try:
            if data:
                sock.send(data)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(sock)

    def _read(self, sock: socket.socket) -> None:
        if not self._kind.reads:
            # Look whether it was cut, and leave the data where it is.
            try:
                if sock.recv(1, socket.MSG_PEEK):
                    self._selector.unregister(sock)
                    return
            except OSError:
                pass
            self._drop(sock)
            return
        try:
            if sock.recv(65_536):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        self.cut += 1
        self._open.discard(sock)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(sock)
        sock.close()


@contextmanager
def attacking(port: int, kind: str, count: int, address: str = "127.0.0.1") -> Iterator[Attack]:
    """An attack in a thread of its own, until the end of the block."""
    attack, stop = Attack(port, kind, count, address), threading.Event()

    def run() -> None:
        while not stop.is_set():
            attack.turn()
        attack.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield attack
    finally:
        stop.set()
        thread.join()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("count", type=int)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--address", default="127.0.0.1")
    given = parser.parse_args()
    with attacking(given.port, given.kind, given.count, given.address):
        time.sleep(given.seconds)
    os._exit(0)


if __name__ == "__main__":
    main()
