"""Many browsers in one process: raw websockets on one epoll loop, which read, count and do nothing else.

python tests/bench/viewer/clients.py PORT COUNT [--warm 4] [--seconds 10] [--inflate N] [--never-reading N]

A message's age is the time since the `captured_us` in it. Each gives credit as the page does. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import socket
import struct
import time
import zlib

import numpy as np

HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
CAPTURED = re.compile(rb'"captured_us":\s*(\d+)')
BEGINNING = 700
"""Bytes of a message in which the time is."""
WINDOW, GRANT = 6, 3
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def masked(opcode: int, payload: bytes) -> bytes:
    """A short frame from a client; the mask of zeros leaves the payload as it is."""
    return struct.pack("!BB4x", 0x80 | opcode, 0x80 | len(payload)) + payload


def ready(frames: int) -> bytes:
    """Credit for more frames."""
    return masked(TEXT, json.dumps({"type": "ready", "frames": frames}).encode())


class Browser:
    """One connection and what has come over it."""

    def __init__(self, port: int, inflates: bool) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.sendall(HANDSHAKE.format(port=port).encode())
        self.frames = 0
        self.ages_ms: list[float] = []
        self._greeting = b""
        self._head = b""
        self._left = 0
        self._opcode = 0
        self._kept = bytearray()
        self._owed = 0
        self._inflate = zlib.decompressobj(-15) if inflates else None
        self.sock.setblocking(False)

    def read(self, data: memoryview, now_us: float) -> None:
        """Take in what the kernel had."""
        if not self._greeting.endswith(b"\r\n\r\n"):
            data = self._greet(data)
        at, size = 0, len(data)
        while at < size:
            if not self._left:
                at = self._begin(data, at)
                if self._head:
                    return  # the rest of it is on its way
                if not self._left:
                    self._end(now_us)  # empty, as pings are
                    continue
            part = min(self._left, size - at)
            room = part if self._inflate else min(part, BEGINNING - len(self._kept))
            if room > 0:
                self._kept += data[at : at + room]
            at += part
            self._left -= part
            if not self._left:
                self._end(now_us)

    def _greet(self, data: memoryview) -> memoryview:
        whole = self._greeting + bytes(data)
        head, end, rest = whole.partition(b"\r\n\r\n")
        self._greeting = head + end
        if end:
            if b" 101 " not in head:
                raise ConnectionError(head[:200].decode())
            self.sock.sendall(ready(WINDOW))
        return memoryview(rest)

    def _begin(self, data: memoryview, at: int) -> int:
        """Read a frame's head, as far as it is here; where its payload begins."""
        while at < len(data):
            self._head += bytes(data[at : at + 1])
            at += 1
            if len(self._head) < 2:
                continue
            short = self._head[1] & 0x7F
            needed = 2 + {126: 2, 127: 8}.get(short, 0)
            if len(self._head) == needed:
                self._opcode = self._head[0] & 0x0F
                self._left = int.from_bytes(self._head[2:], "big") if needed > 2 else short
                self._head = b""
                self._kept.clear()
                return at
        return at

    def _end(self, now_us: float) -> None:
        if self._opcode == PING:
            self.sock.sendall(masked(PONG, bytes(self._kept)))
            return
        if self._opcode == CLOSE:
            raise ConnectionError(bytes(self._kept[2:]).decode("utf-8", "replace"))
        text = bytes(self._kept)
        if self._inflate is not None:
            text = self._inflate.decompress(text + b"\x00\x00\xff\xff")
        found = CAPTURED.search(text[:BEGINNING]) if self._opcode == BINARY or self._inflate else None
        if self._opcode == BINARY or (self._opcode == TEXT and self._is_frame):
            self.frames += 1
            self._owed += 1
            if self._owed == GRANT:
                self.sock.send(ready(GRANT))
                self._owed = 0
            if found:
                self.ages_ms.append((now_us - int(found[1])) / 1e3)

    @property
    def _is_frame(self) -> bool:
        """The plain server sends text alone, and nothing but frames."""
        return b"Sec-WebSocket-Extensions" in self._greeting


def never_reading(port: int) -> socket.socket:
    """A browser that asks for frames and takes none."""
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect(("127.0.0.1", port))
    stuck.sendall(HANDSHAKE.format(port=port).encode() + ready(16) + ready(16))
    return stuck


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Connect, wait, measure."""
    poll = select.epoll()
    browsers = {}
    for number in range(arguments.count):
        browser = Browser(arguments.port, number < arguments.inflate)
        browsers[browser.sock.fileno()] = browser
        poll.register(browser.sock, select.EPOLLIN)
    stuck = [never_reading(arguments.port) for _ in range(arguments.never_reading)]
    buffer = bytearray(1 << 18)
    view = memoryview(buffer)
    start = time.monotonic() + arguments.warm
    end = start + arguments.seconds
    began: list[int] = []
    renew = time.monotonic() + 2
    cpu = time.process_time()
    while (now := time.monotonic()) < end:
        if not began and now >= start:
            began = [browser.frames for browser in browsers.values()]
            for browser in browsers.values():
                browser.ages_ms.clear()
            cpu = time.process_time()
        if stuck and now > renew:  # the server drops it after 5 s: always have one that still stands
            stuck = [stuck[-1], never_reading(arguments.port)]
            renew = now + 2
        for descriptor, _ in poll.poll(0.05):
            browser = browsers[descriptor]
            try:
                size = browser.sock.recv_into(buffer)
                if not size:
                    raise ConnectionError("the server hung up")
                browser.read(view[:size], time.time() * 1e6)
            except BlockingIOError:
                continue
            except ConnectionError as error:
                return {"browsers": arguments.count, "failed": str(error)}
    fps = [(b.frames - a) / arguments.seconds for a, b in zip(began, browsers.values(), strict=True)]
    ages = np.concatenate([browser.ages_ms for browser in browsers.values()] or [[np.nan]])
    quantiles = np.percentile(ages, [50, 95, 99]).round(1).tolist() if len(ages) else [None] * 3
    return {
        "browsers": arguments.count,
        "fps_min": round(min(fps), 2),
        "fps_mean": round(float(np.mean(fps)), 2),
        **dict(zip(("age_p50_ms", "age_p95_ms", "age_p99_ms"), quantiles, strict=True)),
        "clients_cpu": round((time.process_time() - cpu) / arguments.seconds, 2),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--warm", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--inflate", type=int, default=0, help="how many of them decompress, for their age")
    parser.add_argument("--never-reading", type=int, default=0)
    print(json.dumps(run(parser.parse_args())), flush=True)
    os._exit(0)  # closing hundreds of sockets in order takes longer than the kernel does


if __name__ == "__main__":
    main()
