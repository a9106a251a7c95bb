"""A connection is opened in time, or not at all."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from shared.mqtt.link.reach import LateLookupError, Reach

STREAM = (socket.AF_INET, socket.SOCK_STREAM, 6, "")


@pytest.fixture
def swallowing() -> Iterator[tuple[str, int]]:
    """An address that answers no SYN, because the queue of its socket is full."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()


def test_a_name_whose_first_address_swallows_packets_is_reached_at_its_second_one(
    swallowing: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        found = [(*STREAM, swallowing), (*STREAM, there.getsockname())]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        begin = time.monotonic()
        with Reach().open("two.example", 1, begin + 2.0) as sock:
            assert sock.getpeername() == there.getsockname()
        assert time.monotonic() - begin < 2.0


def test_addresses_that_swallow_packets_together_take_no_more_than_the_limit(
    swallowing: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [(*STREAM, swallowing)] * 4)
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        Reach().open("four.example", 1, begin + 1.0)
    assert 0.95 < time.monotonic() - begin < 3.5, "if each had the whole second, they would take 4"


def test_a_name_server_that_is_late_costs_the_limit_and_serves_the_next_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer, asked = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as there:

        def look_up(*name: Any) -> list[Any]:
            asked.append(name)
            answer.wait(60)
            return [(*STREAM, there.getsockname())]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        reach = Reach()
        for _ in range(2):
            with pytest.raises(LateLookupError):
                reach.open("slow.example", 1, time.monotonic() + 0.05)
        answer.set()
        reach.open("slow.example", 1, time.monotonic() + 30).close()
        assert len(asked) == 1, "one look-up at a time"


@pytest.mark.parametrize("name", ["no-such-name.invalid", "x" * 70, "a..b"])
def test_what_is_no_name_is_an_error_of_the_network(name: str) -> None:
    with pytest.raises(OSError):
        Reach().open(name, 1, time.monotonic() + 1)
