"""Alerts are handed over once, and none is lost by a transaction that fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from viewer_server.stored import handover
from viewer_server.stored.handover import Handover, waiting


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(handover.SCHEMA)
    yield connection
    connection.close()


def test_what_was_taken_is_deleted_also_after_a_transaction_that_failed(db: sqlite3.Connection) -> None:
    handed = Handover()
    for payload in (b"1", b"2", b"3"):
        handed.add(db, payload, 7, "n")
    handed.committed()
    assert handed.news.is_set()
    assert [row[1:] for row in waiting(db, 1)] == [(7, b"2"), (7, b"3")]
    handed.taken(2)
    db.execute("BEGIN")
    handed.forget(db)
    db.execute("ROLLBACK")
    handed.rolled_back()
    handed.forget(db)
    assert [row[2] for row in waiting(db, 0)] == [b"3"]


def test_while_nobody_takes_any_the_oldest_give_way_and_are_counted(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "MOST", 2)
    handed = Handover()
    for number in range(5):
        handed.add(db, str(number).encode(), number, f"n{number}")
    assert [row[2] for row in waiting(db, 0)] == [b"3", b"4"]
    assert handed.dropped == 3
    handed.taken(5)  # somebody has come; these were not lost
    handed.add(db, b"5", 5, "n")
    assert handed.dropped == 3


def test_the_flood_of_a_node_costs_its_own(db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "MOST", 6)
    handed = Handover()
    for number in range(20):
        handed.add(db, str(number).encode(), 7, "quiet" if number == 2 else "loud")
        handed.committed()
    assert [row[2] for row in waiting(db, 0)] == [b"2", b"17", b"18", b"19"]
    assert handed.dropped == 16
