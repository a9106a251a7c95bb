"""The archive in PostgreSQL as its users run it, and nodes with real outboxes that send it events."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from edge_node.config.settings import OutboxSettings
from edge_node.outbox.outbox import Outbox
from shared.channel import Closed
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.messages import Event, now_us
from tests.conftest import REPO, wait_until
from tests.integrations.postgresql import PostgreSql

PREFIX = topics.DEFAULT_PREFIX
SCHEMA = "darner_archive"


def url(database: PostgreSql, user: str = "postgres", name: str = "postgres") -> str:
    """The address of a database of a server."""
    return f"postgresql://{user}@127.0.0.1:{database.port}/{name}"


class Archive:
    """`python -m viewer_server.archive`; `with` starts and ends it.

    Args:
        broker: The broker's address.
        database: The server.
        folder: Where its log is written.
        settings: Further settings, such as ``archive.workers=2``.
    """

    def __init__(self, broker: str, database: PostgreSql, folder: Path, *settings: str) -> None:
        words = [word for one in (f"mqtt.url={broker}", *settings) for word in ("--set", one)]
        self._words = [sys.executable, "-m", "viewer_server.archive", "--database", url(database), *words]
        self._log = folder / f"archive-{id(self)}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Archive:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self.stop()

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text() if self._log.exists() else ""

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes that store, which is the one process where there is one worker."""
        assert self._process is not None
        whole = psutil.Process(self._process.pid)
        return whole.children() or [whole]

    def start(self) -> None:
        """Start, and return at once."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._words, cwd=REPO, stderr=log, start_new_session=True)

    def wait_ready(self) -> None:
        """Wait until one of the workers leads, and events are received."""
        wait_until(lambda: "this worker leads" in self.log and "receives events" in self.log, 20)

    def kill(self) -> None:
        """`kill -9` all its processes."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> int:
        """End it as a service manager does; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(10)
        finally:
            self._process.kill()
            self._process = None
        return code


def check(database: str, *settings: str) -> tuple[int, str]:
    """The exit code of ``--check``, and what it printed."""
    words = [word for one in settings for word in ("--set", one)]
    done = subprocess.run(
        [sys.executable, "-m", "viewer_server.archive", "--check", "--database", database, *words],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


class Node:
    """A node that has nothing but its outbox; `with` starts and ends it.

    Args:
        broker: The broker's address.
        name: What it is called.
        folder: Where its outbox is.

    Attributes:
        made: The events that the outbox has taken, as (boot, number).
    """

    def __init__(self, broker: str, name: str, folder: Path) -> None:
        self.name = name
        self.made: list[tuple[str, int]] = []
        self._client = Client(MqttSettings(url=broker), name=name)
        settings = OutboxSettings(path=str(folder / f"{name}.db"), replay_per_s=2000)
        self.outbox = Outbox(self._client, settings, name, PREFIX, "s")
        self._stack = ExitStack()

    def __enter__(self) -> Node:
        self._stack.enter_context(self._client)
        self._stack.enter_context(self.outbox)
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def add(self, **fields: object) -> Event:
        """Make an event."""
        event = self.outbox.add(example(self.name, **fields))
        assert event.boot is not None
        assert event.number is not None
        self.made.append((event.boot, event.number))
        return event

    @property
    def waiting(self) -> int:
        """Events that are not yet safe elsewhere."""
        return self.outbox.metrics().backlog

    def _listen(self) -> None:
        try:
            for received in self._client.received:
                self.outbox.handle(received)
        except Closed:
            return


def example(node: str, **fields: object) -> Event:
    """An event of a node, without a number."""
    now = now_us()
    given: dict[str, object] = {
        "node": node,
        "session": "s",
        "published_us": now,
        "camera": "street",
        "seq": 1,
        "captured_us": now,
        "event_id": "to be given",
        "type": "zone_entered",
        "occurred_us": now,
        "zone": "door",
        "label": "person",
        "track_id": 1,
    }
    return Event(**(given | fields))  # type: ignore[arg-type]  # the caller's fields are an event's


@contextmanager
def busy(nodes: list[Node], per_s: float) -> Iterator[None]:
    """Let each node make events all the time."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(1 / per_s):
            for node in nodes:
                node.add(occurred_us=now_us())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def stored(database: PostgreSql, node: str, schema: str = SCHEMA) -> list[tuple[str, int]]:
    """The events of a node that are in the database, in order."""
    sql = f"select boot, number from {schema}.events where node = '{node}' order by 1, 2"  # noqa: S608 - ours
    rows = [line.split("|") for line in database.ask(sql).splitlines()]
    return [(boot, int(number)) for boot, number in rows]


def wait_empty(nodes: list[Node], timeout: float = 90.0) -> None:
    """Wait until the outboxes have forgotten everything, because every archive has it."""
    deadline = time.monotonic() + timeout
    while any(node.waiting for node in nodes):
        assert time.monotonic() < deadline, {node.name: node.waiting for node in nodes}
        time.sleep(0.2)
