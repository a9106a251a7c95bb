"""Which event is sent when; a stand-in network decides what arrives."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from edge_node.outbox import sender
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
        assert outbox.drain(30)
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
        assert outbox.drain(30)
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
        assert outbox.drain(30)
    assert network.numbers[:20] == list(range(1, 21))
    again = network.sent[20:]
    assert {sent.number for sent in again} | {1} == set(range(1, 31))
    assert all(sent.historical == ((sent.number or 0) <= 20) for sent in again), "after a newer one"


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


def test_an_event_larger_than_the_broker_takes_does_not_hold_up_the_others(tmp_path: Path) -> None:
    network = Network()
    network.limit = 1000
    network.connect()
    with running(network, tmp_path) as outbox:
        outbox.add(event("x" * 900))
        add(outbox, 1)
        wait_until(lambda: any(sent.gap for sent in network.sent))
        assert outbox.drain(30)
        assert held(outbox) == 0
