"""What is sent when, and what is given up; a stand-in network decides what arrives."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_node.outbox import outbox as module
from edge_node.outbox import sender
from edge_node.outbox.backlog import Backlog
from edge_node.outbox.event_file import Row
from tests.conftest import wait_until
from tests.edge_node.outbox.outboxes import Network, add, event, held, running


def test_at_most_20_are_in_flight_and_they_go_in_order(tmp_path: Path) -> None:
    network = Network(answers=False)
    network.connect()
    with running(network, tmp_path) as outbox:
        add(outbox, 50)
        for sent in (20, 40, 50):
            wait_until(partial(lambda sent: len(network.sent) >= sent, sent))
            assert network.numbers == list(range(1, sent + 1))
            network.answer()
        assert outbox.drain(5)
        assert held(outbox) == 0
    assert not any(sent.historical for sent in network.sent)
    assert {sent.oldest for sent in network.sent[:20]} == {1}


def test_an_id_is_never_used_again_and_what_was_left_is_sent_as_historical(tmp_path: Path) -> None:
    added, network = [], Network()
    for _ in range(3):
        with running(network, tmp_path) as outbox:
            added += add(outbox, 5)
    network.connect()
    with running(network, tmp_path) as outbox:
        assert outbox.drain(5)
    assert [sent.event_id for sent in network.sent] == [one.event_id for one in added]
    assert len({one.event_id for one in added}) == 15
    assert sorted(added, key=lambda one: (one.boot or "", one.number)) == added
    assert all(sent.historical for sent in network.sent)


def test_what_just_happened_goes_before_what_was_left_behind_which_is_bounded_in_rate(tmp_path: Path) -> None:
    network = Network()
    with running(network, tmp_path) as outbox:
        add(outbox, 100)
    network.connect()
    with running(network, tmp_path, replay_per_s=100) as outbox:
        wait_until(lambda: network.sent)
        live = outbox.add(event("now"))
        wait_until(lambda: any(sent.label == "now" for sent in network.sent))
        assert len(network.sent) < 60
        assert outbox.drain(10)
    old = [sent for sent in network.sent if sent.event_id != live.event_id]
    assert [sent.number for sent in old] == list(range(1, 101))
    assert all(sent.historical for sent in old)
    assert [sent.historical for sent in network.sent if sent.event_id == live.event_id] == [False]


def test_a_new_connection_begins_with_what_was_in_flight(tmp_path: Path) -> None:
    network = Network(answers=False)
    network.connect()
    with running(network, tmp_path, replay_per_s=1000) as outbox:
        add(outbox, 30)
        wait_until(lambda: len(network.sent) == 20)
        network.connected = False
        network.tell(1)  # late, of the old connection or a number that is not ours
        network.answers = True
        network.connect()
        assert outbox.drain(5)
    assert network.numbers[:20] == list(range(1, 21))
    again = network.sent[20:]
    assert {sent.number for sent in again} | {1} == set(range(1, 31))
    assert all(sent.historical == ((sent.number or 0) <= 20) for sent in again), "after a newer one"


def test_a_lone_event_is_on_disk_at_once_and_a_burst_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[tuple[float, int]] = []
    write = Backlog.write

    def recorded(self: Backlog, events: Any) -> list[Row]:
        rows = write(self, events)
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


def test_what_the_broker_refuses_is_kept_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "REFUSED_S", 0.2)
    network = Network()
    network.taken = False
    network.connect()
    with running(network, tmp_path, replay_per_s=10_000) as outbox:
        add(outbox, 5)
        wait_until(lambda: len(network.sent) >= 10)
        assert held(outbox) == 5
        network.taken = True
        wait_until(lambda: held(outbox) == 0)


def test_what_does_not_fit_is_a_gap_and_is_counted(tmp_path: Path) -> None:
    network = Network()
    with running(network, tmp_path, max_mb=0.02) as outbox:
        add(outbox, 100)
        wait_until(lambda: outbox.metrics().dropped > 50)
        network.connect()
        assert outbox.drain(5)
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
    monkeypatch.setattr(module, "MAX_ADDED", 10)
    hangs, answers, write = threading.Event(), threading.Event(), Backlog.write

    def hung(self: Backlog, events: Any) -> list[Row]:
        hangs.set()
        answers.wait(10)
        return write(self, events)

    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        monkeypatch.setattr(Backlog, "write", hung)
        assert hangs.wait(5)  # it writes now and then even when nothing was added
        add(outbox, 30)
        answers.set()
        wait_until(lambda: any(sent.gap for sent in network.sent))
        assert outbox.drain(5)
    [gap] = [sent.gap for sent in network.sent if sent.gap]
    lost = set(range(gap.first, gap.last + 1))
    assert gap.count == len(lost) >= 10
    assert lost | set(network.numbers) == set(range(1, 32))


def test_an_event_larger_than_the_broker_takes_does_not_hold_up_the_others(tmp_path: Path) -> None:
    network = Network()
    network.limit = 1000
    network.connect()
    with running(network, tmp_path) as outbox:
        outbox.add(event("x" * 900))
        add(outbox, 1)
        wait_until(lambda: any(sent.gap for sent in network.sent))
        assert outbox.drain(5)
        assert held(outbox) == 0


def test_nobody_waits_for_a_broker_that_is_away(tmp_path: Path) -> None:
    with running(Network(), tmp_path) as outbox:
        add(outbox, 1)
        begin = time.monotonic()
        assert not outbox.drain(5)
    assert time.monotonic() - begin < 2
