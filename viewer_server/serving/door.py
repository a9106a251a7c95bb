"""Lets clients in: one thread reads requests from all connections, and threads get whole ones only.

So a client that is slow, silent or never reads costs a descriptor and some memory for some seconds, and no
thread. Every wait has a deadline, every number a bound. When there are too many connections, those give way
that do least, first of the network that has most. `/health` has a thread of its own, and so has a websocket.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import queue
import selectors
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from viewer_server.serving.answering import Answering
from viewer_server.serving.connection import Connection, Doing
from viewer_server.serving.incoming import Incoming, Unreadable
from viewer_server.serving.outlet import Outlet
from viewer_server.serving.peers import Peers
from viewer_server.serving.refusals import refusal
from viewer_server.serving.turns import Turns

log = logging.getLogger("darner.viewer")

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
AT_ONCE = 64 * 1024
"""Bytes read, and kept by the kernel for each connection."""
SMALL_BODY = 64 * 1024
ACCEPTED_AT_ONCE = 16
"""So few that a flood of connections leaves time to read from those that are there."""


RANK = {
    Doing.LEAVING: 0,
    Doing.IDLE: 1,
    Doing.ARRIVING: 1,
    Doing.SENDING: 2,
    Doing.WAITING: 3,
    Doing.WORKING: 5,
}
"""The lowest give way first; among equals, the one that has been so for longest."""
SERVED_S = 1.0
"""By so much a connection that was answered counts as younger than one that never asked for anything."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client may take. Times are seconds.

    Attributes:
        head_s: For a request's head, from the first byte to the last.
        body_s: For its body.
        idle_s: Between two requests.
        leave_s: To read what it was told at the end.
        grace_s: To begin to read an answer.
        least_rate: Bytes of the answer that it must take in a second after that.
        body: Bytes of a body.
        bodies: Bytes of all bodies that are on their way.
        connections: Connections besides websockets.
        each: Of these, connections of one network.
        threads: Threads for ordinary requests.
        threads_each: Of these, threads for one network.
        browsers: Websockets.
        browsers_each: Of these, websockets of one network.
    """

    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 5.0
    leave_s: float = 2.0
    grace_s: float = 10.0
    least_rate: float = 16 * 1024
    body: int = 1_048_576
    bodies: int = 16 * 1_048_576
    connections: int = 160
    each: int = 64
    threads: int = 16
    threads_each: int = 8
    browsers: int = 116
    browsers_each: int = 90


class Door:
    """Everything between the listening sockets and the application.

    Args:
        listeners: Listening sockets.
        cfg: gunicorn's configuration.
        app: The WSGI application.
        peers: Tells who asks.
        limits: What a client may take.
        count: Called with the reason when a connection is cut or a request refused.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        listeners: list[Any],
        cfg: Any,
        app: Any,
        peers: Peers,
        limits: Limits,
        count: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listeners = listeners
        self._cfg = cfg
        self._peers = peers
        self._limits = limits
        self._count = count
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._connections: set[Connection] = set()
        self._owners: Counter[str] = Counter()
        self._browsers: Counter[str] = Counter()
        self._news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake_up, self._waker = os.pipe()
        self._swept = clock()
        self._said = -60.0
        self._answering = Answering(cfg, app)
        self._ordinary = Turns(self._answer, limits.threads, limits.threads_each, "request")
        self._healths = Turns(self._answer, 1, 1, "health")

    def open(self, *more: int) -> None:
        """Begin to listen.

        Args:
            more: Descriptors that end a wait when they can be read, such as one that signals write to.
        """
        for descriptor in (self._wake_up, *more):
            os.set_blocking(descriptor, False)
            self._selector.register(descriptor, READ, partial(self._drain, descriptor))
        os.set_blocking(self._waker, False)
        for listener in self._listeners:
            listener.setblocking(False)
            self._selector.register(listener, READ, partial(self._accept, listener))

    def turn(self, timeout_s: float = 1.0) -> None:
        """Wait for something to happen, and let it."""
        wait_s = min(timeout_s, 0.25) if self._connections else timeout_s
        for key, events in self._selector.select(wait_s):
            if isinstance(key.data, Connection):
                self._happened(key.data, events)
            else:
                key.data()
        with contextlib.suppress(queue.Empty):
            while True:
                self._news.get_nowait()()
        if self._clock() - self._swept >= 0.25:
            self._swept = self._clock()
            self._sweep()

    @property
    def is_empty(self) -> bool:
        """Whether nobody is connected, and no browser."""
        return not self._connections and not self._browsers

    def stop_listening(self) -> None:
        """Let nobody else in, and close what waits for nothing; answers in the making are still sent."""
        self._answering.is_last = True
        for listener in self._listeners:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(listener)
        for connection in list(self._connections):
            if connection.doing in (Doing.IDLE, Doing.ARRIVING, Doing.LEAVING):
                self._drop(connection)

    def close(self) -> None:
        """Close everything."""
        self._ordinary.close()
        self._healths.close()
        for connection in list(self._connections):
            self._drop(connection)
        self._selector.close()
        for listener in self._listeners:
            listener.close()

    # From here on: called in the door's own thread, unless it says otherwise.

    def _drain(self, descriptor: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(descriptor, 4096)

    def _tell(self, news: Callable[[], None]) -> None:
        """Have something done in the door's thread; called in any other."""
        self._news.put(news)
        with contextlib.suppress(OSError):  # full: it is awake already; or closed
            os.write(self._waker, b"\0")

    def _accept(self, listener: Any) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                sock, peer = listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._make_room("descriptors", self._idlest(self._connections))
                return
            self._take_in(sock, peer[:2])

    def _take_in(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        sock.setblocking(False)
        for level, option, value in (
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_RCVBUF, AT_ONCE),
            (socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * AT_ONCE),
        ):
            sock.setsockopt(level, option, value)
        now, limits = self._clock(), self._limits
        connection = Connection(sock, peer, Incoming(self._cfg, peer, limits.body), now)
        remains = partial(self._tell, partial(self._watch_writing, connection))
        connection.outlet = Outlet(sock, remains, limits.grace_s, limits.least_rate, self._clock)
        self._connections.add(connection)
        self._owners[connection.owner] += 1
        self._expect(connection)
        self._read(connection)  # a request that is here already is safe from those that come behind it
        mine = self._owners[connection.owner]
        if mine > limits.each and not self._peers.is_proxy(peer[0]):
            self._give_way(connection.owner, "address")
        elif len(self._connections) > limits.connections:
            self._give_way(self._owners.most_common(1)[0][0], "connections")

    def _expect(self, connection: Connection) -> None:
        """Wait for a request."""
        self._now(connection, Doing.ARRIVING, self._limits.head_s)
        self._watch(connection, READ)

    def _now(self, connection: Connection, doing: Doing, seconds: float) -> None:
        connection.doing = doing
        connection.changed = self._clock()
        connection.deadline = connection.changed + seconds

    def _watch(self, connection: Connection, events: int) -> None:
        if events == connection.watched:
            return
        if not events:
            self._selector.unregister(connection.sock)
        elif connection.watched:
            self._selector.modify(connection.sock, events, connection)
        else:
            self._selector.register(connection.sock, events, connection)
        connection.watched = events

    def _watch_writing(self, connection: Connection) -> None:
        if connection in self._connections and connection.outlet.left:
            self._watch(connection, WRITE)

    def _happened(self, connection: Connection, events: int) -> None:
        if connection not in self._connections:
            return  # dropped by what happened just before
        if events & WRITE:
            self._write(connection)
        elif events & READ:
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
        elif connection.doing is Doing.LEAVING:
            connection.discarded += len(data)
            if connection.discarded > 16 * self._limits.body:
                self._drop(connection)
        else:
            if connection.doing is Doing.IDLE:
                self._now(connection, Doing.ARRIVING, self._limits.head_s)
            connection.incoming.buffer += data
            self._advance(connection)

    def _advance(self, connection: Connection) -> None:
        """Go on with what has arrived."""
        incoming = connection.incoming
        headless = incoming.request is None
        try:
            is_whole = incoming.is_whole()
        except Unreadable as reason:
            self._refuse(connection, reason.status, reason.detail)
            return
        if is_whole:
            self._hand_over(connection)
            return
        if headless and incoming.request is not None:
            self._now(connection, Doing.ARRIVING, self._limits.body_s)
            if incoming.expects_continue:
                connection.outlet.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(incoming.buffer) > SMALL_BODY:
            self._bound_bodies(connection)

    def _bound_bodies(self, newest: Connection) -> None:
        """Keep the sum of all bodies that are on their way below its limit."""
        large = [c for c in self._connections if len(c.incoming.buffer) > SMALL_BODY]
        if sum(len(c.incoming.buffer) for c in large) > self._limits.bodies:
            others = [c for c in large if c is not newest and c.doing is Doing.ARRIVING]
            oldest = min(others, key=lambda c: c.changed, default=newest)
            self._count("bodies")
            self._refuse(oldest, 503, "too many uploads at once; try again", retry_after_s=5)

    def _hand_over(self, connection: Connection) -> None:
        """Give a whole request to a thread."""
        in_chunks = connection.incoming.in_chunks
        connection.request = request = connection.incoming.take()
        if in_chunks:  # two have read its lengths: what follows is not trusted
            request.force_close()
        self._watch(connection, 0)
        connection.asker = self._peers.asker(connection.peer[0], request)
        headers = {name: value.lower() for name, value in request.headers}
        if headers.get("UPGRADE") == "websocket" and request.path.endswith("/ws"):
            self._seat(connection)
            return
        connection.is_health = request.path.endswith("/health") and request.method in ("GET", "HEAD")
        self._now(connection, Doing.WAITING, float("inf"))
        (self._healths if connection.is_health else self._ordinary).add(connection.asker, connection)

    def _seat(self, connection: Connection) -> None:
        """Give a browser a thread of its own, as long as there is room."""
        limits = self._limits
        if connection.incoming.buffer:
            self._refuse(connection, 400, "a websocket's client waits for the answer before it sends")
        elif self._browsers.total() >= limits.browsers:
            self._count("browsers")
            self._refuse(connection, 503, "too many browsers (http.max_browsers)", retry_after_s=5)
        elif self._browsers[connection.asker] >= limits.browsers_each:
            self._count("browsers")
            detail = "too many browsers of this address; a part of http.max_browsers is kept for others"
            self._refuse(connection, 429, detail, retry_after_s=5)
        else:
            self._forget(connection)
            self._browsers[connection.asker] += 1
            connection.doing = Doing.BROWSING
            threading.Thread(target=self._browse, args=(connection,), name="browser", daemon=True).start()

    def _browse(self, connection: Connection) -> None:
        """In a thread of its own."""
        try:
            connection.sock.setblocking(True)
            self._answering.websocket(connection)
        finally:
            self._tell(partial(self._left, connection))

    def _left(self, connection: Connection) -> None:
        connection.sock.close()
        self._browsers[connection.asker] -= 1
        if not self._browsers[connection.asker]:
            del self._browsers[connection.asker]

    def _answer(self, connection: Connection) -> None:
        """In one of the threads for requests."""
        connection.doing = Doing.WORKING
        keep = False
        try:
            keep = self._answering.request(connection)
        finally:
            self._tell(partial(self._answered, connection, keep))

    def _answered(self, connection: Connection, keep: bool) -> None:
        if connection not in self._connections:
            return
        connection.keep = keep
        connection.request = None
        self._now(connection, Doing.SENDING, float("inf"))
        if connection.outlet.broken:
            self._drop(connection)
        elif connection.outlet.left:
            self._watch(connection, WRITE)
        else:
            self._sent(connection)

    def _write(self, connection: Connection) -> None:
        if not connection.outlet.flush():
            return
        self._watch(connection, 0)
        if connection.doing is Doing.SENDING:
            self._sent(connection)

    def _sent(self, connection: Connection) -> None:
        """The whole answer is sent."""
        connection.served += 1
        if connection.outlet.broken:
            self._drop(connection)
        elif not connection.keep or self._answering.is_last:
            self._leave(connection)
        elif connection.incoming.buffer:  # the next request came with the last one
            self._expect(connection)
            self._advance(connection)
        else:
            self._now(connection, Doing.IDLE, self._limits.idle_s)
            self._watch(connection, READ)

    def _leave(self, connection: Connection) -> None:
        """Close our side, and read on for a while: a reset would take the answer from the client."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(connection)
            return
        self._now(connection, Doing.LEAVING, self._limits.leave_s)
        connection.incoming.buffer.clear()
        self._watch(connection, READ)

    def _refuse(
        self, connection: Connection, status: int, detail: str, retry_after_s: int | None = None
    ) -> None:
        data = refusal(status, detail, as_problem=connection.incoming.wants_api, retry_after_s=retry_after_s)
        with contextlib.suppress(OSError):
            connection.outlet.sendall(data)
        self._answered(connection, keep=False)

    def _drop(self, connection: Connection) -> None:
        if connection.outlet.left or connection.outlet.broken:
            # A reset, so that the kernel does not go on with what it holds for this client.
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.outlet.cut()
        self._forget(connection)
        connection.sock.close()

    def _forget(self, connection: Connection) -> None:
        if connection in self._connections:
            self._watch(connection, 0)
            self._connections.remove(connection)
            self._owners[connection.owner] -= 1
            if not self._owners[connection.owner]:
                del self._owners[connection.owner]

    def _give_way(self, owner: str, why: str) -> None:
        mine = (c for c in self._connections if c.owner == owner)
        self._make_room(why, self._idlest(mine))

    def _idlest(self, among: Any) -> Iterator[Connection]:
        return iter(sorted(among, key=_worth))

    def _make_room(self, why: str, candidates: Iterator[Connection]) -> None:
        """Cut the first connection that no thread works for."""
        self._count(why)
        if self._clock() - self._said > 60:
            self._said = self._clock()
            log.warning("too many connections (%s): those that do least are cut", why)
        for connection in candidates:
            if connection.doing is Doing.WAITING:
                lanes = (self._ordinary, self._healths)
                if any(lane.withdraw(connection.asker, connection) for lane in lanes):
                    self._refuse(connection, 503, "too many requests at once; try again", retry_after_s=5)
                    return
            elif connection.doing < Doing.WAITING:
                self._drop(connection)
                return

    def _sweep(self) -> None:
        now = self._clock()
        for connection in list(self._connections):
            if connection.outlet.is_late:
                self._count("reading")
                self._cut_late(connection)
            elif now > connection.deadline:
                if connection.doing is Doing.ARRIVING and connection.incoming.buffer:
                    self._count("sending")
                    self._refuse(connection, 408, "the request took too long to arrive; send it again")
                else:
                    self._drop(connection)

    def _cut_late(self, connection: Connection) -> None:
        if connection.doing is Doing.WORKING:
            connection.outlet.cut()  # its thread is told, and ends it
        else:
            self._drop(connection)


def _worth(connection: Connection) -> tuple[int, int, float]:
    if connection.doing is Doing.WAITING:
        # One that has got much steps back; /health is asked by those who watch over us.
        return RANK[Doing.WAITING] + connection.is_health, -connection.served, connection.changed
    served_s = SERVED_S if connection.doing is Doing.IDLE else 0.0
    return RANK[connection.doing], 0, connection.changed + served_s
