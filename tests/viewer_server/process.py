"""Runs `python -m viewer_server` as its users do."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import websocket as client_library

ARRIVES_S = 30.0
"""Far more than anything takes; a test that waits this long has failed."""


class ViewerProcess:
    """The viewer on a free port; `with` starts it and ends it with SIGTERM."""

    def __init__(self, mqtt_url: str, folder: Path, *settings: str) -> None:
        self._command = [sys.executable, "-m", "viewer_server", "--set", f"mqtt.url={mqtt_url}"]
        self._settings = settings
        self._log = folder / "viewer.log"
        self.port = 0

    def __enter__(self) -> ViewerProcess:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.stop()

    def start(self) -> None:
        """Start, and return when it says where it listens. A second start takes the same port."""
        sets = [part for item in (f"http.port={self.port}", *self._settings) for part in ("--set", item)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen([*self._command, *sets], stdout=subprocess.PIPE, stderr=log)
        watchdog = threading.Timer(ARRIVES_S, self.process.kill)
        watchdog.start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        watchdog.cancel()
        found = re.search(r"http://\S+:(\d+)/", line)
        if found is None:
            self.process.wait()
            self.process.stdout.close()  # else a later test is told of an unclosed file
            pytest.fail(f"the viewer did not start: {self.log}")
        self.port = int(found[1])

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Exit code, and the seconds until it had exited."""
        begin = time.monotonic()
        self.process.send_signal(sig)
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code, time.monotonic() - begin

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Have a program watch all cameras, so that the viewer receives their frames without a page.

        It comes back when the viewer does. `start` must have been called.
        """
        over = threading.Event()
        sockets: list[client_library.WebSocket] = []

        def run() -> None:
            while not over.is_set():
                with suppress(OSError, client_library.WebSocketException):  # there is no viewer now
                    ws = client_library.create_connection(
                        f"ws://127.0.0.1:{self.port}/ws", timeout=ARRIVES_S, origin=self.url
                    )
                    sockets[:] = [ws]
                    while ws.recv():
                        pass
                for ws in sockets:
                    ws.shutdown()  # type: ignore[no-untyped-call]  # typed in part
                over.wait(0.05)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + ARRIVES_S
            while self.metric("darner_viewer_all_watched") < 1 and time.monotonic() < deadline:
                time.sleep(0.01)
            yield
        finally:
            over.set()
            for ws in sockets:
                if ws.sock is not None:
                    ws.sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
            thread.join(ARRIVES_S)

    @property
    def log(self) -> str:
        """What it wrote to standard error."""
        return self._log.read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=ARRIVES_S) as answer:  # noqa: S310 - our own
            return bytes(answer.read())

    def health(self) -> dict[str, Any]:
        return dict(json.loads(self.get("/health")))

    def wait(self, **health: object) -> None:
        """Return when /health says so."""
        deadline = time.monotonic() + ARRIVES_S
        while time.monotonic() < deadline:
            now = self.health()
            if all(now[key] == value for key, value in health.items()):
                return
            time.sleep(0.05)
        pytest.fail(f"/health is {self.health()} and not {health}")

    def metric(self, name: str) -> float:
        """A sample of /metrics, by its whole name with labels; 0 when it is not there."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics").decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0
