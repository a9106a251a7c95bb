"""Databases after a power cut, after damage, and shared by mistake."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shared.storage.database import open_database
from shared.storage.folder import state_folder

SCHEMA = "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, text BLOB)"


def fill(path: Path, count: int) -> sqlite3.Connection:
    """A database with this many transactions, all of them still in the write-ahead log."""
    database = open_database(path, SCHEMA, 1)
    for number in range(count):
        database.execute("INSERT INTO t VALUES (?, ?)", (number, bytes(300)))
    return database


def numbers(database: sqlite3.Connection) -> list[int]:
    found = [number for (number,) in database.execute("SELECT n FROM t ORDER BY n")]
    database.close()
    return found


def test_a_power_cut_at_any_byte_of_the_log_loses_nothing_committed_before_it(tmp_path: Path) -> None:
    database = fill(tmp_path / "a.db", 20)
    whole = (tmp_path / "a.db-wal").read_bytes()
    found = []
    for cut in range(0, len(whole) + 1, 997):
        copy = tmp_path / f"cut-{cut}"
        copy.mkdir()
        shutil.copy(tmp_path / "a.db", copy)
        (copy / "a.db-wal").write_bytes(whole[:cut])
        found.append(numbers(open_database(copy / "a.db", SCHEMA, 1)))
        assert found[-1] == list(range(len(found[-1]))), "a prefix of what was committed"
    shutil.copytree(tmp_path, tmp_path.parent / "whole", ignore=shutil.ignore_patterns("cut-*"))
    assert numbers(open_database(tmp_path.parent / "whole" / "a.db", SCHEMA, 1)) == list(range(20))
    assert [len(prefix) for prefix in found] == sorted(len(prefix) for prefix in found)
    database.close()


def test_a_log_of_garbage_is_ignored(tmp_path: Path) -> None:
    fill(tmp_path / "a.db", 5).close()
    (tmp_path / "a.db-wal").write_bytes(b"\x37" * 10_000)
    assert numbers(open_database(tmp_path / "a.db", SCHEMA, 1)) == [0, 1, 2, 3, 4]


def overwritten(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)


def scribbled(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    path.write_bytes(content)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:6000])


def of_another_version(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 7")
    database.close()


@pytest.mark.parametrize("damage", [overwritten, scribbled, cut_off, of_another_version])
def test_a_damaged_file_is_set_aside_with_one_message_and_a_new_one_begun(
    tmp_path: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.db"
    fill(path, 200).close()
    assert callable(damage)
    damage(path)
    with caplog.at_level(logging.WARNING):
        assert numbers(open_database(path, SCHEMA, 1)) == []
    assert len(caplog.records) == 1
    [aside] = tmp_path.glob("a.db.damaged-*")
    assert aside.name in caplog.text


def test_a_file_that_another_process_has_open_is_neither_shared_nor_set_aside(tmp_path: Path) -> None:
    database = fill(tmp_path / "a.db", 1)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        open_database(tmp_path / "a.db", SCHEMA, 1)
    assert numbers(database) == [0]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"DARNER_STATE": "/a", "XDG_STATE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"DARNER_STATE": "", "XDG_STATE_HOME": "/b", "HOME": "/c"}, "/b/darner"),
        ({"DARNER_STATE": "", "XDG_STATE_HOME": "", "HOME": "/c"}, "/c/.local/state/darner"),
    ],
)
def test_the_state_folder(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert state_folder() == Path(expected)


def test_all_files_of_a_database_are_their_owners_alone_also_those_of_before(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    path = folder / "events.db"
    for _ in range(2):
        with closing(open_database(path, "CREATE TABLE IF NOT EXISTS t (x)", 1, exclusive=False)) as database:
            database.execute("INSERT INTO t VALUES (1)")
            there = sorted(folder.iterdir())
            assert [file.name for file in there] == ["events.db", "events.db-shm", "events.db-wal"]
            assert {file.stat().st_mode & 0o777 for file in there} == {0o600}
            assert folder.stat().st_mode & 0o777 == 0o700
            for file in there:
                file.chmod(0o644)  # as earlier versions left them
