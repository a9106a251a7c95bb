"""What is committed when, and what is given up; a stand-in network decides what arrives."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from edge_node.outbox import added
from edge_node.outbox.backlog import Backlog
from edge_node.outbox.event_file import Row
from edge_node.outbox.outbox import DISK_S
from shared.service.watchdog import LATE_S
from shared.storage.database import open_database
from tests.conftest import wait_until
from tests.edge_node.outbox.outboxes import Network, add, running


@pytest.mark.timing
def test_a_lone_event_is_on_disk_at_once_and_a_burst_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[tuple[float, int]] = []
    write = Backlog.write

    def recorded(self: Backlog, *given: Any) -> list[Row]:
        rows = write(self, *given)
        commits.extend([(time.monotonic(), len(rows))] if rows else [])
        return rows

    monkeypatch.setattr(Backlog, "write", recorded)
    with running(Network(), tmp_path) as outbox:
        waits: list[float] = []
        for _ in range(5):
            time.sleep(0.12)
            begun = time.monotonic()
            add(outbox, 1)
            wait_until(lambda: len(commits) > len(waits))
            waits.append(commits[-1][0] - begun)
        assert sorted(waits)[1] < 0.04, "less than the interval, on a machine that is busy"
        commits.clear()
        for _ in range(100):
            add(outbox, 1)
            time.sleep(0.002)
        wait_until(lambda: sum(count for _, count in commits) == 100)
        assert len(commits) <= 12


def test_what_does_not_fit_is_a_gap_and_is_counted(tmp_path: Path) -> None:
    network = Network()
    with running(network, tmp_path, max_mb=0.02) as outbox:
        add(outbox, 100)
        wait_until(lambda: outbox.metrics().dropped > 50)
        network.connect()
        assert outbox.drain(30)
        dropped = outbox.metrics().dropped
    gaps = [sent.gap for sent in network.sent if sent.gap]
    came = {sent.number for sent in network.sent}
    missing = {number for gap in gaps for number in range(gap.first, gap.last + 1)}
    assert sum(gap.count for gap in gaps) == dropped > 50
    assert {sent.type for sent in network.sent if sent.gap} == {"gap"}
    assert came | missing == set(range(1, 101 + len(gaps)))


def test_a_hung_disk_costs_the_oldest_and_never_the_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(added, "MAX_ADDED", 10)
    hangs, answers, write = threading.Event(), threading.Event(), Backlog.write

    def hung(self: Backlog, *given: Any) -> list[Row]:
        hangs.set()
        answers.wait(60)
        return write(self, *given)

    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        monkeypatch.setattr(Backlog, "write", hung)
        assert hangs.wait(30)  # it writes now and then even when nothing was added
        add(outbox, 30)
        answers.set()
        wait_until(lambda: any(sent.gap for sent in network.sent))
        assert outbox.drain(30)
    [gap] = [sent.gap for sent in network.sent if sent.gap]
    lost = set(range(gap.first, gap.last + 1))
    assert gap.count == len(lost) >= 10
    assert lost | set(network.numbers) == set(range(1, 32))


def test_a_watchdog_has_patience_with_a_disk_that_hangs_in_reading_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang, hangs, answers = threading.Event(), threading.Event(), threading.Event()

    def trace(sql: str) -> None:
        if hang.is_set() and sql.startswith("SELECT"):
            hangs.set()
            answers.wait(60)

    def opened(*arguments: Any) -> sqlite3.Connection:
        database = open_database(*arguments)
        database.set_trace_callback(trace)
        return database

    monkeypatch.setattr("edge_node.outbox.event_file.open_database", opened)
    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        assert outbox.look().frozen_s == LATE_S
        hang.set()
        add(outbox, 1)
        assert hangs.wait(30), "it reads before it forgets what the broker has"
        assert outbox.look().frozen_s == DISK_S
        answers.set()
        assert outbox.drain(30)


def test_nobody_waits_for_a_broker_that_is_away(tmp_path: Path) -> None:
    with running(Network(), tmp_path) as outbox:
        add(outbox, 1)
        begin = time.monotonic()
        assert not outbox.drain(60)
    assert time.monotonic() - begin < 30


def test_the_file_may_be_below_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with running(Network(), Path("~")):
        assert (tmp_path / "home" / "o.db").exists()
    assert not Path("~").exists()
