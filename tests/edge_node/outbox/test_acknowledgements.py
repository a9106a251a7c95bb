"""What archives say, what is forgotten then, and what is sent to them again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edge_node.outbox.archives import MAX_ARCHIVES, Patience, State
from shared.errors import MessageError
from shared.mqtt.received import Received
from shared.wire.messages import now_us
from tests.conftest import wait_until
from tests.edge_node.outbox.outboxes import ACK, VIEWER, Network, acknowledge, add, archives, held, running

HURRIED = Patience(first_s=0.1, most_s=0.2)


def test_an_archive_decides_what_is_forgotten_once_there_is_one(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        boot = add(outbox, 3)[0].boot
        assert outbox.drain(30)
        assert held(outbox) == 0, "the broker has them, and nobody else was ever heard of"
        acknowledge(outbox, boot, 3)
        wait_until(lambda: archives(outbox))
        add(outbox, 5)
        assert outbox.drain(30)
        assert held(outbox) == 5
        acknowledge(outbox, "another-boot", 99)
        acknowledge(outbox, boot, 6)
        wait_until(lambda: held(outbox) == 2)
    with running(Network(), tmp_path) as outbox:
        wait_until(lambda: archives(outbox))
        assert held(outbox) == 2


def test_without_progress_of_the_archive_events_are_sent_again(
    tmp_path: Path,
) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path, HURRIED, replay_per_s=10_000) as outbox:
        acknowledge(outbox, "any", 1)
        wait_until(lambda: archives(outbox))
        boot = add(outbox, 50)[0].boot
        wait_until(lambda: network.numbers.count(1) >= 3)
        wait_until(lambda: outbox.archives()[0].state is State.SILENT)
        assert network.numbers.count(50) <= 2, "nobody answers: only the first are tried again"
        before = network.numbers.count(50)
        acknowledge(outbox, boot, 20)  # it is back
        wait_until(lambda: network.numbers.count(50) > before)
        acknowledge(outbox, boot, 50)
        wait_until(lambda: held(outbox) == 0)
    assert all(sent.historical for sent in network.sent[50:])


def test_an_archive_that_is_silent_for_long_is_one_no_more(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path, archive_h=0.5 / 3600) as outbox:
        acknowledge(outbox, "any", 1)
        wait_until(lambda: archives(outbox))
        add(outbox, 5)
        wait_until(lambda: not archives(outbox))
        wait_until(lambda: held(outbox) == 0)


def test_a_retained_acknowledgement_of_long_ago_makes_no_archive(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        acknowledge(outbox, "any", 1, retained_at=now_us() - 25 * 3_600_000_000)
        add(outbox, 5)
        assert outbox.drain(30)
        assert held(outbox) == 0


def test_an_event_is_kept_until_every_archive_has_it_also_over_a_restart(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        boot = add(outbox, 1)[0].boot
        acknowledge(outbox, boot, 1, by="a")
        acknowledge(outbox, boot, 1, by="b")
        wait_until(lambda: archives(outbox) == ["a", "b"])
        add(outbox, 9)
        assert outbox.drain(30)
        acknowledge(outbox, boot, 10, by="a")
        acknowledge(outbox, boot, 4, by="b")
        wait_until(lambda: held(outbox) == 6)
    with running(network, tmp_path) as outbox:
        assert sorted(archives(outbox)) == ["a", "b"]
        acknowledge(outbox, boot, 7, by="b")
        wait_until(lambda: held(outbox) == 3)
        acknowledge(outbox, boot, 10, by="b")
        wait_until(lambda: held(outbox) == 0)


def test_a_new_archive_counts_from_its_first_word_and_gets_what_is_still_held(
    tmp_path: Path,
) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path, HURRIED, replay_per_s=10_000) as outbox:
        boot = add(outbox, 1)[0].boot
        acknowledge(outbox, boot, 1, by="a")
        wait_until(lambda: archives(outbox) == ["a"])
        add(outbox, 9)
        assert outbox.drain(30)
        acknowledge(outbox, boot, 5, by="a")
        wait_until(lambda: held(outbox) == 5)
        acknowledge(outbox, boot, 5, by="late")  # as one does that has seen an event whose `oldest` is 6
        acknowledge(outbox, boot, 10, by="a")
        wait_until(lambda: archives(outbox) == ["a", "late"])
        acknowledge(outbox, boot, 5, by="late")  # it is there, and waits
        wait_until(lambda: network.numbers.count(6) == 2)
        assert held(outbox) == 5
        acknowledge(outbox, boot, 10, by="late")
        wait_until(lambda: held(outbox) == 0)
    assert network.numbers.count(5) == 1, "what nobody needs is not sent again"


def test_an_archive_that_is_away_costs_the_others_no_flood_and_gets_its_part_when_it_is_back(
    tmp_path: Path,
) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path, HURRIED, replay_per_s=10_000) as outbox:
        boot = add(outbox, 1)[0].boot
        for name in ("there", "away"):
            acknowledge(outbox, boot, 1, by=name)
        wait_until(lambda: len(archives(outbox)) == 2)
        add(outbox, 99)
        assert outbox.drain(30)
        for _ in range(12):
            acknowledge(outbox, boot, 100, by="there")  # as it does for each repetition, too
            time.sleep(0.1)
        again = [number for number in network.numbers[100:] if number]
        assert again
        assert set(again) - set(range(2, 102)) == set()
        assert network.numbers.count(100) <= 2, "only the first few are tried again, and ever less often"
        network.connect()
        assert outbox.drain(30)
        assert network.numbers.count(100) <= 2, "nor at a new connection"
        acknowledge(outbox, boot, 30, by="away")  # it is back
        wait_until(lambda: network.numbers.count(100) == 3)
        acknowledge(outbox, boot, 100, by="away")
        wait_until(lambda: held(outbox) == 0)


def test_an_archive_that_started_again_gets_what_it_missed_at_once(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        boot = add(outbox, 1)[0].boot
        assert outbox.drain(30)
        acknowledge(outbox, boot, 1)
        wait_until(lambda: held(outbox) == 0)
        add(outbox, 5)
        assert outbox.drain(30)
        acknowledge(outbox, boot, 1)  # the same run may still be at it
        time.sleep(0.3)
        assert network.numbers == [1, 2, 3, 4, 5, 6]
        acknowledge(outbox, boot, 1, session="w")
        wait_until(lambda: network.numbers == [1, *[2, 3, 4, 5, 6] * 2])


def test_an_archive_that_is_gone_for_long_holds_nothing_back_any_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path, archive_h=0.5 / 3600) as outbox:
        boot = add(outbox, 1)[0].boot
        acknowledge(outbox, boot, 1, by="gone")
        add(outbox, 4)
        acknowledge(outbox, boot, 3, by="there")

        def gives_up() -> bool:
            acknowledge(outbox, boot, 4, by="there")
            return "archive gone has not spoken for" in caplog.text

        wait_until(gives_up)
        wait_until(lambda: held(outbox) == 1)
        assert archives(outbox) == ["there"]


def test_an_archive_whose_acknowledgement_is_cleared_is_waited_for_no_longer(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        boot = add(outbox, 1)[0].boot
        assert outbox.drain(30)
        acknowledge(outbox, boot, 1)
        wait_until(lambda: archives(outbox))
        add(outbox, 4)
        assert outbox.drain(30)
        assert held(outbox) == 4
        outbox.acknowledged(Received(f"{ACK}/{VIEWER}", b"", 1, False, {}))
        wait_until(lambda: held(outbox) == 0)


def test_what_archives_claim_is_bounded(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        boot = add(outbox, 1)[0].boot
        assert outbox.drain(30)
        acknowledge(outbox, boot, 2**53 - 1)
        wait_until(lambda: archives(outbox))
        add(outbox, 4)
        assert outbox.drain(30)
        assert held(outbox) == 4, "nobody has stored what was not made"
        for number in range(100):
            acknowledge(outbox, f"invented-{number}", 5)
            acknowledge(outbox, boot, 1, by=f"a{number}")
        wait_until(lambda: len(archives(outbox)) == MAX_ARCHIVES)
        assert {len(archive.marks) for archive in outbox.archives()} == {1}


@pytest.mark.parametrize("payload", [b"{}", b"\xff", b'{"node": "other"}'])
def test_an_acknowledgement_that_breaks_the_contract_is_refused(tmp_path: Path, payload: bytes) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        with pytest.raises(MessageError):
            outbox.acknowledged(Received(ACK, payload, 1, False, {}))
        assert outbox.drain(30)
        assert not archives(outbox)


def test_bad_acknowledgements_are_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(Network(), tmp_path) as outbox:
        for number in range(100):
            outbox.handle(Received(f"{ACK}/{VIEWER}", b"%d" % number, 1, False, {}))
    assert len([record for record in caplog.records if "skipped" in record.message]) == 1
