"""What is kept, on a disk that is full, missing or was cut off, and what gives way."""

from __future__ import annotations

import logging
import random
import shutil
import sqlite3
import time
from pathlib import Path

import orjson
import pytest

from edge_node.outbox import backlog as module
from edge_node.outbox import event_file
from edge_node.outbox.backlog import Backlog, Missing
from edge_node.outbox.day_rows import DayRow
from shared.storage.database import open_database


def opened(path: Path | None, max_bytes: int = 10**9, max_age_s: float = 1e6) -> Backlog:
    return Backlog(path, max_bytes, max_age_s)


def event(backlog: Backlog, number: int, at_us: int = 0, **more: object) -> tuple[str, int, int, str, bytes]:
    return backlog.boot, number, at_us, "c", orjson.dumps({"number": number} | more)


def numbers(backlog: Backlog) -> list[int]:
    return [row.number for row in backlog.read(0, backlog.last_id, 10**6)]


def is_on_disk(backlog: Backlog) -> bool:
    return backlog.on_disk


class Disk:
    """The disk below the database that was opened last: it is full when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._databases: list[sqlite3.Connection] = []
        monkeypatch.setattr(event_file, "open_database", self._open)

    def _open(self, path: Path, schema: str, version: int) -> sqlite3.Connection:
        self._databases.append(open_database(path, schema, version))
        return self._databases[-1]

    def fill(self) -> None:
        [(pages,)] = self._databases[-1].execute("PRAGMA page_count").fetchall()
        self._databases[-1].execute(f"PRAGMA max_page_count = {pages}").fetchall()

    def make_room(self) -> None:
        self._databases[-1].execute("PRAGMA max_page_count = 1000000").fetchall()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_what_was_written_is_there_again_and_the_next_boot_sorts_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boots: list[str] = []
    for clock in (2e9, 1e9, 0.0):  # and a clock that was set back does not matter
        monkeypatch.setattr(time, "time", lambda now=clock: now)
        with opened(tmp_path / "o.db") as backlog:
            assert backlog.count == len(boots)
            boots.append(backlog.boot)
            backlog.write([event(backlog, 1)])
    assert boots == sorted(set(boots))
    with opened(tmp_path / "o.db") as backlog:
        assert [row.boot for row in backlog.read(0, backlog.last_id, 10)] == boots


def test_a_power_cut_after_any_write_finds_all_of_it(tmp_path: Path) -> None:
    with opened(tmp_path / "o.db") as backlog:
        for number in range(1, 6):
            backlog.write([event(backlog, number)])
            copy = tmp_path / str(number)
            copy.mkdir()
            for file in tmp_path.glob("o.db*"):
                shutil.copy(file, copy)
            with opened(copy / "o.db") as found:
                assert numbers(found) == list(range(1, number + 1))
                assert found.count == number


def test_removed_is_removed_for_good_and_counted_once(tmp_path: Path) -> None:
    with opened(tmp_path / "o.db") as backlog:
        rows = backlog.write([event(backlog, number) for number in range(1, 6)])
        assert backlog.remove(rows[:1]) == 1
        assert backlog.remove(rows[:1]) == 0
        backlog.write([])
        assert backlog.remove(rows[:1]) == 0
        assert backlog.remove_through(backlog.boot, 3) == 2
        assert backlog.remove_through("another", 5) == 0
        assert backlog.count == 2
        assert backlog.oldest(backlog.boot) is not None
    with opened(tmp_path / "o.db") as backlog:
        assert numbers(backlog) == [4, 5]
        assert backlog.bytes == sum(row.bytes for row in rows[3:])


def test_a_full_disk_costs_nothing_as_long_as_there_is_memory(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(event_file, "RETRY_S", 0.0)
    with opened(tmp_path / "o.db") as backlog:
        backlog.write([event(backlog, 1)])
        disk.fill()
        for number in range(2, 30):
            backlog.write([event(backlog, number, filling="x" * 1000)])
        assert not is_on_disk(backlog)
        assert numbers(backlog) == list(range(1, 30))
        assert [row.number for row in backlog.read(5, 8, 2)] == [6, 7]
        assert backlog.remove_through(backlog.boot, 3) == 3
        assert len(caplog.records) == 1
        disk.make_room()
        backlog.write([])
        assert is_on_disk(backlog)
    with opened(tmp_path / "o.db") as backlog:
        assert numbers(backlog) == list(range(4, 30))


def test_counters_of_the_day_wait_for_room_with_the_events_that_they_count(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_file, "RETRY_S", 0.0)
    kept = DayRow("c", "z", "k", 1, 2, b'{"person": [1, 0]}')
    with opened(tmp_path / "o.db") as backlog:
        backlog.write([event(backlog, 1)], [kept, kept._replace(place="gone")])
        disk.fill()
        for number in range(2, 30):
            flows = f'{{"person": [{number}, 0]}}'.encode()
            backlog.write([event(backlog, number, filling="x" * 1000)], [kept._replace(flows=flows)])
        backlog.write([], [DayRow.forgotten("c", "gone")])
        assert not is_on_disk(backlog)
        disk.make_room()
        backlog.write([])
    with opened(tmp_path / "o.db") as backlog:
        assert backlog.days == [kept._replace(flows=b'{"person": [29, 0]}')]
        assert numbers(backlog) == list(range(1, 30))
    with opened(None) as backlog:  # without a file
        assert backlog.days == []
        assert len(backlog.write([event(backlog, 1)], [kept])) == 1


def test_a_problem_is_known_as_long_as_the_file_has_its_begin_and_not_its_end(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_file, "RETRY_S", 0.0)

    def says(backlog: Backlog, number: int, what: str, problem: str) -> None:
        backlog.write([event(backlog, number, type=f"problem_{what}", problem=problem, x="y" * 9000)])

    with opened(tmp_path / "o.db") as backlog:
        for number, problem in enumerate(["covered", "frozen", "moved"], 1):
            says(backlog, number, "started", problem)
        says(backlog, 4, "ended", "frozen")
        backlog.remove_through(backlog.boot, 4)  # an archive has them
        disk.fill()
        says(backlog, 5, "ended", "moved")
        says(backlog, 6, "started", "low_rate")
        assert not is_on_disk(backlog)
        shutil.copytree(tmp_path, tmp_path / "killed")
        disk.make_room()
    for folder, known in (("killed", ["covered", "moved"]), ("", ["covered", "low_rate"])):
        with opened(tmp_path / folder / "o.db") as backlog:
            assert [orjson.loads(one)["problem"] for one in backlog.problems] == known
    with opened(None) as backlog:  # without a file
        assert backlog.problems == []


def test_a_power_cut_finds_as_many_counts_as_events(tmp_path: Path) -> None:
    with opened(tmp_path / "o.db") as backlog:
        for number in range(1, 6):
            flows = f'{{"person": [{number}, 0]}}'.encode()
            backlog.write([event(backlog, number)], [DayRow("c", "z", "k", 1, 2, flows)])
            copy = tmp_path / str(number)
            copy.mkdir()
            for file in tmp_path.glob("o.db*"):
                shutil.copy(file, copy)
            with opened(copy / "o.db") as found:
                assert [row.flows for row in found.days] == [flows]
                assert found.count == number


def test_memory_is_bounded_while_the_disk_is_full(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MEMORY_BYTES", 20_000)
    with opened(tmp_path / "o.db") as backlog:
        backlog.write([event(backlog, 1)])
        disk.fill()
        missing: list[Missing] = []
        for number in range(2, 100):
            backlog.write([event(backlog, number, filling="x" * 1000)])
            missing += backlog.make_room(0)
        left = numbers(backlog)
        lost = [number for gap in missing for number in range(gap.first, gap.last + 1)]
        assert left[0] == 1, "what is on disk takes no memory"
        assert sorted(left + lost) == list(range(1, 100))
        assert left[-1] == 99
        assert backlog.dropped == len(lost) > 70
        assert 0 < backlog.memory_bytes <= 20_000


@pytest.mark.parametrize("path", ["/dev/null/o.db", "/proc/o.db"])
def test_without_a_place_to_write_events_wait_in_memory_after_one_warning(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), opened(Path(path)) as backlog:
        backlog.write([event(backlog, 1)])
        assert numbers(backlog) == [1]
        assert not backlog.on_disk
        assert backlog.boot
    assert len(caplog.records) == 1
    assert "outbox.path" in caplog.text


def test_two_nodes_of_one_name_do_not_share_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path / "o.db") as first, opened(tmp_path / "o.db") as second:
        assert first.on_disk
        assert not second.on_disk
    assert "locked" in caplog.text


def test_the_oldest_give_way_and_one_gap_says_which(tmp_path: Path) -> None:
    with opened(None) as measured:
        measured.write([event(measured, number) for number in range(1, 101)])
    with opened(tmp_path / "o.db", max_bytes=measured.bytes // 2) as backlog:
        backlog.write([event(backlog, number) for number in range(1, 101)])
        [gap] = backlog.make_room(0)
        assert (gap.boot, gap.first, gap.last, gap.events) == (backlog.boot, 1, gap.last, gap.last)
        assert numbers(backlog) == list(range(gap.last + 1, 101))
        assert backlog.dropped == gap.last
        assert backlog.make_room(0) == []


def test_events_that_are_too_old_give_way(tmp_path: Path) -> None:
    with opened(tmp_path / "o.db", max_age_s=1) as backlog:
        backlog.write([event(backlog, number, at_us=number * 100_000) for number in range(1, 11)])
        assert backlog.make_room(1_050_000) == []
        assert [gap[1:4] for gap in backlog.make_room(1_550_000)] == [(1, 5, 5)]
        assert numbers(backlog) == [6, 7, 8, 9, 10]


def test_a_gap_that_is_dropped_itself_lives_on_in_the_next(tmp_path: Path) -> None:
    with opened(tmp_path / "o.db") as backlog:
        old = {"boot": "earlier", "first": 3, "last": 9, "count": 7}
        rows = backlog.write([event(backlog, 1, gap=old), event(backlog, 2)])
        assert backlog.drop(rows) == [
            Missing(backlog.boot, 1, 2, 1, "c", 0),
            Missing("earlier", 3, 9, 7, "c", 0),
        ]
        assert backlog.dropped == 1


@pytest.mark.parametrize("on_disk", [True, False])
def test_what_an_archive_lacks_is_found_whatever_was_removed_and_wherever_it_is(
    tmp_path: Path, on_disk: bool
) -> None:
    dice = random.Random(7)
    with opened(tmp_path / "o.db" if on_disk else None) as backlog:
        boots = [f"{boot:08x}-a" for boot in range(4)]
        rows = []
        for number in range(1, 31):
            for boot in boots:
                rows += backlog.write([(boot, number, 0, "c", b"{}")])
        for _ in range(60):
            removed = dice.sample(rows, 3)
            backlog.remove(removed)
            rows = [row for row in rows if row not in removed]
            if dice.random() < 0.3:
                backlog.write([])
            marks = {boot: dice.randrange(32) for boot in boots if dice.random() < 0.8}
            lacking = [row.id for row in rows if row.number > marks.get(row.boot, 0)]
            assert backlog.first_beyond(marks) == min(lacking, default=None)
            if len(rows) < 4:
                break
        backlog.write([])
        assert backlog.boots() == sorted({row.boot for row in rows})


def test_archives_and_what_they_have_stored_are_kept_with_the_events(tmp_path: Path) -> None:
    with opened(tmp_path / "o.db") as backlog:
        boot = backlog.boot
        backlog.write([event(backlog, number) for number in range(1, 6)])
        for name, number in (("a", 3), ("b", 5)):
            archive = backlog.archives.hear(name, 1000)
            assert archive is not None
            assert backlog.archives.mark(archive, boot, number, {boot})
    with opened(tmp_path / "o.db") as backlog:
        assert {one.name: (one.heard_us, one.marks) for one in backlog.archives} == {
            "a": (1000, {boot: 3}),
            "b": (1000, {boot: 5}),
        }
        assert backlog.archives.stored(boot) == 3
        assert [gone.name for gone in backlog.archives.expire(2000)] == ["a", "b"]
    with opened(tmp_path / "o.db") as backlog:
        assert len(backlog.archives) == 0
