"""Takes each connection from one request to the next: read, hand to a thread, send the answer, read again.

All of it happens in the thread that owns the selector, except what says otherwise, and nothing here waits.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from viewer_server.serving.answering import Answering
from viewer_server.serving.calls import Calls
from viewer_server.serving.connection import Connection, Doing
from viewer_server.serving.incoming import Incoming, Unreadable
from viewer_server.serving.limits import Limits, lane_of
from viewer_server.serving.outlet import Outlet
from viewer_server.serving.peers import Peers
from viewer_server.serving.refusals import refusal
from viewer_server.serving.room import SMALL_BODY, Room
from viewer_server.serving.turns import Turns

log = logging.getLogger("darner.viewer")

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
AT_ONCE = 64 * 1024
"""Bytes read at once."""


class Exchanges:
    """Requests and answers of all connections.

    Args:
        cfg: gunicorn's configuration.
        app: The WSGI application.
        peers: Tells who asks.
        limits: What a client may take.
        selector: Waits for connections; its entries for them are made here.
        calls: Brings what other threads want done into the thread of the selector.
        count: Called with the reason when a request is refused.
        clock: Seconds, monotonic.

    Attributes:
        room: The connections.
    """

    def __init__(
        self,
        cfg: Any,
        app: Any,
        peers: Peers,
        limits: Limits,
        selector: selectors.BaseSelector,
        calls: Calls,
        count: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cfg = cfg
        self._peers = peers
        self._limits = limits
        self._selector = selector
        self._calls = calls
        self._count = count
        self._clock = clock
        self.room = Room(limits, clock)
        self._answering = Answering(cfg, app)
        self._lanes = {
            name: Turns(self._answer, threads, each, name) for name, (threads, each) in limits.lanes.items()
        }

    def begin(self, sock: socket.socket, peer: tuple[str, int]) -> Connection:
        """Read from a new connection."""
        sock.setblocking(False)
        limits = self._limits
        connection = Connection(sock, peer, Incoming(self._cfg, peer, limits.body), self._clock())
        remains = partial(self._calls.put, partial(self._watch_writing, connection))
        connection.outlet = Outlet(sock, remains, limits.grace_s, limits.least_rate, self._clock)
        self.room.add(connection)
        self._expect(connection)
        self._read(connection)  # a request that is here already is safe from those that come behind it
        return connection

    def stop(self) -> None:
        """Close what waits for nothing, and keep no connection after its answer."""
        self._answering.is_last = True
        for connection in self.room:
            if connection.doing in (Doing.IDLE, Doing.ARRIVING, Doing.LEAVING):
                self.drop(connection)

    def close(self) -> None:
        """Close all connections besides websockets, and let the threads end."""
        for lane in self._lanes.values():
            lane.close()
        for connection in self.room:
            self.drop(connection)

    def withdraw(self, connection: Connection) -> bool:
        """Take a waiting request back from the threads; False when one has it already."""
        return self._lanes[connection.lane].withdraw(connection.asker, connection)

    def happened(self, connection: Connection, events: int) -> None:
        """Read or write, as the selector says."""
        if connection not in self.room:
            return  # dropped by what happened just before
        if events & WRITE:
            self._write(connection)
        elif events & READ:
            self._read(connection)

    def refuse(
        self, connection: Connection, status: int, detail: str, retry_after_s: int | None = None
    ) -> None:
        """Answer without asking the application, and close the connection."""
        request = connection.request
        as_problem = connection.incoming.wants_api if request is None else "/api/v1/" in request.path
        data = refusal(status, detail, as_problem=as_problem, retry_after_s=retry_after_s)
        self._say(connection, data)
        self._answered(connection, keep=False)

    def drop(self, connection: Connection) -> None:
        """Close a connection at once."""
        if connection.outlet.left or connection.outlet.broken:
            # A reset, so that the kernel does not go on with what it holds for this client.
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.outlet.cut()
        self._forget(connection)
        connection.sock.close()

    def _expect(self, connection: Connection) -> None:
        """Wait for a request."""
        self._now(connection, Doing.ARRIVING, self._limits.head_s)
        connection.watch(self._selector, READ)

    def _now(self, connection: Connection, doing: Doing, seconds: float) -> None:
        connection.doing = doing
        connection.changed = self._clock()
        connection.deadline = connection.changed + seconds

    def _watch_writing(self, connection: Connection) -> None:
        if connection in self.room and connection.outlet.left:
            connection.watch(self._selector, WRITE)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.drop(connection)
        elif connection.doing is Doing.LEAVING:
            connection.discarded += len(data)
            if connection.discarded > 16 * self._limits.body:
                self.drop(connection)
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
            self.drop(connection)

    def _go_on(self, connection: Connection) -> None:
        incoming = connection.incoming
        headless = incoming.request is None
        try:
            is_whole = incoming.is_whole()
        except Unreadable as reason:
            self.refuse(connection, reason.status, reason.detail)
            return
        if is_whole:
            self._hand_over(connection)
            return
        if headless and incoming.request is not None:
            self._now(connection, Doing.ARRIVING, self._limits.body_s)
            if incoming.expects_continue:
                self._say(connection, b"HTTP/1.1 100 Continue\r\n\r\n")
        if incoming.held > SMALL_BODY and (large := self.room.too_many_bodies(connection)):
            self._count("bodies")
            self.refuse(large, 503, "too many uploads at once; try again", retry_after_s=5)

    def _hand_over(self, connection: Connection) -> None:
        """Give a whole request to a thread."""
        in_chunks = connection.incoming.in_chunks
        connection.request = request = connection.incoming.take()
        if in_chunks:  # a proxy may have read its lengths in another way: what follows is not trusted
            request.force_close()
        connection.watch(self._selector, 0)
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
            self.refuse(connection, 400, "a websocket's client waits for the answer before it sends")
        elif full := self.room.seat(connection.asker):
            self._count("browsers")
            self.refuse(connection, *full, retry_after_s=5)
        else:
            connection.doing = Doing.BROWSING
            try:
                threading.Thread(target=self._browse, args=(connection,), name="browser", daemon=True).start()
            except RuntimeError:  # the system allows no more threads
                self.room.unseat(connection.asker)
                self.refuse(connection, 503, "the machine has no thread left", retry_after_s=5)
            else:
                self._forget(connection)

    def _browse(self, connection: Connection) -> None:
        """In a thread of its own."""
        try:
            connection.sock.setblocking(True)
            self._answering.websocket(connection)
        finally:
            self._calls.put(partial(self._left, connection))

    def _left(self, connection: Connection) -> None:
        connection.sock.close()
        self.room.unseat(connection.asker)

    def _answer(self, connection: Connection) -> None:
        """In one of the threads for requests."""
        connection.doing = Doing.WORKING
        keep = False
        try:
            keep = self._answering.request(connection)
        finally:
            self._calls.put(partial(self._answered, connection, keep))

    def _answered(self, connection: Connection, keep: bool) -> None:
        if connection not in self.room:
            return
        connection.keep = keep
        connection.request = None
        self._now(connection, Doing.SENDING, float("inf"))
        if connection.outlet.broken:
            self.drop(connection)
        elif connection.outlet.left:
            connection.watch(self._selector, WRITE)
        else:
            self._sent(connection)

    def _write(self, connection: Connection) -> None:
        if not connection.outlet.flush():
            return
        connection.watch(self._selector, 0)
        if connection.doing is Doing.SENDING:
            self._sent(connection)

    def _sent(self, connection: Connection) -> None:
        """The whole answer is sent."""
        connection.served += 1
        if connection.outlet.broken:
            self.drop(connection)
        elif not connection.keep or self._answering.is_last:
            self._leave(connection)
        elif connection.incoming.buffer:  # the next request came with the last one
            self._expect(connection)
            self._advance(connection)
        else:
            self._now(connection, Doing.IDLE, self._limits.idle_s)
            connection.watch(self._selector, READ)

    def _leave(self, connection: Connection) -> None:
        """Close our side, and read on for a while: a reset would take the answer from the client."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.drop(connection)
            return
        self._now(connection, Doing.LEAVING, self._limits.leave_s)
        connection.incoming.buffer.clear()
        connection.watch(self._selector, READ)

    def _say(self, connection: Connection, data: bytes) -> None:
        """Send something short; who has gone is noticed when it is read from."""
        with contextlib.suppress(OSError):
            connection.outlet.sendall(data)

    def _forget(self, connection: Connection) -> None:
        if connection in self.room:
            connection.watch(self._selector, 0)
            self.room.remove(connection)
