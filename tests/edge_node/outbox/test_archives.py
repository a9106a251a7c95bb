"""What an archive's state becomes, and what the archive is sent then: every transition of the table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from edge_node.outbox.acknowledgements import TRIED, Acknowledgements
from edge_node.outbox.archives import PATIENCE, Archive, State
from edge_node.outbox.backlog import Backlog
from edge_node.outbox.resend import Resend
from shared.mqtt.received import Received
from shared.wire.messages import Ack, encode
from tests.edge_node.outbox.outboxes import ACK, VIEWER

EVENTS, STORED = 50, 10
NOW = 1000.0
WAIT_S = 5.0
NOTHING = (0, 0)


@dataclass
class Desk:
    """The acknowledgements of an outbox without its thread, at any time that a test names."""

    backlog: Backlog
    resend: Resend
    replayed: list[int] = field(default_factory=list)
    earned_at: float = 0.0

    def __post_init__(self) -> None:
        self.acknowledgements = Acknowledgements(
            "n", self.backlog, self.resend, 10**12, lambda: 1, self._replay
        )

    def _replay(self, first: int) -> None:
        self.replayed.append(first)
        self.resend.begin(first, self.backlog.last_id)

    def archive(self, state: State) -> Archive:
        """An archive in a state, which has waited since `NOW` and stored the first few events."""
        archive = self.backlog.archives.hear(VIEWER, 1, "v")
        assert archive is not None
        self.backlog.archives.mark(archive, self.backlog.boot, STORED, {self.backlog.boot})
        archive.state = state
        archive.wait(NOW, self.backlog.last_id, WAIT_S)
        return archive

    def say(self, session: str, number: int = STORED, at: float = NOW + 1) -> None:
        """The archive acknowledges the events up to a number."""
        boot = self.backlog.boot
        ack = Ack(node="n", session=session, published_us=1, boot=boot, number=number, archive=VIEWER)
        self.acknowledgements.note(Received(f"{ACK}/{VIEWER}", encode(ack), 1, False, {}))
        self.acknowledgements.take_in(at, EVENTS)

    def check(self, at: float, *, connected: bool = True) -> None:
        self.acknowledgements.check_progress(at, connected=connected)

    @property
    def sent(self) -> tuple[int, int]:
        """Ids of the first and the last event sent again since the test began."""
        self.earned_at += 1.0
        self.resend.earn(self.earned_at)  # as many as there are
        rows = []
        while (row := self.resend.next(())) is not None:
            rows.append(row.id)
        return (rows[0], rows[-1]) if rows else NOTHING


@pytest.fixture
def desk() -> Iterator[Desk]:
    with Backlog(None, 10**9, 1e9) as backlog:
        backlog.write([(backlog.boot, number, 1, "c", b"{}") for number in range(1, EVENTS + 1)])
        backlog.remove_through(backlog.boot, STORED)
        yield Desk(backlog, Resend(backlog, 1000.0, 0.0))


@pytest.mark.parametrize(
    ("before", "session", "after"),
    [
        (State.ANSWERING, "v", State.ANSWERING),
        (State.ANSWERING, "new", State.RETURNED),
        (State.WAITING, "v", State.ANSWERING),
        (State.WAITING, "new", State.RETURNED),
        (State.SILENT, "v", State.RETURNED),
        (State.SILENT, "new", State.RETURNED),
        (State.RETURNED, "v", State.RETURNED),
        (State.RETURNED, "new", State.RETURNED),
    ],
)
def test_an_archive_that_speaks(desk: Desk, before: State, session: str, after: State) -> None:
    archive = desk.archive(before)
    desk.say(session)
    assert archive.state is after
    assert desk.sent == NOTHING, "events are sent again when the progress is checked"


ALL = (STORED + 1, EVENTS)
A_FEW = (STORED + 1, STORED + TRIED)


@pytest.mark.parametrize(
    ("before", "after", "sent", "wait_s"),
    [
        (State.ANSWERING, State.WAITING, ALL, PATIENCE.first_s),
        (State.WAITING, State.SILENT, A_FEW, 2 * WAIT_S),
        (State.SILENT, State.SILENT, A_FEW, 2 * WAIT_S),
        (State.RETURNED, State.WAITING, ALL, PATIENCE.first_s),
    ],
)
def test_an_archive_that_is_stalled(
    desk: Desk, before: State, after: State, sent: tuple[int, int], wait_s: float
) -> None:
    archive = desk.archive(before)
    desk.check(NOW + WAIT_S + 0.01)
    assert archive.state is after
    assert (archive.since, archive.wait_s) == (NOW + WAIT_S + 0.01, wait_s)
    assert desk.sent == sent


@pytest.mark.parametrize(
    ("before", "after", "sent"),
    [
        (State.ANSWERING, State.ANSWERING, NOTHING),
        (State.WAITING, State.WAITING, NOTHING),
        (State.SILENT, State.SILENT, NOTHING),
        (State.RETURNED, State.WAITING, ALL),  # it need not wait for its turn
    ],
)
def test_an_archive_that_may_still_make_progress(
    desk: Desk, before: State, after: State, sent: tuple[int, int]
) -> None:
    archive = desk.archive(before)
    desk.check(NOW + WAIT_S)
    assert archive.state is after
    assert desk.sent == sent


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (State.ANSWERING, State.ANSWERING),
        (State.WAITING, State.WAITING),
        (State.SILENT, State.SILENT),
        (State.RETURNED, State.ANSWERING),
    ],
)
def test_an_archive_that_lacks_nothing(desk: Desk, before: State, after: State) -> None:
    archive = desk.archive(before)
    desk.backlog.archives.hear("another", 1)  # for which the events are kept
    archive.marks[desk.backlog.boot] = EVENTS
    desk.check(NOW + WAIT_S + 0.01)
    assert archive.state is after
    assert archive.wait_s == WAIT_S
    assert desk.sent == NOTHING


def test_an_archive_that_lacks_only_what_came_after_its_wait_began_is_not_stalled(desk: Desk) -> None:
    archive = desk.archive(State.ANSWERING)
    archive.through = STORED
    desk.check(NOW + WAIT_S + 0.01)
    assert (archive.state, archive.through) == (State.ANSWERING, EVENTS)
    assert desk.sent == NOTHING


@pytest.mark.parametrize("state", [State.WAITING, State.SILENT])
def test_an_archive_that_is_silent_interrupts_nothing_that_is_being_sent_again(
    desk: Desk, state: State
) -> None:
    archive = desk.archive(state)
    desk.resend.begin(STORED + 1, EVENTS)
    desk.check(NOW + WAIT_S + 0.01)
    assert (archive.state, archive.since) == (state, NOW)
    assert not desk.replayed


@pytest.mark.parametrize("state", State)
def test_without_a_connection_nothing_changes_and_the_wait_begins_anew(desk: Desk, state: State) -> None:
    archive = desk.archive(state)
    desk.check(NOW + 60, connected=False)
    assert (archive.state, archive.since, archive.wait_s) == (state, NOW + 60, WAIT_S)
    assert not desk.replayed


def test_progress_begins_a_new_wait_of_the_first_length(desk: Desk) -> None:
    archive = desk.archive(State.WAITING)
    desk.say("v", STORED + 5, at=NOW + 2)
    assert archive.state is State.ANSWERING
    assert (archive.since, archive.wait_s) == (NOW + 2, PATIENCE.first_s)


def test_an_archive_that_stays_silent_is_tried_ever_less_often(desk: Desk) -> None:
    archive, now, waits = desk.archive(State.WAITING), NOW, []
    for _ in range(6):
        now += archive.wait_s + 0.01
        desk.check(now)
        assert desk.sent == A_FEW
        waits.append(archive.wait_s)
    assert waits == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0]


@pytest.mark.parametrize(
    ("state", "first"),
    [
        (State.ANSWERING, STORED + 1),
        (State.WAITING, STORED + 1),
        (State.SILENT, EVENTS + 1),
        (State.RETURNED, EVENTS + 1),
    ],
)
def test_a_new_connection_begins_with_what_the_archives_that_are_there_lack(
    desk: Desk, state: State, first: int
) -> None:
    desk.archive(state)
    assert desk.acknowledgements.first_to_send() == first
