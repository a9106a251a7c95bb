"""Without an archive, an event stays for longer than a broker needs to write it down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_node.outbox import reserve, sender
from edge_node.outbox.added import numbered
from edge_node.outbox.backlog import Backlog
from edge_node.outbox.event_file import Row
from edge_node.outbox.resend import Resend
from edge_node.outbox.reserve import EVERY_S, LONGEST, Reserve
from edge_node.outbox.sender import Sender
from shared.wire.messages import encode, now_us
from tests.conftest import wait_until
from tests.edge_node.outbox.outboxes import Network, acknowledge, add, event, held, running

HOUR_S = 3600.0


@pytest.fixture
def backlog() -> Backlog:
    return Backlog(None, 10_000, HOUR_S).__enter__()


def rows(backlog: Backlog, count: int, size: int = 100, at_us: int = 10**15) -> list[Row]:
    return backlog.write([(backlog.boot, number + 1, at_us, "c", bytes(size)) for number in range(count)])


def test_what_a_broker_had_and_lost_is_sent_again_as_historical_and_counts_as_delivered_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "SETTLE_S", 0.2)
    network = Network()
    network.connect()
    with running(network, tmp_path, replay_per_s=1000) as outbox:
        add(outbox, 5)
        assert outbox.drain(30)
        assert held(outbox) == 0
        network.connected = False
        network.connect()
        wait_until(lambda: len(network.sent) == 10)
        assert outbox.drain(30)
        assert network.numbers == [1, 2, 3, 4, 5] * 2
        assert [sent.historical for sent in network.sent] == [False] * 5 + [True] * 5
        add(outbox, 1)
        assert outbox.drain(30)
        assert network.numbers[10:] == [6], "on this connection, nothing is sent twice"
    with running(network, tmp_path) as outbox:
        assert outbox.drain(30)
    assert len(network.sent) == 11, "a clean end leaves nothing behind"


def test_an_event_stays_while_the_broker_that_may_have_lost_it_is_away_for_longer(backlog: Backlog) -> None:
    network: Any = Network()
    resend = Resend(backlog, 1000, 0.0)
    one = Sender(network, "n", "darner/v1", backlog, resend, now_us, lambda: None, keep_s=90.0)
    one.listen()

    def turn(now: float) -> None:
        if one.renew(now):
            one.replay(1)
        one.take_answers(now)
        assert not list(one.send(now))
        one.take_answers(now)

    network.connect()
    turn(1.0)
    made = [
        (backlog.boot, number, now_us(), "c", encode(numbered(event(), "b", number))) for number in (1, 2)
    ]
    one.queue(backlog.write(made))
    turn(2.0)
    network.connected = False
    for now in (3.0, 500.0, 1000.0):  # the broker's machine starts again
        turn(now)
    assert backlog.count == 2
    network.connect()
    turn(1001.0)
    turn(1001.0 + sender.SETTLE_S)
    turn(1002.0 + sender.SETTLE_S)
    assert network.numbers[-2:] == [1, 2]
    turn(1080.0)
    assert backlog.count == 2, "from here on, its time begins anew"
    turn(1200.0)
    assert backlog.count == 0


def test_what_grew_too_old_without_a_connection_is_not_lost(backlog: Backlog) -> None:
    one = Reserve(backlog, 90.0)
    for row in rows(backlog, 3):
        one.add(row, 0.0, 10**15)
    late_us = 10**15 + int(2e6 * HOUR_S)
    one.make_room(late_us)
    assert backlog.make_room(late_us) == []
    assert backlog.count == len(one) == 0


def test_who_keeps_nothing_sends_nothing_again(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path, keep_s=0.0) as outbox:
        add(outbox, 5)
        assert outbox.drain(30)
        network.connect()
        add(outbox, 1)
        assert outbox.drain(30)
    assert network.numbers == [1, 2, 3, 4, 5, 6]


def test_a_new_archive_gets_what_was_kept(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path, replay_per_s=1000) as outbox:
        [*_, last] = add(outbox, 5)
        assert outbox.drain(30)
        acknowledge(outbox, last.boot, 2)
        wait_until(lambda: held(outbox) == 3)
        acknowledge(outbox, last.boot, 2, session="another")  # it was away: it gets at once what it lacks
        wait_until(lambda: network.numbers[5:] == [3, 4, 5])


def test_an_event_stays_for_its_time_and_a_new_connection_begins_it_anew_but_not_for_ever(
    backlog: Backlog,
) -> None:
    [row] = rows(backlog, 1)
    one, now = Reserve(backlog, 90.0), 0.0
    one.add(row, now, 10**15)
    one.expire(89.0)
    assert backlog.count == len(one) == 1
    for now in range(80, 80 * LONGEST, 80):
        one.renew()
        assert not one.ids
        one.add(row, float(now), 10**15)
        one.expire(now + EVERY_S)
        assert backlog.count == 1
    one.add(row, LONGEST * 90.0 - 1, 10**15)
    one.expire(LONGEST * 90.0)
    assert backlog.count == len(one) == one.bytes == 0


def test_what_is_kept_gives_way_to_what_waits_and_leaves_no_gap(backlog: Backlog) -> None:
    one = Reserve(backlog, 90.0)
    for row in rows(backlog, 30):
        one.add(row, 0.0, 10**15)
    waiting = rows(backlog, 30)
    one.make_room(10**15)
    assert 10_000 - 100 < backlog.bytes <= 10_000 or len(one) == 0
    assert backlog.make_room(10**15) == []
    assert backlog.read(0, backlog.last_id, 100)[-30:] == waiting


def test_no_more_is_kept_than_there_is_memory_for(backlog: Backlog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reserve, "MOST_BYTES", 1000)
    one = Reserve(backlog, 90.0)
    made = rows(backlog, 20)
    for row in made:
        one.add(row, 0.0, 10**15)
    assert one.bytes <= 1000
    assert backlog.read(0, backlog.last_id, 100) == made[-5:]


def test_an_event_that_would_grow_too_old_meanwhile_is_not_kept(backlog: Backlog) -> None:
    one = Reserve(backlog, 90.0)
    [row] = rows(backlog, 1)
    one.add(row, 0.0, 10**15 + int(0.95e6 * HOUR_S))
    assert backlog.count == len(one) == 0
