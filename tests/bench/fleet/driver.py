"""Moves all simulated nodes of a process: one thread, one epoll, one socket for each node."""

from __future__ import annotations

import errno
import heapq
import itertools
import random
import select
import socket
import ssl
import time
from collections.abc import Callable

from tests.bench.fleet import packets
from tests.bench.fleet.node import KEEPALIVE_S, Node

METRICS_S, REFRESH_S, CHECK_S = 5.0, 60.0, 1.0
CHUNK = 65_536


class Connection:
    """One node's socket, from its first packet to its loss."""

    def __init__(self, node: Node, fleet: Driver) -> None:
        self.node, self._fleet = node, fleet
        plain = socket.socket()
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket: socket.socket = plain
        self._out, self._in = bytearray(), bytearray()
        self._stage = "tcp"
        self.heard_s = time.monotonic()
        refused = plain.connect_ex(fleet.address)
        if refused not in (0, errno.EINPROGRESS):
            raise OSError(refused, "cannot connect")

    def write(self, data: bytes) -> None:
        """Send bytes, now or as soon as there is room."""
        if self._out:
            self._out += data
            return
        try:
            sent = self.socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        except OSError:
            return  # the loss shows with the next event of this socket
        if sent < len(data):
            self._out += data[sent:]
            self._fleet.watch(self, writing=True)

    def ready(self, events: int) -> None:
        """Go on after the socket became readable or writable.

        Raises:
            OSError: The connection is lost.
        """
        if self._stage == "tcp":
            if failed := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(failed, "cannot connect")
            if self._fleet.tls is not None:
                self.socket = self._fleet.tls.wrap_socket(
                    self.socket, do_handshake_on_connect=False, server_hostname="localhost"
                )
            self._stage = "tls"
        if self._stage == "tls":
            if isinstance(self.socket, ssl.SSLSocket):
                try:
                    self.socket.do_handshake()
                except ssl.SSLWantReadError:
                    return self._fleet.watch(self, writing=False)
                except ssl.SSLWantWriteError:
                    return self._fleet.watch(self, writing=True)
            self._stage = "open"
            self._fleet.watch(self, writing=False)
            self.write(self.node.hello())
            return None
        if events & select.EPOLLOUT and self._out:
            self._write_rest()
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            self._read()
        return None

    def _write_rest(self) -> None:
        try:
            sent = self.socket.send(self._out)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        del self._out[:sent]
        if not self._out:
            self._fleet.watch(self, writing=False)

    def _read(self) -> None:
        while True:
            try:
                data = self.socket.recv(CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            if not data:
                raise ConnectionResetError("the broker closed the connection")
            self._in += data
            if len(data) < CHUNK and self._fleet.tls is None:
                break
        self.heard_s = time.monotonic()
        for packet in packets.packets(self._in):
            if packet.kind == packets.CONNACK:
                if packet.body[1]:
                    raise ConnectionRefusedError(f"the broker refused a node: reason {packet.body[1]}")
                self.node.accepted(self)
            elif packet.kind == packets.DISCONNECT:
                raise ConnectionResetError("the broker ended the connection")
            else:
                self.node.take(packet)


class Driver:
    """All nodes of a process.

    Args:
        nodes: They connect when `start` says so.
        address: Host and port of the broker.
        tls: How to encrypt; None for no encryption.
    """

    def __init__(self, nodes: list[Node], address: tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self.nodes, self.address, self.tls = nodes, address, tls
        self._epoll = select.epoll()
        self._by_descriptor: dict[int, Connection] = {}
        self._of: dict[str, Connection] = {}
        self._timers: list[tuple[float, int, Callable[[float], float | None]]] = []
        self._order = itertools.count()
        self._attempts: dict[str, int] = {}
        self.late_s: list[float] = []
        """How late the process was with each timer: what it says of latencies is wrong by that much."""
        self.errors: dict[str, int] = {}

    @property
    def online(self) -> int:
        """Nodes of which the broker has everything."""
        return sum(node.online for node in self.nodes)

    def at(self, due: float, do: Callable[[float], float | None]) -> None:
        """Call a function at a monotonic time; it returns when it wants to be called next, or None."""
        heapq.heappush(self._timers, (due, next(self._order), do))

    def start(self, per_s: float) -> None:
        """Connect the nodes, so many a second, and begin with what they say by the clock."""
        now = time.monotonic()
        for number, node in enumerate(self.nodes):
            first = now + number / per_s
            self.at(first, lambda _, node=node: self._connect(node))  # type: ignore[misc]  # mypy cannot see the default's type
            self.at(first + random.uniform(1.0, METRICS_S), self._every(METRICS_S, node.metrics))
            self.at(first + random.uniform(5.0, REFRESH_S), self._every(REFRESH_S, node.refresh))
            self.at(first + random.uniform(0.0, KEEPALIVE_S), self._pinging(node))
        self.at(now + CHECK_S, self._check)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let the nodes live for so long; whether `until` came true, which ends it early."""
        end, look = time.monotonic() + seconds, 0.0
        while (now := time.monotonic()) < end:
            if now >= look:
                if until():
                    return True
                look = now + 0.1
            while self._timers and self._timers[0][0] <= now:
                due, order, do = heapq.heappop(self._timers)
                self.late_s.append(now - due)
                again = do(due)
                if again is not None:
                    heapq.heappush(self._timers, (again, order, do))
            wait_s = min(self._timers[0][0] if self._timers else end, end, look) - time.monotonic()
            for descriptor, events in self._epoll.poll(max(0.0, wait_s), 512):
                connection = self._by_descriptor.get(descriptor)
                if connection is not None:
                    try:
                        connection.ready(events)
                    except OSError as error:
                        self._lose(connection, error)
        return until()

    def stop(self) -> None:
        """Leave without a farewell."""
        for connection in self._of.values():
            connection.socket.close()
        self._epoll.close()

    def watch(self, connection: Connection, *, writing: bool) -> None:
        """Wait for a socket to become readable, and writable if something is to be written."""
        mask = select.EPOLLIN | (select.EPOLLOUT if writing else 0)
        self._epoll.modify(connection.socket.fileno(), mask)

    def _connect(self, node: Node) -> float | None:
        try:
            connection = Connection(node, self)
        except OSError as error:
            return self._again_s(node, error)
        self._of[node.name] = connection
        descriptor = connection.socket.fileno()
        self._by_descriptor[descriptor] = connection
        self._epoll.register(descriptor, select.EPOLLIN | select.EPOLLOUT)
        return None

    def _lose(self, connection: Connection, error: OSError) -> None:
        node = connection.node
        self._attempts[node.name] = 0 if node.ready else self._attempts.get(node.name, 0) + 1
        node.lost()
        del self._by_descriptor[connection.socket.fileno()]
        self._of.pop(node.name, None)
        connection.socket.close()
        self.at(self._again_s(node, error), lambda _: self._connect(node))

    def _again_s(self, node: Node, error: OSError) -> float:
        """When a node tries to connect next, with the random waits of a real one."""
        says = error.strerror or str(error)
        self.errors[says] = self.errors.get(says, 0) + 1
        bounds = (1.5, 3.0) if self._attempts.get(node.name) else (0.3, 1.0)
        return time.monotonic() + random.uniform(*bounds)

    def _every(self, seconds: float, do: Callable[[], None]) -> Callable[[float], float]:
        def again(due: float) -> float:
            do()
            return due + seconds

        return again

    def _pinging(self, node: Node) -> Callable[[float], float]:
        def ping(due: float) -> float:
            connection = self._of.get(node.name)
            if connection is not None and node.ready and due - connection.heard_s >= KEEPALIVE_S - 1:
                node.ping()
            return max(due + 1.0, (connection.heard_s if connection else due) + KEEPALIVE_S)

        return ping

    def _check(self, due: float) -> float:
        for node in self.nodes:
            node.check(due)
        return due + CHECK_S
