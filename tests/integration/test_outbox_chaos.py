"""Broker, edge and viewer are killed (kill -9) in turn, and no event that was committed is lost."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge_node.outbox.backlog import Backlog
from shared.wire.messages import now_us
from tests.conftest import REPO, MosquittoProcess, wait_until
from viewer_server.config import HistorySettings
from viewer_server.stored.history import History

SEED = 4
Key = tuple[str, int]


class Process:
    """One role of `outbox_processes`, which can be killed and started again."""

    def __init__(self, role: str, url: str, folder: Path, name: str = "history") -> None:
        self._role, self._url, self._folder, self._name = role, url, folder, name
        self._starts = 0

    def start(self) -> None:
        self._starts += 1
        command = [sys.executable, "-m", "tests.integration.outbox_processes", self._role, self._url]
        with (self._folder / f"{self._role}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, str(self._folder), "--seed", str(SEED + self._starts), "--name", self._name],
                stderr=log,
                cwd=REPO,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def running(*processes: Process) -> Iterator[None]:
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def committed(folder: Path) -> list[Key]:
    """The events that the edge has promised to deliver. A line that a kill cut short is no promise."""
    file = folder / "committed"
    text = file.read_text() if file.exists() else ""
    return [(boot, int(number)) for boot, number in map(str.split, text.split("\n")[:-1])]


def wait_for_more(folder: Path, count: int = 50) -> None:
    wanted = len(committed(folder)) + count
    wait_until(lambda: len(committed(folder)) >= wanted, 60)


def check(promised: list[Key], delivered: list[Key], kills: int) -> None:
    assert len(delivered) == len(set(delivered)), "each once, after de-duplication"
    assert len(set(promised)) == len(promised), "an id was used again"
    assert not set(promised) - set(delivered), "lost"
    # A killed edge may have had no time to write down the promises of its last transaction.
    assert len(set(delivered) - set(promised)) <= kills * 50
    for boot in {boot for boot, _ in delivered}:
        numbers = sorted(number for at, number in delivered if at == boot)
        assert numbers == list(range(1, len(numbers) + 1)), "none is missing in between"


def report(record: Callable[[str, object], None], name: str, **numbers: int) -> None:
    record(name, numbers)
    print(f"{name}: {numbers}")


def expect_archives(folder: Path, *names: str) -> None:
    """Make the archives known to the edge before the viewers start, so that it keeps events for each."""
    with Backlog(folder / "outbox.db", 10**9, 10**6) as backlog:
        for name in names:
            with History(HistorySettings(path=str(folder / f"{name}.db"))) as history:
                backlog.archives.hear(history.archive, now_us())


def stored(folder: Path, name: str) -> list[Key]:
    with sqlite3.connect(folder / f"{name}.db") as history:
        keys: list[Key] = history.execute("SELECT boot, number FROM events ORDER BY id").fetchall()
    history.close()
    return keys


def counted(folder: Path) -> dict[tuple[str, str, str], tuple[int, int]]:
    """What the edge's counters of the day have, by camera, zone and class: entered and exited."""
    with sqlite3.connect(folder / "outbox.db") as outbox:
        rows = outbox.execute("SELECT camera, place, flows FROM day_counters").fetchall()
    outbox.close()
    return {
        (camera, zone, label): tuple(flow)
        for camera, zone, flows in rows
        for label, flow in orjson.loads(flows).items()
    }


def delivered_today(folder: Path, name: str) -> dict[tuple[str, str, str], tuple[int, int]]:
    """The same of the events that an archive has, since those counters began."""
    with sqlite3.connect(folder / f"{name}.db") as history:
        history.execute("ATTACH ? AS outbox", (str(folder / "outbox.db"),))
        rows = history.execute(
            "SELECT camera, zone, label, sum(type = 'zone_entered'), sum(type = 'zone_exited') FROM events "
            "JOIN places ON places.id = events.place "
            "JOIN outbox.day_counters AS day USING (camera) "
            "WHERE day.place = zone AND occurred_us >= since_us "
            "AND type IN ('zone_entered', 'zone_exited') GROUP BY camera, zone, label"
        ).fetchall()
    history.close()
    return {(camera, zone, label): (entered, exited) for camera, zone, label, entered, exited in rows}


