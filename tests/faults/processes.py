"""The programs under test as processes that can be killed, frozen and asked to end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from tests.conftest import REPO

STOP_WITHIN_S = 5.0
"""How long a program may take to end after SIGTERM."""


class FaultError(Exception):
    """A check of the fault tests failed; the text says which."""


def wait_for(condition: Callable[[], object], timeout: float, what: str) -> float:
    """Wait for a condition; the seconds until it held.

    Raises:
        FaultError: It did not hold in time.
    """
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > timeout:
            raise FaultError(f"{what}: not within {timeout:.0f} s")
        time.sleep(0.02)
    return time.monotonic() - begin


class Program:
    """One program, which can be started again and again.

    Args:
        name: The name in messages and of the log file.
        words: The command.
        folder: Where the log file is written.
        environment: Environment variables in addition to ours.

    Attributes:
        kills: How often it was killed.
        growth: The largest growth of its memory since `remember_memory`, megabytes.
    """

    def __init__(
        self, name: str, words: Sequence[str], folder: Path, environment: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self._words, self._environment = list(words), environment or {}
        self._log = folder / f"{name}.log"
        self.says_where_it_hangs = "tests.faults.program" in self._words
        self._process: subprocess.Popen[bytes] | None = None
        self._baseline: float | None = None
        self.growth = 0.0
        self.kills = 0

    @property
    def pid(self) -> int:
        """The id of the process that was started; it may have children."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs; a frozen program runs as well."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it wrote to standard output and error so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self) -> None:
        """Start, and return at once."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._words,
                stdout=log,
                stderr=log,
                cwd=REPO,
                env=os.environ | self._environment,
                start_new_session=True,
            )

    def victims(self) -> list[psutil.Process]:
        """The processes that a fault strikes."""
        with contextlib.suppress(psutil.NoSuchProcess):
            whole = psutil.Process(self.pid)
            return [whole, *whole.children(recursive=True)]
        return []

    def settle(self) -> None:
        """Note the numbers that are lost when it ends."""
        if self._baseline is not None and self.alive:  # as counted by the kernel: no moment is left out
            self.growth = max(self.growth, self._memory("VmHWM") - self._baseline)

    def kill(self) -> None:
        """`kill -9` all its processes."""
        if not self.alive:
            return
        self.settle()
        victims = self.victims()
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        if self._process is not None:
            self._process.wait()
        wait_for(lambda: not any(map(_lives, victims)), 5, f"{self.name} is killed")
        self.kills += 1

    def freeze(self) -> None:
        """SIGSTOP all its processes."""
        for victim in self.victims():
            victim.suspend()

    def thaw(self) -> None:
        """SIGCONT all its processes."""
        for victim in self.victims():
            victim.resume()

    def ended_by_itself(self, timeout: float) -> int:
        """Wait until it ends without being asked to; its exit code. It counts as killed: nothing is tidied.

        Raises:
            FaultError: It did not end in time.
        """
        assert self._process is not None
        self.settle()
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise FaultError(f"{self.name} did not end by itself within {timeout:.0f} s") from None
        self.kills += 1
        return code

    def ask_to_end(self) -> None:
        """SIGTERM the process that was started, as a service manager does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def ended(self, begin: float) -> float:
        """Wait for the end after SIGTERM at `begin`; the seconds it took.

        Raises:
            FaultError: It did not end in time, or not with exit code 0.
        """
        assert self._process is not None
        try:
            code = self._process.wait(max(0.1, STOP_WITHIN_S + begin - time.monotonic()))
        except subprocess.TimeoutExpired:
            if self.says_where_it_hangs:
                self._process.send_signal(signal.SIGUSR1)
                time.sleep(0.5)
            raise FaultError(f"{self.name} did not end within {STOP_WITHIN_S:.0f} s of SIGTERM") from None
        if code != 0:
            raise FaultError(f"{self.name} ended with exit code {code} after SIGTERM")
        return time.monotonic() - begin

    def remember_memory(self) -> None:
        """Measure the growth of its memory from here on."""
        self._baseline, self.growth = self._memory("VmRSS"), 0.0
        for process in self.victims():  # the kernel's high-water mark begins anew
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")

    def _memory(self, field: str) -> float:
        """Memory of all its processes together, megabytes."""
        total = 0
        for process in self.victims():
            with contextlib.suppress(OSError):
                found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
                total += int(found[1]) if found else 0
        return total * 1024 / 1e6


