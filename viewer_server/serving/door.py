"""Lets clients in: one thread reads requests from all connections, and threads get whole ones only.

So a client that is slow, silent or never reads costs a descriptor and some memory for some seconds, and no
thread. Every wait has a deadline, every number a bound. When there are too many connections, those give way
that do least, first of the network that has most. What takes long, and `/health`, have threads of their own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from viewer_server.serving.answering import Answering
from viewer_server.serving.connection import Connection, Doing
from viewer_server.serving.incoming import Incoming, Unreadable
from viewer_server.serving.limits import Limits, lane_of
from viewer_server.serving.listening import Listening
from viewer_server.serving.outlet import Outlet
from viewer_server.serving.peers import Peers
from viewer_server.serving.refusals import refusal
from viewer_server.serving.room import SMALL_BODY, Room
from viewer_server.serving.turns import Turns

log = logging.getLogger("darner.viewer")

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
AT_ONCE = 64 * 1024
"""Bytes read at once."""


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
        self._cfg = cfg
        self._peers = peers
        self._limits = limits
        self._count = count
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._listening = Listening(listeners, self._selector, self._take_in, self._no_descriptor, clock)
        self._room = Room(limits, clock)
        self._news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake_up, self._waker = os.pipe()
        self._swept = clock()
        self._said = -60.0
        self._answering = Answering(cfg, app)
        self._lanes = {
            name: Turns(self._answer, threads, each, name) for name, (threads, each) in limits.lanes.items()
        }

    def open(self, *more: int) -> None:
        """Begin to listen.

        Args:
            more: Descriptors that end a wait when they can be read, such as one that signals write to.
        """
        for descriptor in (self._wake_up, *more):
            os.set_blocking(descriptor, False)
            self._selector.register(descriptor, READ, partial(self._drain, descriptor))
        os.set_blocking(self._waker, False)
        self._listening.open()

    def turn(self, timeout_s: float = 1.0) -> None:
        """Wait for something to happen, and let it."""
        wait_s = min(timeout_s, 0.25) if self._room else timeout_s
        for key, events in self._selector.select(self._listening.wait_s(wait_s)):
            if isinstance(key.data, Connection):
                self._happened(key.data, events)
            else:
                key.data()
        self._hear()
        if self._clock() - self._swept >= 0.25:
            self._swept = self._clock()
            self._sweep()

    @property
    def is_empty(self) -> bool:
        """Whether nobody is connected, and no browser."""
        return not self._room and not self._room.browsers

    def stop_listening(self) -> None:
        """Let nobody else in, and close what waits for nothing; answers in the making are still sent."""
        self._answering.is_last = True
        self._listening.stop()
        for connection in self._room:
            if connection.doing in (Doing.IDLE, Doing.ARRIVING, Doing.LEAVING):
                self._drop(connection)

    def close(self) -> None:
        """Close everything."""
        for lane in self._lanes.values():
            lane.close()
        for connection in self._room:
            self._drop(connection)
        self._selector.close()
        self._listening.close()

    # From here on: called in the door's own thread, unless it says otherwise.

    def _drain(self, descriptor: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(descriptor, 4096)

    def _hear(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._news.get_nowait()()

    def _tell(self, news: Callable[[], None]) -> None:
        """Have something done in the door's thread; called in any other."""
        self._news.put(news)
        with contextlib.suppress(OSError):  # full: it is awake already; or closed
            os.write(self._waker, b"\0")

    def _no_descriptor(self) -> None:
        self._make_room("descriptors", self._room.idlest())

    def _take_in(self, sock: socket.socket, peer: tuple[str, int]) -> bool:
        """Begin to read from a new connection; whether another one had to give way."""
        self._hear()  # what is answered meanwhile gives way before what waits
        sock.setblocking(False)
        now, limits = self._clock(), self._limits
        connection = Connection(sock, peer, Incoming(self._cfg, peer, limits.body), now)
        remains = partial(self._tell, partial(self._watch_writing, connection))
        connection.outlet = Outlet(sock, remains, limits.grace_s, limits.least_rate, self._clock)
        self._room.add(connection)
        self._expect(connection)
        self._read(connection)  # a request that is here already is safe from those that come behind it
        crowded = self._room.crowded(connection, is_proxy=self._peers.is_proxy(peer[0]))
        if crowded is None:
            return False
        self._make_room(*crowded)
        return True

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
        if connection in self._room and connection.outlet.left:
            self._watch(connection, WRITE)

    def _happened(self, connection: Connection, events: int) -> None:
        if connection not in self._room:
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
        """Go on with what has arrived; whatever it is, the door goes on with the others."""
        try:
            self._go_on(connection)
        except Exception:
            log.exception("a request could not be read")
            self._drop(connection)

    def _go_on(self, connection: Connection) -> None:
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
                self._say(connection, b"HTTP/1.1 100 Continue\r\n\r\n")
        if incoming.held > SMALL_BODY and (large := self._room.too_many_bodies(connection)):
            self._count("bodies")
            self._refuse(large, 503, "too many uploads at once; try again", retry_after_s=5)

    def _hand_over(self, connection: Connection) -> None:
        """Give a whole request to a thread."""
        in_chunks = connection.incoming.in_chunks
        connection.request = request = connection.incoming.take()
        if in_chunks:  # a proxy may have read its lengths in another way: what follows is not trusted
            request.force_close()
        self._watch(connection, 0)
        connection.asker = self._peers.asker(connection.peer[0], request)
        headers = {name: value.lower() for name, value in request.headers}
        if headers.get("UPGRADE") == "websocket" and request.path.endswith("/ws"):
            self._seat(connection)
            return
        connection.lane = lane_of(request.method, request.path)
        self._now(connection, Doing.WAITING, float("inf"))
        self._lanes[connection.lane].add(connection.asker, connection)

    def _seat(self, connection: Connection) -> None:
        """Give a browser a thread of its own, as long as there is room."""
        if connection.incoming.buffer:
            self._refuse(connection, 400, "a websocket's client waits for the answer before it sends")
        elif full := self._room.seat(connection.asker):
            self._count("browsers")
            self._refuse(connection, *full, retry_after_s=5)
        else:
            connection.doing = Doing.BROWSING
            try:
                threading.Thread(target=self._browse, args=(connection,), name="browser", daemon=True).start()
            except RuntimeError:  # the system allows no more threads
                self._room.unseat(connection.asker)
                self._refuse(connection, 503, "the machine has no thread left", retry_after_s=5)
            else:
                self._forget(connection)

    def _browse(self, connection: Connection) -> None:
        """In a thread of its own."""
        try:
            connection.sock.setblocking(True)
            self._answering.websocket(connection)
        finally:
            self._tell(partial(self._left, connection))

    def _left(self, connection: Connection) -> None:
        connection.sock.close()
        self._room.unseat(connection.asker)

    def _answer(self, connection: Connection) -> None:
        """In one of the threads for requests."""
        connection.doing = Doing.WORKING
        keep = False
        try:
            keep = self._answering.request(connection)
        finally:
            self._tell(partial(self._answered, connection, keep))

    def _answered(self, connection: Connection, keep: bool) -> None:
        if connection not in self._room:
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
        request = connection.request
        as_problem = connection.incoming.wants_api if request is None else "/api/v1/" in request.path
        data = refusal(status, detail, as_problem=as_problem, retry_after_s=retry_after_s)
        self._say(connection, data)
        self._answered(connection, keep=False)

    def _say(self, connection: Connection, data: bytes) -> None:
        """Send something short; who has gone is noticed when it is read from."""
        with contextlib.suppress(OSError):
            connection.outlet.sendall(data)

    def _drop(self, connection: Connection) -> None:
        if connection.outlet.left or connection.outlet.broken:
            # A reset, so that the kernel does not go on with what it holds for this client.
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.outlet.cut()
        self._forget(connection)
        connection.sock.close()

    def _forget(self, connection: Connection) -> None:
        if connection in self._room:
            self._watch(connection, 0)
            self._room.remove(connection)

    def _make_room(self, why: str, candidates: list[Connection]) -> None:
        """Cut the first connection that no thread works for."""
        self._count(why)
        if self._clock() - self._said > 60:
            self._said = self._clock()
            text = "too many connections (%s): those that do least are cut"
            # In a thread of its own: writing waits when whoever reads the log has stopped to.
            with contextlib.suppress(RuntimeError):  # no thread is left
                threading.Thread(target=log.warning, args=(text, why), daemon=True).start()
        for connection in candidates:
            if connection.doing is Doing.WAITING:
                if self._lanes[connection.lane].withdraw(connection.asker, connection):
                    self._refuse(connection, 503, "too many requests at once; try again", retry_after_s=5)
                    return
            elif connection.doing < Doing.WAITING:
                self._drop(connection)
                return

    def _sweep(self) -> None:
        now = self._clock()
        for connection in self._room:
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
