"""The viewer as a service: what its manager hears, and what becomes of a process that stands still."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import REPO, free_port, wait_until


class Service:
    def __init__(self, folder: Path) -> None:
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(folder / "notify"))
        self.port = free_port()
        self.frozen = folder / "frozen"
        keys = {"http.port": self.port, "mqtt.url": "mqtt://127.0.0.1:9", "history.path": folder / "h.db"}
        words = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
        more = {
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "400000",
            "FAULTS_FROZEN": str(self.frozen),
            "FAULTS_HURRY": "8",
        }
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.program", "viewer_server", *words],
                cwd=REPO,
                env=os.environ | more,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def told(self, timeout: float = 30.0) -> str:
        self._manager.settimeout(timeout)
        return self._manager.recv(4096).decode()

    def told_everything(self) -> list[str]:
        told = []
        try:
            while True:
                told.append(self.told(0.0))
        except BlockingIOError:
            return told

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/login", timeout=2).close()
        except OSError:
            return False
        return True

    @property
    def worker(self) -> psutil.Process:
        (worker,) = psutil.Process(self.process.pid).children()
        return worker

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self._manager.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(tmp_path)
    yield running
    running.close()


def test_it_is_ready_when_pages_answer_and_says_that_it_stops(service: Service) -> None:
    assert service.told() == "READY=1\nSTATUS=serves browsers"
    assert service.answers()
    assert service.told() == "WATCHDOG=1"
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(30) == 0
    assert service.told_everything()[-1] == "STOPPING=1"


def test_a_process_that_is_stopped_feeds_no_watchdog(service: Service) -> None:
    service.told()
    worker = service.worker
    worker.suspend()
    time.sleep(0.2)  # what it was saying may still be on its way
    service.told_everything()
    time.sleep(0.6)  # longer than the manager waits
    assert service.told_everything() == []
    worker.resume()
    assert service.told() == "WATCHDOG=1"


@pytest.mark.timing
def test_a_worker_whose_messages_are_not_handled_any_more_is_replaced(
    service: Service, tmp_path: Path
) -> None:
    service.told()
    first = service.worker
    service.frozen.write_text("subscriber")
    wait_until(lambda: not first.is_running() or first.status() == psutil.STATUS_ZOMBIE, 30)
    service.frozen.unlink()
    wait_until(service.answers, 20)
    assert service.process.poll() is None
    assert service.worker.pid != first.pid
    said = (tmp_path / "log").read_text()
    assert "subscriber has stood still for" in said
    assert "perhaps_frozen" in said, "the stacks show where"
