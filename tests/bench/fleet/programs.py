"""The real programs under the fleet: a broker with our configuration, one viewer, and a browser."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import yaml
from prometheus_client.parser import text_string_to_metric_families

from broker.__main__ import command
from broker.certificates import main as certificates
from tests.conftest import REPO, free_port, wait_for_port

SHOWN = 200
"""Nodes that the browser shows where it asks for names first: four times as many as a page."""
FILES = 65_536
"""Open files that the broker may have, if the system allows it."""


class Program:
    """A program that can be killed and started again.

    Args:
        name: What the report calls it.
        words: Its command line.
        log: Where its output goes.
    """

    def __init__(self, name: str, words: list[str], log: Path) -> None:
        self.name, self._words, self._log = name, words, log
        self._process: subprocess.Popen[bytes] | None = None
        self._before_s = 0.0

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._words, stdout=log, stderr=log, cwd=REPO, start_new_session=True, preexec_fn=_more_files
            )

    def kill(self) -> None:
        """End it and its children at once (kill -9)."""
        if self._process is not None:
            self._before_s = self.cpu_s
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    @property
    def cpu_s(self) -> float:
        """Processor time since the first start, with that of children, seconds."""
        return self._before_s + sum(sum(one.cpu_times()[:2]) for one in self._family())

    @property
    def memory_mb(self) -> float:
        """Resident memory of the largest process of the family, MB; gunicorn's other one is small."""
        return max((one.memory_info().rss for one in self._family()), default=0) / 1e6

    def _family(self) -> list[psutil.Process]:
        if self._process is None:
            return []
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]


class System:
    """Broker, viewer and browser in a folder.

    Args:
        folder: For data and logs.
        nodes: How many there will be.
        tls: Whether the broker encrypts.
        watched: Cameras whose frames the browser takes.
        first: What the browser asks for: "names" and then some nodes, or "" for everything.
    """

    def __init__(self, folder: Path, nodes: int, *, tls: bool, first: str, watched: int) -> None:
        self.folder, self._nodes, self._tls = folder, nodes, tls
        self.broker_port, self.viewer_port = free_port(), free_port()
        self.history = folder / "history.db"
        self.notes = folder / "browser.txt"
        self.ca = folder / "certificates" / "ca.crt"
        self.broker = Program("broker", self._broker_words(), folder / "broker.log")
        config = self._viewer_config(nodes)
        words = [sys.executable, "-m", "viewer_server", "--config", str(config)]
        self.viewer = Program("viewer", words, folder / "viewer.log")
        address = f"ws://127.0.0.1:{self.viewer_port}/ws" + (f"?first={first}" if first else "")
        words = [sys.executable, "-m", "tests.bench.fleet.browser", address, str(self.notes)]
        words += [str(SHOWN), str(watched)]
        self.browser = Program("browser", words, folder / "browser.log")

    @property
    def programs(self) -> tuple[Program, ...]:
        """All of them."""
        return self.broker, self.viewer, self.browser

    def start(self) -> None:
        """Start broker and viewer; the browser comes when the nodes are there."""
        self.broker.start()
        wait_for_port(self.broker_port)
        self.viewer.start()
        wait_for_port(self.viewer_port, 60)

    def stop(self) -> None:
        """End everything."""
        for program in self.programs:
            program.kill()

    def numbers(self) -> dict[str, float]:
        """The viewer's own numbers, summed by name; of limits by their names, too. None when it is away."""
        found: dict[str, float] = {}
        try:
            url = f"http://127.0.0.1:{self.viewer_port}/metrics"
            with urllib.request.urlopen(url, timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return found
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = sample.name.removeprefix("darner_viewer_")
                if "limit" in sample.labels:
                    name = f"limit {sample.labels['limit']}"
                found[name] = found.get(name, 0.0) + sample.value
        return found

    def stored(self) -> int:
        """Events in the viewer's history. Each is there once, because its key is unique."""
        db = sqlite3.connect(f"file:{self.history}?mode=ro", uri=True)
        try:
            [(count,)] = db.execute("SELECT count(*) FROM events").fetchall()
        finally:
            db.close()
        return int(count)

    def ages_ms(self, since: float, until: float) -> list[float]:
        """How old events were when the browser got them, of a span of the wall clock."""
        if not self.notes.exists():
            return []
        lines = (line.split() for line in self.notes.read_text().splitlines())
        return [float(one[1]) for one in lines if len(one) == 2 and since <= float(one[0]) <= until]

    def _broker_words(self) -> list[str]:
        data, port = self.folder / "broker", self.broker_port
        words = command("mosquitto", "127.0.0.1", port, data, self.folder, connections=self._nodes + 100)
        if self._tls:
            certificates([str(self.ca.parent), "--host", "localhost"])
            config = self.folder / "mosquitto.conf"
            lines = [f"{word} {self.ca.parent}/{file}" for word, file in _TLS.items()]
            listener = f"listener {self.broker_port} 127.0.0.1\n"
            config.write_text(config.read_text().replace(listener, listener + "\n".join(lines) + "\n"))
            self.ca.parent.chmod(0o755)  # Mosquitto, started by root, reads it as another user
            for file in _TLS.values():
                (self.ca.parent / file).chmod(0o644)
        return words

    def _viewer_config(self, nodes: int) -> Path:
        settings = {
            "mqtt": {"url": f"mqtt{'s' * self._tls}://localhost:{self.broker_port}"}
            | ({"ca_file": str(self.ca)} if self._tls else {}),
            "http": {"port": self.viewer_port},
            "history": {"path": str(self.history)},
            "quotas": {
                "nodes": nodes + 100,
                "pictures_mb": 64,
            },
        }
        path = self.folder / "viewer.yaml"
        path.write_text(yaml.safe_dump(settings))
        return path


_TLS = {"cafile": "ca.crt", "certfile": "server.crt", "keyfile": "server.key"}


def _more_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def own_files() -> None:
    """Let this process have a socket for each node."""
    _more_files()