@pytest.mark.timeout(90)
def test_with_an_archive_nothing_is_lost_whatever_is_killed_and_whatever_the_broker_forgets(
    own_broker: MosquittoProcess, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    edge, viewer = (Process(role, own_broker.url, tmp_path) for role in ("edge", "viewer"))
    victims: list[MosquittoProcess | Process] = [own_broker, edge, viewer] * 2
    random.Random(SEED).shuffle(victims)
    expect_archives(tmp_path, "history")
    with running(edge, viewer):
        wait_for_more(tmp_path)
        for victim in victims:
            victim.kill()
            if victim is not edge:
                wait_for_more(tmp_path)
            victim.start()
            wait_for_more(tmp_path)
        (tmp_path / "stop").touch()
        assert edge.process.wait(40) == 0, "everything was acknowledged"
        (tmp_path / "viewer-stop").touch()
        assert viewer.process.wait(30) == 0
    delivered = stored(tmp_path, "history")
    promised = committed(tmp_path)
    check(promised, delivered, kills=2)
    assert counted(tmp_path) == delivered_today(tmp_path, "history"), "a kill loses no count of the day"
    assert len(counted(tmp_path)) == 8
    repeated = sum(int(file.read_text()) for file in tmp_path.glob("repeated-*"))
    report(
        record_property,
        "archive",
        made=len(promised),
        delivered=len(delivered),
        repeated=repeated,
        lost=len(set(promised) - set(delivered)),
    )


@pytest.mark.long
@pytest.mark.timeout(90)
def test_each_of_two_archives_is_complete_though_one_was_away_while_the_other_acknowledged(
    own_broker: MosquittoProcess, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    edge, *viewers = (
        Process("edge", own_broker.url, tmp_path),
        Process("viewer", own_broker.url, tmp_path, "one"),
        Process("viewer", own_broker.url, tmp_path, "two"),
    )
    one, two = viewers
    expect_archives(tmp_path, "one", "two")
    with running(edge, one, two):
        wait_for_more(tmp_path)
        two.kill()
        wait_for_more(tmp_path, 300)  # the other archive acknowledges all of these
        edge.kill()  # which archive has stored what must survive both kills
        own_broker.kill()
        edge.start()
        own_broker.start()
        wait_for_more(tmp_path, 100)
        two.start()
        one.kill()
        wait_for_more(tmp_path, 100)
        one.start()
        wait_for_more(tmp_path)
        (tmp_path / "stop").touch()
        assert edge.process.wait(40) == 0, "both have acknowledged everything"
        (tmp_path / "viewer-stop").touch()
        assert [viewer.process.wait(30) for viewer in viewers] == [0, 0]
    promised = committed(tmp_path)
    for name in ("one", "two"):
        check(promised, stored(tmp_path, name), kills=1)
    repeated = sum(int(file.read_text()) for file in tmp_path.glob("repeated-*"))
    report(record_property, "two archives", made=len(promised), repeated=repeated, lost=0)


@pytest.mark.long
@pytest.mark.timeout(90)
def test_a_second_archive_that_comes_late_gets_all_that_is_still_held(
    own_broker: MosquittoProcess, tmp_path: Path
) -> None:
    edge, one, late = (
        Process("edge", own_broker.url, tmp_path),
        Process("viewer", own_broker.url, tmp_path, "one"),
        Process("viewer", own_broker.url, tmp_path, "late"),
    )
    expect_archives(tmp_path, "one")
    with running(edge, one):
        wait_for_more(tmp_path)
        one.kill()
        had = set(stored(tmp_path, "one"))
        wait_for_more(tmp_path, 200)  # these are held for the archive that is away
        with running(late):
            # Only what an archive has acknowledged makes the edge keep events for it.
            wait_until(lambda: (tmp_path / f"repeated-{late.process.pid}").exists(), 60)
            wait_until(lambda: stored(tmp_path, "late"), 60)
            wait_for_more(tmp_path)
            one.start()
            wait_for_more(tmp_path)
            (tmp_path / "stop").touch()
            assert edge.process.wait(40) == 0, "both have acknowledged everything"
            (tmp_path / "viewer-stop").touch()
            assert [viewer.process.wait(30) for viewer in (one, late)] == [0, 0]
    promised = committed(tmp_path)
    check(promised, stored(tmp_path, "one"), kills=0)
    delivered = stored(tmp_path, "late")
    assert len(delivered) == len(set(delivered)) > 200
    assert set(promised) - had <= set(delivered)


class Subscriber:
    """A stranger's subscriber, with a session that the broker keeps. It stores and acknowledges nothing."""

    def __init__(self, port: int) -> None:
        self.connected = threading.Event()
        self.came: list[tuple[Key, bool]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "stranger", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = lambda *_: self.connected.clear()
        self._client.on_subscribe = lambda *_: self.connected.set()
        self._client.on_message = self._on_message
        self._client.connect_async("127.0.0.1", port)

    def __enter__(self) -> Subscriber:
        self._client.loop_start()
        assert self.connected.wait(30)
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, *_: object) -> None:
        self._client.subscribe("darner/v1/+/camera/+/events", 1)

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:  # noqa: ARG002
        event = orjson.loads(message.payload)
        self.came.append(((event["boot"], event["number"]), event["historical"]))


@pytest.mark.timeout(90)
def test_without_an_archive_a_subscriber_that_comes_back_loses_nothing_though_the_broker_forgets_all(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    broker = MosquittoProcess(tmp_path, extra="max_queued_messages 0")
    broker.start()
    edge = Process("edge", broker.url, tmp_path)
    victims: list[MosquittoProcess | Process] = [broker, edge] * 2
    random.Random(SEED).shuffle(victims)
    with Subscriber(broker.port) as stranger, running(edge):
        for victim in victims:
            assert stranger.connected.wait(30)
            wait_for_more(tmp_path)
            victim.kill()
            if victim is broker:
                wait_for_more(tmp_path)
            victim.start()
        assert stranger.connected.wait(30)
        wait_for_more(tmp_path)
        (tmp_path / "stop").touch()
        assert edge.process.wait(40) == 0, "the broker has acknowledged everything"
        promised = committed(tmp_path)
        wait_until(lambda: set(promised) <= {key for key, _ in stranger.came}, 60)
    broker.kill()
    delivered = list(dict.fromkeys(key for key, _ in stranger.came))
    check(promised, delivered, kills=2)
    current = [key for key, historical in stranger.came if not historical]
    assert list(dict.fromkeys(current)) == sorted(set(current)), "what is not historical comes in order"
    report(
        record_property,
        "no archive",
        made=len(promised),
        delivered=len(delivered),
        repeated=len(stranger.came) - len(delivered),
        lost=len(set(promised) - set(delivered)),
    )
