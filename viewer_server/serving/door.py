"""Lets clients in: one thread reads requests from all connections, and threads get whole ones only.

So a client that is slow, silent or never reads costs a descriptor and some memory for some seconds, and no
thread. Every wait has a deadline, every number a bound. When there are too many connections, those give way
that do least, first of the network that has most. What takes long, and `/health`, have threads of their own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from viewer_server.serving.calls import Calls
from viewer_server.serving.connection import Connection, Doing
from viewer_server.serving.exchanges import Exchanges
from viewer_server.serving.limits import Limits
from viewer_server.serving.listening import Listening
from viewer_server.serving.peers import Peers

log = logging.getLogger("darner.viewer")

SWEEP_S = 0.25
"""Seconds between two looks for connections whose time is up."""
SAY_AGAIN_S = 60.0


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
        self._peers = peers
        self._count = count
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._calls = Calls()
        self._exchanges = Exchanges(cfg, app, peers, limits, self._selector, self._calls, count, clock)
        self._room = self._exchanges.room
        self._listening = Listening(listeners, self._selector, self._take_in, self._no_descriptor, clock)
        self._swept = clock()
        self._said = -SAY_AGAIN_S

    def open(self, *more: int) -> None:
        """Begin to listen.

        Args:
            more: Descriptors that end a wait when they can be read, such as one that signals write to.
        """
        for descriptor in (self._calls.descriptor, *more):
            os.set_blocking(descriptor, False)
            self._selector.register(descriptor, selectors.EVENT_READ, partial(_drain, descriptor))
        self._listening.open()

    def turn(self, timeout_s: float = 1.0) -> None:
        """Wait for something to happen, and let it."""
        wait_s = min(timeout_s, SWEEP_S) if self._room else timeout_s
        for key, events in self._selector.select(self._listening.wait_s(wait_s)):
            if isinstance(key.data, Connection):
                self._exchanges.happened(key.data, events)
            else:
                key.data()
        self._calls.run()
        if self._clock() - self._swept >= SWEEP_S:
            self._swept = self._clock()
            self._sweep()

    @property
    def is_empty(self) -> bool:
        """Whether nobody is connected, and no browser."""
        return not self._room and not self._room.browsers

    def stop_listening(self) -> None:
        """Let nobody else in, and close what waits for nothing; answers in the making are still sent."""
        self._listening.stop()
        self._exchanges.stop()

    def close(self) -> None:
        """Close everything."""
        self._exchanges.close()
        self._selector.close()
        self._listening.close()

    def _take_in(self, sock: socket.socket, peer: tuple[str, int]) -> bool:
        """Begin to read from a new connection; whether another one had to give way."""
        self._calls.run()  # what is answered meanwhile gives way before what waits
        connection = self._exchanges.begin(sock, peer)
        crowded = self._room.crowded(connection, is_proxy=self._peers.is_proxy(peer[0]))
        if crowded is None:
            return False
        self._make_room(*crowded)
        return True

    def _no_descriptor(self) -> None:
        self._make_room("descriptors", self._room.idlest())

    def _make_room(self, why: str, candidates: list[Connection]) -> None:
        """Cut the first connection that no thread works for."""
        self._count(why)
        if self._clock() - self._said > SAY_AGAIN_S:
            self._said = self._clock()
            text = "too many connections (%s): those that do least are cut"
            # In a thread of its own: writing waits when whoever reads the log has stopped to.
            with contextlib.suppress(RuntimeError):  # no thread is left
                threading.Thread(target=log.warning, args=(text, why), daemon=True).start()
        for connection in candidates:
            if connection.doing is Doing.WAITING:
                if self._exchanges.withdraw(connection):
                    self._exchanges.refuse(
                        connection, 503, "too many requests at once; try again", retry_after_s=5
                    )
                    return
            elif connection.doing < Doing.WAITING:
                self._exchanges.drop(connection)
                return

    def _sweep(self) -> None:
        """End what takes too long."""
        now = self._clock()
        for connection in self._room:
            if connection.outlet.is_late:
                self._count("reading")
                if connection.doing is Doing.WORKING:
                    connection.outlet.cut()  # its thread is told, and ends it
                else:
                    self._exchanges.drop(connection)
            elif now > connection.deadline:
                if connection.doing is Doing.ARRIVING and connection.incoming.buffer:
                    self._count("sending")
                    self._exchanges.refuse(
                        connection, 408, "the request took too long to arrive; send it again"
                    )
                else:
                    self._exchanges.drop(connection)


def _drain(descriptor: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.read(descriptor, 4096)
