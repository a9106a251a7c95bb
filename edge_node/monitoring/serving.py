"""A small HTTP server for monitors: one thread, a bounded number of connections, and a deadline for each.

It answers GET and HEAD with a few pages, each on a connection of its own. Clients that are slow, silent or
many take a bounded share of memory, descriptors and processor. (Prometheus' own library has a server, too. It
starts a thread for every connection, has no limit of connections, and no deadline.)
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import logging
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from urllib.parse import urlsplit

from shared.errors import ConfigError

log = logging.getLogger("darner.http")

CONNECTIONS = 32
"""Connections at the same time. With one more, the oldest of the address that has most gives way."""
HEAD_BYTES = 8192
WITHIN_S = 5.0
"""How long a connection may take from its beginning to its end, seconds."""
READ_PAUSE_S = 0.05
"""Least time between two reads of a connection, seconds: sending byte by byte wakes the server seldom."""
PAUSE_S = 5e-3
"""Least time between two new connections, seconds: however many come, the pipeline keeps the processor."""
_BACKLOG = 128
_LINGER_BYTES = 65_536
_REQUEST = re.compile(rb"([A-Z]{1,16}) (\S{1,2048}) HTTP/1\.[0-9]\r\n")
_TAKES_GZIP = re.compile(
    rb"\r\naccept-encoding:[^\r\n]*\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|\r))", re.IGNORECASE
)
_WORTH_GZIP = 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page says.

    Attributes:
        body: Its bytes.
        status: HTTP status code.
        content_type: As HTTP names it.
        headers: Further headers.
    """

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] | None = None


def as_json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer in JSON, for people too."""
    return Answer(json.dumps(content, ensure_ascii=False).encode() + b"\n", status, headers=headers)


class HttpServer:
    """Answers until it is left; `with` opens the port and starts the thread.

    No watchdog looks at the thread: it waits for sockets only, and whoever asks notices when it is silent.

    Args:
        host: Address to listen on.
        port: 0 takes a free one.
        pages: What answers, by path. It is called in the server's thread, and must not wait.

    Attributes:
        port: The port in use.

    Raises:
        ConfigError: On entering: the port cannot be opened.
    """

    def __init__(self, host: str, port: int, pages: Mapping[str, Callable[[], Answer]]) -> None:
        self._host, self.port, self._pages = host, port, pages
        self._open: dict[asyncio.Task[None], str] = {}
        self._newest_zipped: tuple[bytes, bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def __enter__(self) -> HttpServer:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        both = self._host == "::" and socket.has_dualstack_ipv6()
        try:
            self._listener = socket.create_server(
                (self._host, self.port), family=family, backlog=_BACKLOG, dualstack_ipv6=both
            )
        except OSError as error:
            reason, _, _ = (error.strerror or str(error)).partition(" (while ")  # the address follows
            why = f"{self._host}:{self.port}: {reason}"
            raise ConfigError(f"prometheus: {why}; choose another prometheus.port or host") from None
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._accepting = self._loop.create_task(self._accept())
        self._thread.start()
        host = f"[{self._host}]" if ":" in self._host else self._host
        log.info("answers %s at http://%s:%d", ", ".join(self._pages), host, self.port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._accepting.cancel)
        self._thread.join(WITHIN_S)
        self._listener.close()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._accepting)
            self._loop.run_until_complete(self._cut_all())

    async def _cut_all(self) -> None:
        cut = list(self._open)
        for task in cut:
            task.cancel()
        await asyncio.gather(*cut, return_exceptions=True)

    async def _accept(self) -> None:
        while True:
            try:
                sock, peer = await self._loop.sock_accept(self._listener)
            except OSError:  # no descriptor is left, or the client has gone already
                await asyncio.sleep(0.1)
                continue
            if len(self._open) >= CONNECTIONS:
                self._give_way()
            task = self._loop.create_task(self._exchange(sock))
            self._open[task] = peer[0]
            task.add_done_callback(lambda done: self._open.pop(done, None))
            await asyncio.sleep(PAUSE_S)

    def _give_way(self) -> None:
        """Cut the oldest connection of the address that has most."""
        (greediest, _), *_ = Counter(self._open.values()).most_common(1)
        oldest = next(task for task, peer in self._open.items() if peer == greediest)
        oldest.cancel()
        del self._open[oldest]

    async def _exchange(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(asyncio.TimeoutError, OSError):
            await asyncio.wait_for(self._talk(sock), WITHIN_S)

    async def _talk(self, sock: socket.socket) -> None:
        head = await self._head(sock)
        if head is None:
            return
        await self._loop.sock_sendall(sock, self._answer(head))
        sock.shutdown(socket.SHUT_WR)
        left = _LINGER_BYTES
        while left > 0 and (more := await self._loop.sock_recv(sock, _LINGER_BYTES)):
            left -= len(more)  # a socket closed with unread bytes would take the answer from the client
            await asyncio.sleep(READ_PAUSE_S)

    async def _head(self, sock: socket.socket) -> bytes | None:
        """The request up to its empty line, or what is too long; None if the client has gone."""
        head = b""
        while more := await self._loop.sock_recv(sock, HEAD_BYTES + 4):
            head += more
            if b"\r\n\r\n" in head or len(head) > HEAD_BYTES:
                return head
            await asyncio.sleep(READ_PAUSE_S)
        return None

    def _answer(self, head: bytes) -> bytes:
        """The bytes of the answer to a request."""
        request = _REQUEST.match(head)
        is_head = request is not None and request[1] == b"HEAD"
        answer = self._page(head, request)
        body, headers = answer.body, {"Content-Type": answer.content_type, **(answer.headers or {})}
        if len(body) >= _WORTH_GZIP:
            headers["Vary"] = "Accept-Encoding"
            if _TAKES_GZIP.search(head):
                body, headers["Content-Encoding"] = self._zipped(body), "gzip"
        headers |= {
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }
        status = HTTPStatus(answer.status)
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if is_head else body)

    def _zipped(self, body: bytes) -> bytes:
        """A body compressed: once, however many ask for the same one."""
        if self._newest_zipped is None or self._newest_zipped[0] is not body:
            self._newest_zipped = body, gzip.compress(body, 1)
        return self._newest_zipped[1]

    def _page(self, head: bytes, request: re.Match[bytes] | None) -> Answer:
        if b"\r\n\r\n" not in head[: HEAD_BYTES + 4]:
            return as_json({"error": f"the request's head is longer than {HEAD_BYTES} bytes"}, 431)
        if request is None:
            return as_json({"error": "not a request that HTTP/1.1 knows"}, 400)
        if request[1] not in (b"GET", b"HEAD"):
            return as_json({"error": "only GET and HEAD are answered"}, 405, {"Allow": "GET, HEAD"})
        try:
            page = self._pages.get(urlsplit(request[2].decode("ascii", "replace")).path)
        except ValueError:  # such as an unfinished IPv6 address
            page = None
        if page is None:
            return as_json({"error": f"there is nothing but {', '.join(self._pages)}"}, 404)
        try:
            return page()
        except Exception:
            log.exception("%s failed", request[2].decode("ascii", "replace"))
            return as_json({"error": "the node failed; its log says why"}, 500)
