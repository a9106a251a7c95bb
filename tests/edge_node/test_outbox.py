"""What is sent when, and when it is forgotten; a stand-in network decides what arrives."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_node import acknowledgements
from edge_node import outbox as module
from edge_node.archives import MAX_ARCHIVES
from edge_node.backlog import Backlog
from edge_node.event_file import Row
from edge_node.outbox import Outbox, OutboxSettings
from shared import topics
from shared.errors import MessageError
from shared.messages import Ack, Event, decode, encode, now_us
from shared.mqtt import Received
from tests.conftest import wait_until

ACK = "darner/v1/n/ack"
VIEWER = "viewer-1"


class Network:
    """Stands where the client stands: connected, and answering, when the test says so."""

    def __init__(self, *, answers: bool = True) -> None:
        self.connections = 0
        self.connected = False
        self.answers = answers
        self.taken = True
        self.limit = 10**6
        self.sent: list[Event] = []
        self.unanswered: list[int] = []
        self.on_acknowledged: list[Any] = []

    def subscribe(self, topic_filter: str, qos: int) -> None:
        assert (topic_filter, qos) == (f"{ACK}/+", 1)

    def connect(self) -> None:
        self.connections += 1
        self.connected = True

    def send(self, topic: topics.Topic, path: str, payload: bytes, user_properties: None) -> int | None:
        if not self.connected:
            return None
        if len(payload) > self.limit:
            raise MessageError("too large")
        event = decode(Event, payload)
        assert (topic, path) == (topics.EVENTS, f"darner/v1/n/camera/{event.camera}/events")
        assert user_properties is None
        self.sent.append(event)
        number = len(self.sent)
        if self.answers:
            self.tell(number)
        else:
            self.unanswered.append(number)
        return number

    def answer(self) -> None:
        answered, self.unanswered = self.unanswered, []
        for number in answered:
            self.tell(number)

    def tell(self, number: int) -> None:
        for listener in self.on_acknowledged:
            listener(number, self.taken)

    @property
    def numbers(self) -> list[int | None]:
        return [event.number for event in self.sent]


@contextmanager
def running(network: Network, folder: Path, **settings: Any) -> Iterator[Outbox]:
    chosen = OutboxSettings(path=str(folder / "o.db"), **settings)
    with Outbox(network, chosen, "n", "darner/v1", "s") as outbox:  # type: ignore[arg-type]  # a stand-in
        yield outbox


def event(label: str = "person") -> Event:
    return Event(
        node="n",
        session="s",
        published_us=0,
        camera="c",
        seq=1,
        captured_us=now_us(),
        event_id="",
        type="track_started",
        occurred_us=now_us(),
        label=label,
    )


def add(outbox: Outbox, count: int) -> list[Event]:
    return [outbox.add(event()) for _ in range(count)]


def held(outbox: Outbox) -> int:
    return outbox.metrics().backlog


def acknowledge(
    outbox: Outbox,
    boot: str | None,
    number: int,
    *,
    by: str = VIEWER,
    retained_at: int | None = None,
    session: str = "v",
) -> None:
    at = now_us() if retained_at is None else retained_at
    assert boot is not None
    ack = Ack(node="n", session=session, published_us=at, boot=boot, number=number, archive=by)
    outbox.acknowledged(Received(f"{ACK}/{by}", encode(ack), 1, retained_at is not None, {}))


def archives(outbox: Outbox) -> list[str]:
    return [archive.name for archive in outbox._backlog.archives]


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


def test_an_archive_decides_what_is_forgotten_once_there_is_one(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        boot = add(outbox, 3)[0].boot
        assert outbox.drain(5)
        assert held(outbox) == 0, "the broker has them, and nobody else was ever heard of"
        acknowledge(outbox, boot, 3)
        wait_until(lambda: archives(outbox))
        add(outbox, 5)
        assert outbox.drain(5)
        assert held(outbox) == 5
        acknowledge(outbox, "another-boot", 99)
        acknowledge(outbox, boot, 6)
        wait_until(lambda: held(outbox) == 2)
    with running(Network(), tmp_path) as outbox:
        wait_until(lambda: archives(outbox))
        assert held(outbox) == 2


def test_without_progress_of_the_archive_events_are_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acknowledgements, "PATIENCE_S", 0.2)
    network = Network()
    network.connect()
    with running(network, tmp_path, replay_per_s=10_000) as outbox:
        acknowledge(outbox, "any", 1)
        wait_until(lambda: archives(outbox))
        boot = add(outbox, 50)[0].boot
        wait_until(lambda: network.numbers.count(1) >= 3)
        wait_until(lambda: all(archive.silent for archive in outbox._backlog.archives))
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
    with running(network, tmp_path, archive_h=1.0 / 3600) as outbox:
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
        assert outbox.drain(5)
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
        assert outbox.drain(5)
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acknowledgements, "PATIENCE_S", 0.2)
    network = Network()
    network.connect()
    with running(network, tmp_path, replay_per_s=10_000) as outbox:
        boot = add(outbox, 1)[0].boot
        acknowledge(outbox, boot, 1, by="a")
        wait_until(lambda: archives(outbox) == ["a"])
        add(outbox, 9)
        assert outbox.drain(5)
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acknowledgements, "PATIENCE_S", 0.2)
    monkeypatch.setattr(acknowledgements, "MAX_PATIENCE_S", 0.4)
    network = Network()
    network.connect()
    with running(network, tmp_path, replay_per_s=10_000) as outbox:
        boot = add(outbox, 1)[0].boot
        for name in ("there", "away"):
            acknowledge(outbox, boot, 1, by=name)
        wait_until(lambda: len(archives(outbox)) == 2)
        for archive in outbox._backlog.archives:
            archive.wait_s = 0.2
        add(outbox, 99)
        assert outbox.drain(5)
        for _ in range(30):
            acknowledge(outbox, boot, 100, by="there")  # as it does for each repetition, too
            time.sleep(0.1)
        again = [number for number in network.numbers[100:] if number]
        assert again
        assert set(again) - set(range(2, 102)) == set()
        assert network.numbers.count(100) <= 2, "only the first few are tried again, and ever less often"
        network.connect()
        wait_until(lambda: not outbox._in_flight)
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
        assert outbox.drain(5)
        acknowledge(outbox, boot, 1)
        wait_until(lambda: held(outbox) == 0)
        add(outbox, 5)
        assert outbox.drain(5)
        acknowledge(outbox, boot, 1)  # the same run may still be at it
        time.sleep(0.3)
        assert network.numbers == [1, 2, 3, 4, 5, 6]
        acknowledge(outbox, boot, 1, session="w")
        wait_until(lambda: network.numbers == [1, *[2, 3, 4, 5, 6] * 2], 1.0)


def test_an_archive_that_is_gone_for_long_holds_nothing_back_any_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path, archive_h=1.0 / 3600) as outbox:
        boot = add(outbox, 1)[0].boot
        acknowledge(outbox, boot, 1, by="gone")
        add(outbox, 4)
        acknowledge(outbox, boot, 3, by="there")
        wait_until(lambda: len(archives(outbox)) == 2)
        while len(archives(outbox)) == 2:
            acknowledge(outbox, boot, 4, by="there")
            time.sleep(0.05)
        wait_until(lambda: held(outbox) == 1)
        assert archives(outbox) == ["there"]
    assert "archive gone was not heard of for" in caplog.text


def test_an_archive_whose_acknowledgement_is_cleared_is_waited_for_no_longer(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        boot = add(outbox, 1)[0].boot
        assert outbox.drain(5)
        acknowledge(outbox, boot, 1)
        wait_until(lambda: archives(outbox))
        add(outbox, 4)
        assert outbox.drain(5)
        assert held(outbox) == 4
        outbox.acknowledged(Received(f"{ACK}/{VIEWER}", b"", 1, False, {}))
        wait_until(lambda: held(outbox) == 0)


def test_what_archives_claim_is_bounded(tmp_path: Path) -> None:
    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        boot = add(outbox, 1)[0].boot
        assert outbox.drain(5)
        acknowledge(outbox, boot, 2**53 - 1)
        wait_until(lambda: archives(outbox))
        add(outbox, 4)
        assert outbox.drain(5)
        assert held(outbox) == 4, "nobody has stored what was not made"
        for number in range(100):
            acknowledge(outbox, f"invented-{number}", 5)
            acknowledge(outbox, boot, 1, by=f"a{number}")
        wait_until(lambda: len(archives(outbox)) == MAX_ARCHIVES)
        assert {len(archive.marks) for archive in outbox._backlog.archives} == {1}


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
            wait_until(lambda: not outbox._added and len(commits) > len(waits))
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
    monkeypatch.setattr(module, "REFUSED_S", 0.2)
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
        wait_until(lambda: not outbox._added and outbox.metrics().dropped)
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
    answers, write = threading.Event(), Backlog.write

    def hung(self: Backlog, events: Any) -> list[Row]:
        answers.wait(10)
        return write(self, events)

    network = Network()
    network.connect()
    with running(network, tmp_path) as outbox:
        monkeypatch.setattr(Backlog, "write", hung)
        wait_until(lambda: not outbox._wake.is_set() and outbox._looked_at > outbox._started)
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


@pytest.mark.parametrize("payload", [b"{}", b"\xff", b'{"node": "other"}'])
def test_an_acknowledgement_that_breaks_the_contract_is_refused(tmp_path: Path, payload: bytes) -> None:
    with running(Network(), tmp_path) as outbox:
        with pytest.raises(MessageError):
            outbox.acknowledged(Received(ACK, payload, 1, False, {}))
        assert not outbox._acknowledgements._noted


def test_bad_acknowledgements_are_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(Network(), tmp_path) as outbox:
        for number in range(100):
            outbox.handle(Received(f"{ACK}/{VIEWER}", b"%d" % number, 1, False, {}))
    assert len([record for record in caplog.records if "skipped" in record.message]) == 1


def test_nobody_waits_for_a_broker_that_is_away(tmp_path: Path) -> None:
    with running(Network(), tmp_path) as outbox:
        add(outbox, 1)
        begin = time.monotonic()
        assert not outbox.drain(5)
    assert time.monotonic() - begin < 2
