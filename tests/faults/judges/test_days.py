"""The judge of counters of the day: what it must let pass, and what it must not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import orjson
import pytest

from edge_node.outbox.added import numbered
from edge_node.outbox.backlog import Backlog
from edge_node.outbox.day_rows import DayRow
from shared.wire.messages import Event
from tests.edge_node.outbox.outboxes import event
from tests.faults.judges.days import Counted, day_problems, read_days
from viewer_server.config import HistorySettings
from viewer_server.stored.history import History

BEGAN = 1_700_000_000_000_000
HOUR_US = 3_600_000_000


def happened() -> list[Event]:
    came = dataclasses.replace(event(), type="zone_entered", zone="z", occurred_us=BEGAN)
    left = dataclasses.replace(came, type="zone_exited", occurred_us=BEGAN + 100)
    crossed = dataclasses.replace(came, type="line_crossed", direction="out", zone="l", label="dog")
    lost = dataclasses.replace(left, type="zone_lost")
    return [dataclasses.replace(came, occurred_us=BEGAN - 1), came, came, left, lost, crossed]


@pytest.mark.parametrize(
    ("zone", "line", "says"),
    [
        (b'{"person": [2, 1]}', b'{"dog": [0, 1]}', None),
        (b'{"person": [3, 1]}', b'{"dog": [0, 1]}', "c/z counted"),
        (b'{"person": [2, 1]}', b'{"cat": [0, 1]}', "c/l counted"),
        (b"{}", b"{}", "nothing is shown"),
    ],
)
def test_counters_must_be_the_events_that_the_archive_has(
    tmp_path: Path, zone: bytes, line: bytes, says: str | None
) -> None:
    with History(HistorySettings(path=str(tmp_path / "h.db"))) as history:
        for number, one in enumerate(happened(), 1):
            history.add(numbered(one, "6b-a", number))
        history.commit()
    with Backlog(tmp_path / "o.db", 10**9, 10**6) as backlog:
        backlog.write(
            [], [DayRow("c", "z", "k", BEGAN, BEGAN, zone), DayRow("c", "l", "k", BEGAN, BEGAN, line)]
        )
    problems = day_problems(read_days(tmp_path / "o.db"), tmp_path / "h.db", "n")
    assert bool(problems) == (says is not None)
    assert says is None or any(says in problem for problem in problems)


@pytest.mark.parametrize(
    ("since_us", "counted"), [(BEGAN + 7, b"[1, 0]"), (BEGAN // 60_000_000 * 60_000_000, b"[2, 0]")]
)
def test_what_happened_at_a_wrong_time_is_not_of_the_day_that_began_when_the_clock_was_set_back(
    tmp_path: Path, since_us: int, counted: bytes
) -> None:
    ahead = dataclasses.replace(
        event(),
        type="zone_entered",
        zone="z",
        occurred_us=BEGAN + 2 * HOUR_US,
        captured_us=BEGAN + 2 * HOUR_US,
    )
    right = dataclasses.replace(ahead, occurred_us=BEGAN + 10, captured_us=BEGAN + 10)
    with History(HistorySettings(path=str(tmp_path / "h.db"))) as history:
        for number, one in enumerate((ahead, right), 1):
            history.add(numbered(one, "6b-a", number))
        history.commit()
    days = {("c", "z"): Counted(since_us, {"person": tuple(orjson.loads(counted))})}
    assert day_problems(days, tmp_path / "h.db", "n") == []
