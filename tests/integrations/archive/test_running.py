"""`darner-archive` with a real PostgreSQL, a real Mosquitto, and nodes with real outboxes."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.messages import Ack, decode
from tests.conftest import REPO, MosquittoProcess, wait_until
from tests.integrations.archive.system import SCHEMA, Archive, Node, busy, stored, url, wait_empty
from tests.integrations.postgresql import PostgreSql
from tests.viewer_server.process import ViewerProcess


@pytest.fixture
def database() -> Iterator[PostgreSql]:
    with PostgreSql() as server:
        yield server


@pytest.fixture
def nodes(own_broker: MosquittoProcess, tmp_path: Path) -> Iterator[list[Node]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Node(own_broker.url, f"n{number}", tmp_path)) for number in range(3)]


class Acks:
    """What archives say; `with` begins to listen."""

    def __init__(self, broker: MosquittoProcess) -> None:
        self._client = Client(MqttSettings(url=broker.url), name="listener")
        self._heard: list[Ack] = []

    def __enter__(self) -> Acks:
        self._client.__enter__()
        self._client.subscribe(topics.ACK.filter("darner/v1"), 1)
        assert self._client.wait_subscribed(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._client.__exit__(None, None, None)

    def heard(self) -> list[Ack]:
        """Everything so far."""
        while len(self._client.received):
            self._heard.append(decode(Ack, self._client.received.get(0).payload))
        return list(self._heard)


def all_stored(database: PostgreSql, nodes: list[Node], schema: str = SCHEMA) -> None:
    """Everything that was made is there once, and the mark says so."""
    for node in nodes:
        assert stored(database, node.name, schema) == sorted(node.made), node.name
        boot, number = max(node.made)
        asked = f"select number from {schema}.boots where node = '{node.name}' and boot = '{boot}'"  # noqa: S608 - ours
        assert database.ask(asked) == str(number)


@pytest.mark.parametrize("workers", [1, 3])
def test_nothing_is_lost_and_nothing_is_stored_twice_whatever_is_killed(
    own_broker: MosquittoProcess, database: PostgreSql, nodes: list[Node], tmp_path: Path, workers: int
) -> None:
    dice = random.Random(workers)
    setting = f"archive.workers={workers}"
    with Archive(own_broker.url, database, tmp_path, setting) as archive, Acks(own_broker) as acks:
        archive.wait_ready()
        nodes[0].add()
        wait_until(lambda: bool(acks.heard()), 20)
        with busy(nodes, per_s=60):
            for what in ("worker", "database", "broker", "archive", "database", "worker"):
                time.sleep(dice.uniform(1.0, 2.0))
                if what == "database":
                    database.kill()
                    database.start()  # at once, so that it recovers while workers try
                elif what == "broker":
                    own_broker.kill()
                    own_broker.start()
                elif what == "worker" and workers > 1:
                    dice.choice(archive.workers).kill()
                else:
                    archive.kill()
                    archive.start()
            time.sleep(2.0)
        wait_empty(nodes)
        all_stored(database, nodes)
        assert archive.stop() == 0
    assert len(nodes[0].made) > 300
    assert "never came" not in archive.log
    assert database.ask(f"select count(*) from {SCHEMA}.refused") == "0"  # noqa: S608 - ours


def test_a_viewer_and_two_archives_have_marks_of_their_own(
    own_broker: MosquittoProcess, database: PostgreSql, nodes: list[Node], tmp_path: Path
) -> None:
    history = f"history.path={tmp_path}/history.db"
    one = Archive(own_broker.url, database, tmp_path)
    two = Archive(own_broker.url, database, tmp_path, "database.schema=second")
    with ViewerProcess(own_broker.url, tmp_path, history) as viewer, one, two:
        for archive in (one, two):
            archive.wait_ready()
        for node in nodes:
            node.add()
        wait_until(lambda: all(len(node.outbox.archives()) == 3 for node in nodes), 20)
        wait_empty(nodes)
        two.kill()
        with busy(nodes, per_s=100):
            time.sleep(2.0)
        wait_until(lambda: len(stored(database, "n0")) == len(nodes[0].made), 20)
        assert nodes[0].waiting == len(nodes[0].made) - 1, "kept for the archive that is away"
        two.start()
        wait_empty(nodes)
        all_stored(database, nodes)
        all_stored(database, nodes, "second")
        assert viewer.health()["status"] == "ok"


def test_all_workers_are_one_archive_with_one_session(
    own_broker: MosquittoProcess, database: PostgreSql, nodes: list[Node], tmp_path: Path
) -> None:
    archive = Archive(own_broker.url, database, tmp_path, "archive.workers=2")
    elsewhere = Archive(own_broker.url, database, tmp_path)
    with Acks(own_broker) as acks, archive:
        archive.wait_ready()
        with elsewhere:
            with busy(nodes, per_s=100):
                time.sleep(3.0)
            wait_empty(nodes)
            said = acks.heard()
            assert len(said) > 10
            assert len({(ack.archive, ack.session) for ack in said}) == 1
            archive.stop()
            wait_until(lambda: "this worker leads" in elsewhere.log, 20)
            with busy(nodes, per_s=20):
                time.sleep(1.0)
            wait_empty(nodes)
            later = acks.heard()[len(said) :]
            assert {ack.archive for ack in later} == {said[0].archive}
            assert len({ack.session for ack in later} - {said[0].session}) == 1
            all_stored(database, nodes)


@pytest.mark.parametrize("settings", [("mqtt.version=3.1.1",), ("archive.shared=false",)])
def test_without_shared_subscriptions_one_worker_subscribes_and_another_takes_its_place(
    own_broker: MosquittoProcess,
    database: PostgreSql,
    nodes: list[Node],
    tmp_path: Path,
    settings: tuple[str, ...],
) -> None:
    first = Archive(own_broker.url, database, tmp_path, *settings)
    second = Archive(own_broker.url, database, tmp_path, *settings)
    with first:
        first.wait_ready()
        with second:
            nodes[0].add()
            wait_until(lambda: len(stored(database, "n0")) == 1, 20)
            with busy(nodes, per_s=50):
                time.sleep(1.0)
                assert "receives events" not in second.log
                first.kill()
                second.wait_ready()
                time.sleep(1.0)
            wait_empty(nodes)
            all_stored(database, nodes)


def test_an_event_that_the_database_does_not_take_holds_up_no_other(
    own_broker: MosquittoProcess, database: PostgreSql, nodes: list[Node], tmp_path: Path
) -> None:
    with Archive(own_broker.url, database, tmp_path) as archive:
        archive.wait_ready()
        database.ask(f"alter table {SCHEMA}.events add check (label <> 'evil')")
        nodes[0].add()
        wait_until(lambda: bool(nodes[0].outbox.archives()), 20)
        for number in range(1, 200):
            nodes[0].add(label="evil" if number % 50 == 7 else "person")
        wait_empty(nodes[:1])
        assert len(stored(database, "n0")) == 196
        refused = database.ask(f"select number, why from {SCHEMA}.refused order by number").splitlines()  # noqa: S608 - ours
        assert [line.split("|")[0] for line in refused] == ["8", "58", "108", "158"]
        assert "violates check constraint" in refused[0]
        assert archive.log.count("was not taken by the database") == 1


def test_what_a_stranger_sends_is_skipped_and_costs_nothing_else(
    own_broker: MosquittoProcess, database: PostgreSql, nodes: list[Node], tmp_path: Path
) -> None:
    path = topics.EVENTS.path("darner/v1", node="n0", camera="street")
    example = json.loads((REPO / "docs/examples/events.json").read_text())["payload"]
    theirs: dict[str, Any] = example | {
        "node": "n0",
        "camera": "street",
        "boot": "zz",
        "number": 1,
        "oldest": 1,
    }
    strange = [
        b"{",
        b"\xff\xfe",
        json.dumps(theirs | {"node": "n1"}).encode(),
        json.dumps(theirs | {"number": 2**63}).encode(),
        json.dumps(theirs | {"dwell_s": float("nan")}).encode(),
        json.dumps(theirs | {"label": "\ud800"}).encode(),
        json.dumps(theirs | {"label": "a\0b", "unknown": "\0", "occurred_us": 0}).encode(),
        json.dumps(theirs | {"label": "a\0b", "unknown": "\0", "occurred_us": 0}).encode(),
    ]
    with Archive(own_broker.url, database, tmp_path) as archive, Acks(own_broker) as acks:
        archive.wait_ready()
        with Client(MqttSettings(url=own_broker.url), name="stranger") as client:
            assert client.wait_connected(10)
            for payload in strange:
                client.publish(topics.EVENTS, path, payload)
            client.finish(5)
        nodes[1].add()
        wait_until(lambda: len(stored(database, "n1")) == 1, 20)
        wait_until(lambda: ("n0", "zz", 1) in [(a.node, a.boot, a.number) for a in acks.heard()], 20)
        assert stored(database, "n0") == [("zz", 1)]
        found = "select label, occurred_at > now() - interval '1 hour'"
        assert database.ask(f"{found} from {SCHEMA}.events where node = 'n0'") == "a\ufffdb|t"
        assert archive.log.count("skipped an event") == 1


def test_a_database_that_can_only_be_read_is_said_once_and_so_is_its_cure(
    own_broker: MosquittoProcess, database: PostgreSql, tmp_path: Path
) -> None:
    with Archive(own_broker.url, database, tmp_path) as archive:
        archive.wait_ready()
        database.ask("alter role postgres set default_transaction_read_only = on")
        database.kill()
        database.start()
        wait_until(lambda: "read-only transaction" in archive.log, 20)
        time.sleep(3.0)  # it tries again each second
        assert archive.log.count("read-only transaction") == 1
        assert "works again" not in archive.log.split("read-only transaction")[1]
        cure = "alter role postgres reset default_transaction_read_only"
        database.ask(f"begin read write; {cure}; commit")
        wait_until(lambda: "works again" in archive.log.split("read-only transaction")[1], 20)


def test_an_archive_goes_on_when_the_shell_that_started_it_ends(
    own_broker: MosquittoProcess, database: PostgreSql, tmp_path: Path
) -> None:
    log = tmp_path / "archive.log"
    settings = f"--database {url(database)} --set mqtt.url={own_broker.url}"
    line = f"{sys.executable} -m viewer_server.archive {settings} >{log} 2>&1 & echo $!; read wait"
    pipe = subprocess.PIPE
    with subprocess.Popen(["sh", "-c", line], cwd=REPO, stdin=pipe, stdout=pipe, text=True) as shell:
        assert shell.stdout is not None
        archive = psutil.Process(int(shell.stdout.readline()))
        wait_until(lambda: log.exists() and "receives events" in log.read_text(), 20)
    try:
        assert shell.returncode is not None, "its input has ended, so it has"
        time.sleep(2.5)  # the archive looks once a second
        assert archive.is_running()
    finally:
        archive.kill()