def _lives(process: psutil.Process) -> bool:
    """Whether the process runs; a zombie has ended although nobody has fetched its exit code."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def end_all(programs: Sequence[Program]) -> float:
    """SIGTERM all at once; the seconds until the last one had ended. All must end in time, and with 0."""
    for program in programs:
        program.settle()
    begin = time.monotonic()
    for program in programs:
        program.ask_to_end()
    return max(program.ended(begin) for program in programs)


def broker(folder: Path, host: str, port: int) -> Program:
    """`python -m broker` with a folder for its data: Mosquitto with the configuration that we ship."""
    words = ["-m", "broker", "--engine", "mosquitto", "--host", host, "--port", str(port)]
    if os.geteuid() == 0:  # whose folders are closed to everybody else
        words += ["--user", "root"]
    return Program("broker", [sys.executable, *words, "--data", str(folder / "broker")], folder)


def forgetful_broker(folder: Path, mosquitto: str, host: str, port: int, *, kept: bool) -> Program:
    """Mosquitto with its default persistence, written every 30 minutes and at a clean end, or with none."""
    (folder / "broker").mkdir(exist_ok=True)
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} {host}\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 10000\n"
        f"persistence {str(kept).lower()}\npersistence_location {folder}/broker/\nuser root\n"
    )
    return Program("broker", [mosquitto, "-c", str(config)], folder)


def archive(folder: Path, url: str, port: int, workers: int) -> Program:
    """`python -m viewer_server.archive` with a PostgreSQL on this machine."""
    settings = (f"mqtt.url={url}", f"archive.workers={workers}")
    words = [word for setting in settings for word in ("--set", setting)]
    database = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    command = [sys.executable, "-m", "viewer_server.archive", "--database", database, *words]
    return Program("archive", command, folder)


class Viewer(Program):
    """`python -m viewer_server` with its history.

    Args:
        folder: Where the history and the log are written.
        url: The broker's address.
        port: The port of the viewer's pages.
        clock: A file with the offset of its wall clock; None leaves the clock alone.
        more: Settings, such as ``history.max_mb=2``.

    Attributes:
        url: Where its pages are.
    """

    def __init__(
        self, folder: Path, url: str, port: int, clock: Path | None, more: Sequence[str] = ()
    ) -> None:
        settings = (f"mqtt.url={url}", f"http.port={port}", f"history.path={folder}/history.db", *more)
        words = [word for setting in settings for word in ("--set", setting)]
        name = ["viewer_server"] if clock is None else ["tests.faults.program", "viewer_server"]
        super().__init__(
            "viewer",
            [sys.executable, "-m", *name, *words],
            folder,
            {} if clock is None else {"FAULTS_CLOCK": str(clock)},
        )
        self.url = f"http://127.0.0.1:{port}"
        self._repeated: dict[int, int] = {}

    def settle(self) -> None:
        """Note the numbers that are lost when it ends."""
        super().settle()
        self._repeated[self.pid] = self._repeated_now()

    @property
    def repeated(self) -> int:
        """Events that its archive got again and left out, over all starts, as of the last `settle`."""
        return sum(self._repeated.values())

    def shows(self, node: str) -> tuple[str, str | None]:
        """The status of a node as the viewer shows it, and the reason."""
        with urllib.request.urlopen(f"{self.url}/api/v1/nodes", timeout=5) as answer:  # noqa: S310 - our own
            nodes = json.load(answer)["nodes"]
        (status,) = (one["status"] for one in nodes if one["node"] == node)
        return status["status"], status["reason"]

    def _repeated_now(self) -> int:
        try:
            with urllib.request.urlopen(f"{self.url}/metrics", timeout=2) as answer:  # noqa: S310 - our own
                text = answer.read().decode()
        except OSError:
            return 0
        found = re.search(r"^darner_viewer_events_repeated_total (\S+)$", text, re.MULTILINE)
        return int(float(found[1])) if found else 0
