"""Answers to clients that read at their own pace, on real sockets; a clock is given."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from viewer_server.serving.outlet import Outlet

GRACE_S, LEAST_RATE = 10.0, 1000.0


class Reading:
    """An outlet, and the client that reads from it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        server, self.client = socket.socketpair()
        for sock, option in ((server, socket.SO_SNDBUF), (self.client, socket.SO_RCVBUF)):
            sock.setsockopt(socket.SOL_SOCKET, option, 4096)
            sock.setblocking(False)
        self.server = server
        self.outlet = Outlet(server, lambda: None, GRACE_S, LEAST_RATE, lambda: self.now_s)

    def read(self, size: int) -> None:
        """Have the client take this much, and the outlet send on."""
        while size > 0:
            size -= len(self.client.recv(min(size, 4096)))
            self.outlet.flush()


@pytest.fixture
def reading() -> Iterator[Reading]:
    made = Reading()
    yield made
    made.server.close()
    made.client.close()


def test_one_that_reads_at_the_least_rate_is_waited_for(reading: Reading) -> None:
    reading.outlet.sendall(bytes(200_000))
    for _ in range(30):
        reading.now_s += 4
        reading.read(int(4 * LEAST_RATE))
        assert not reading.outlet.is_late


def test_one_that_takes_nothing_is_late_after_the_grace(reading: Reading) -> None:
    reading.outlet.sendall(bytes(200_000))
    reading.now_s = GRACE_S
    assert not reading.outlet.is_late
    reading.now_s = GRACE_S + 0.1
    assert reading.outlet.is_late


def test_one_that_took_a_lot_and_stops_is_late_as_soon(reading: Reading) -> None:
    reading.outlet.sendall(bytes(250_000))
    reading.read(150_000)
    reading.now_s = GRACE_S + 0.1
    assert reading.outlet.is_late
