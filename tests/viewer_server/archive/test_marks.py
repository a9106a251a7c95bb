"""What an archive acknowledges when several workers commit parts of a boot's numbers, in any order."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from viewer_server.archive.marks import Mark, Marks
from viewer_server.archive.rows import Arrival
from viewer_server.stored.nodes.progress import HOLE_S

BOX = ("box", "b-1")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def held(numbers: Iterable[int], lowest: int = 1, gaps: Iterable[tuple[int, int]] = ()) -> Arrival:
    return Arrival(lowest, list(numbers), list(gaps), len(list(numbers)))


def mark(marks: Marks, key: tuple[str, str] = BOX) -> int:
    return next(one.number for one in marks.changed() if one[:2] == key)


def test_a_hole_that_another_worker_fills_later_is_not_acknowledged_before() -> None:
    marks = Marks(Clock(), 8)
    marks.take(BOX, held([2, 4, 6]))
    assert mark(marks) == 0
    marks.take(BOX, held([1, 3]))
    assert mark(marks) == 4
    marks.take(BOX, held([5]))
    assert mark(marks) == 6


@pytest.mark.parametrize("seed", range(20))
def test_no_order_of_commits_acknowledges_a_number_that_nobody_has_committed(seed: int) -> None:
    dice = random.Random(seed)
    marks, numbers, committed = Marks(Clock(), 8), list(range(1, 200)), set[int]()
    dice.shuffle(numbers)
    while numbers:
        size = dice.randint(1, 20)
        batch, numbers = numbers[:size], numbers[size:]
        committed |= set(batch)
        marks.take(BOX, held(batch))
        first_missing = next(n for n in range(1, 201) if n not in committed)
        assert mark(marks) == first_missing - 1


@pytest.mark.parametrize(
    ("arrival", "number"),
    [
        (held([10, 11]), 0),  # a node that still has the others
        (held([10, 11], lowest=10), 11),  # others had them, before this archive was there
        (held([10, 11], lowest=5), 4),
        (held([10, 12], lowest=10, gaps=[(11, 11)]), 12),  # the node has given one up
    ],
)
def test_what_can_never_come_is_not_waited_for(arrival: Arrival, number: int) -> None:
    marks = Marks(Clock(), 8)
    marks.take(BOX, arrival)
    assert mark(marks) == number


def test_a_gap_of_an_earlier_boot_moves_the_mark_of_that_boot_only() -> None:
    marks = Marks(Clock(), 8)
    marks.take(BOX, held([1, 4]))
    marks.take(("box", "b-2"), held([1]))
    marks.take(BOX, held([], gaps=[(2, 3)]))
    marks.take(("other", "b-9"), held([], gaps=[(1, 5)]))
    assert marks.changed() == [("box", "b-1", 4), ("box", "b-2", 1)]


def test_a_hole_is_given_up_after_a_minute_of_newer_events_and_counted() -> None:
    clock = Clock()
    marks = Marks(clock, 8)
    marks.take(BOX, held([1, 4]))
    for number in range(5, 70):
        clock.now += 0.99
        marks.take(BOX, held([number]))
        if clock.now < HOLE_S:
            assert mark(marks) == 1
    assert (mark(marks), marks.holes) == (69, 2)


def test_silence_gives_no_hole_up() -> None:
    clock = Clock()
    marks = Marks(clock, 8)
    marks.take(BOX, held([1, 4]))
    clock.now += 3600
    marks.take(BOX, held([5]))
    assert (mark(marks), marks.holes) == (1, 0)


def test_what_the_next_leader_finds_in_the_database_is_where_the_last_one_was() -> None:
    marks = Marks(Clock(), 8)
    marks.load([Mark("box", "b-1", 3), Mark("box", "b-2", 0)], [Mark("box", "b-1", 5), Mark("box", "b-2", 2)])
    assert marks.newest() == [("box", "b-2", 0)]
    marks.take(BOX, held([4]))
    assert mark(marks) == 5


def test_of_too_many_boots_the_one_heard_of_longest_ago_is_forgotten() -> None:
    marks = Marks(Clock(), 2)
    for boot in ("b-1", "b-2", "b-1", "b-3"):
        marks.take(("box", boot), held([1]))
    assert marks.forgotten == [("box", "b-2")]
    assert [one.boot for one in marks.changed()] == ["b-1", "b-3"]


def test_many_nodes_have_room_for_fewer_boots_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("viewer_server.archive.marks.MAX_BOOTS", 9)
    marks = Marks(Clock(), 64)
    for node in ("a", "b", "c"):
        for boot in range(5):
            marks.take((node, f"b-{boot}"), held([1]))
    kept = [(one.node, one.boot) for one in marks.changed()]
    assert kept == [("a", f"b-{n}") for n in range(5)] + [
        (n, f"b-{k}") for n in "b" for k in (1, 2, 3, 4)
    ] + [("c", f"b-{n}") for n in (2, 3, 4)]


def test_a_boot_that_was_forgotten_goes_on_with_what_is_stored_of_it() -> None:
    marks = Marks(Clock(), 8, stored=lambda key: held(range(1, 10) if key == BOX else ()))
    marks.take(BOX, held([10]))
    marks.take(("box", "b-2"), held([2]))
    assert marks.changed() == [("box", "b-1", 10), ("box", "b-2", 0)]


def test_a_gap_that_was_committed_before_the_first_event_of_its_boot_counts() -> None:
    gaps: list[tuple[int, int]] = []
    marks = Marks(Clock(), 8, stored=lambda key: held([], gaps=gaps if key == BOX else ()))
    gaps.append((2, 3))
    marks.take(BOX, held([], gaps=gaps))
    assert marks.changed() == [], "nothing came of this boot"
    marks.take(BOX, held([1, 4]))
    assert mark(marks) == 4


def test_the_next_leader_knows_the_gaps_that_end_above_a_mark() -> None:
    marks = Marks(Clock(), 8)
    marks.load([Mark(*BOX, 1)], [Mark(*BOX, 4), Mark(*BOX, 8)], [(BOX, 2, 3), (BOX, 6, 7)])
    assert mark(marks) == 4
    marks.take(BOX, held([5]))
    assert mark(marks) == 8


def test_numbers_above_a_hole_take_a_bounded_amount_of_memory() -> None:
    marks = Marks(Clock(), 8)
    for start in range(2, 120_000, 1000):
        marks.take(BOX, held(range(start, start + 1000)))
    assert mark(marks) > 50_000, "the hole below is waited for no longer"
    assert marks.holes == 1
