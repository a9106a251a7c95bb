"""Which events are sent late or again, in which order, and how fast."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge_node.outbox import resend as module
from edge_node.outbox.backlog import Backlog
from edge_node.outbox.resend import Resend

EVENTS = 30
RATE = 10.0


@pytest.fixture
def backlog() -> Iterator[Backlog]:
    with Backlog(None, 10**9, 1e9) as opened:
        opened.write([(opened.boot, number, 1, "c", b"{}") for number in range(1, EVENTS + 1)])
        yield opened


@pytest.fixture
def resend(backlog: Backlog) -> Resend:
    """One that may send a thousand events at once, for tests of the order."""
    made = Resend(backlog, 10_000.0, 0.0)
    made.earn(1.0)
    return made


def ids(resend: Resend, count: int = EVENTS, besides: tuple[int, ...] = ()) -> list[int]:
    """The ids of the next events, at most `count`."""
    found: list[int] = []
    while len(found) < count and (row := resend.next(besides)) is not None:
        found.append(row.id)
    return found


def test_it_goes_from_the_first_to_the_last_and_then_is_done(resend: Resend) -> None:
    done = [resend.done]
    resend.begin(5, 8)
    done.append(resend.done)
    assert ids(resend) == [5, 6, 7, 8]
    done.append(resend.done)
    assert done == [True, False, True]


@pytest.mark.parametrize(
    ("came_to", "first", "goes_on_at"),
    [
        pytest.param(2, 1, 1, id="from further back"),
        pytest.param(2, 7, 3, id="what is not sent yet is not skipped"),
        pytest.param(4, 5, 5, id="from where it is"),
    ],
)
def test_a_new_beginning_while_it_is_at_it(resend: Resend, came_to: int, first: int, goes_on_at: int) -> None:
    resend.begin(1, 10)
    ids(resend, came_to)
    resend.begin(first, 12)
    assert ids(resend) == list(range(goes_on_at, 13))


def test_a_further_end_is_reached_from_where_it_is(resend: Resend) -> None:
    resend.begin(1, 3)
    ids(resend, 2)
    resend.extend(9, 10)
    assert ids(resend) == list(range(3, 11))


def test_a_further_end_is_reached_from_its_first_when_it_was_done(resend: Resend) -> None:
    resend.begin(1, 3)
    ids(resend)
    resend.extend(9, 10)
    assert ids(resend) == [9, 10]


@pytest.mark.parametrize("count", [1, 4])
def test_it_can_be_cut_short(resend: Resend, count: int) -> None:
    resend.begin(3, EVENTS)
    resend.only(count)
    assert ids(resend) == list(range(3, 3 + count))
    assert resend.done


def test_cut_short_with_nothing_left_it_is_done(backlog: Backlog, resend: Resend) -> None:
    backlog.remove_through(backlog.boot, EVENTS)
    resend.begin(3, EVENTS)
    resend.only(4)
    assert resend.done


def test_events_on_their_way_and_events_removed_are_left_out(backlog: Backlog, resend: Resend) -> None:
    backlog.remove_through(backlog.boot, 4)
    resend.begin(1, 10)
    assert ids(resend, besides=(6, 7)) == [5, 8, 9, 10]


def test_more_than_a_page_is_read(backlog: Backlog, resend: Resend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 7)
    resend.begin(1, EVENTS)
    assert ids(resend) == list(range(1, EVENTS + 1))
    assert backlog.count == EVENTS


def test_the_rate_is_kept_and_a_tenth_of_a_second_is_saved_up_at_most(backlog: Backlog) -> None:
    resend = Resend(backlog, 64.0, 100.0)
    resend.begin(1, EVENTS)
    assert ids(resend) == [], "no time has passed"
    for now, allowed in ((100 + 1 / 64, 1), (100 + 1.5 / 64, 0), (100 + 2 / 64, 1), (160.0, 6)):
        resend.earn(now)
        assert len(ids(resend)) == allowed, now


def test_a_rate_below_ten_a_second_still_sends(backlog: Backlog) -> None:
    resend = Resend(backlog, 0.5, 0.0)
    resend.begin(1, EVENTS)
    resend.earn(1.9)
    assert ids(resend) == []
    resend.earn(2.0)
    assert ids(resend) == [1]


def test_what_is_on_its_way_costs_no_rate(backlog: Backlog) -> None:
    resend = Resend(backlog, RATE, 0.0)
    resend.begin(1, EVENTS)
    resend.earn(0.1)
    assert ids(resend, besides=tuple(range(1, 11))) == [11]
