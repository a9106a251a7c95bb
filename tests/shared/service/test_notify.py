"""What a service manager hears, over a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.service.notify import Notifier


@contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0", 1))
        listener.settimeout(30)
        yield listener


def test_ready_status_and_stopping_are_told(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with manager(address) as heard:
        supervisor = Notifier({"NOTIFY_SOCKET": address})
        supervisor.ready("node a\nwatches b")
        supervisor.status("x" * 1000)
        supervisor.stopping()
        assert heard.recv(4096) == b"READY=1\nSTATUS=node a watches b"
        assert heard.recv(4096) == b"STATUS=" + b"x" * 200
        assert heard.recv(4096) == b"STOPPING=1"


def test_a_name_in_the_abstract_namespace_is_understood() -> None:
    address = f"@darner-test-{os.getpid()}"
    with manager(address) as heard:
        Notifier({"NOTIFY_SOCKET": address}).stopping()
        assert heard.recv(4096) == b"STOPPING=1"


def test_the_watchdog_is_fed_four_times_as_often_as_needed_and_no_more(tmp_path: Path) -> None:
    address, now = str(tmp_path / "notify"), [0.0]
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}
    with manager(address) as heard:
        supervisor = Notifier(environment, lambda: now[0])
        assert environment == {}, "no child process may speak for this one"
        for _ in range(40):  # 20 s, twice a second
            supervisor.well()
            now[0] += 0.5
        heard.settimeout(0)
        told = []
        with pytest.raises(BlockingIOError):
            while True:
                told.append(heard.recv(4096))
        assert told == [b"WATCHDOG=1"] * 4


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "1000"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "soon"},
    ],
    ids=["no manager", "a manager that has gone", "another's watchdog", "garbage"],
)
def test_without_a_manager_nothing_happens(environment: dict[str, str]) -> None:
    supervisor = Notifier(environment)
    supervisor.ready("x")
    supervisor.well()
    supervisor.stopping()


def test_a_manager_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with manager(address):
        supervisor = Notifier({"NOTIFY_SOCKET": address})
        for _ in range(2000):
            supervisor.status("x")
