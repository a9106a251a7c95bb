"""The next night's time, on days when clocks change and with clocks that are wrong."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from optimization.training.nightly.when import next_time

BERLIN = ZoneInfo("Europe/Berlin")


def local(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


@pytest.mark.parametrize(
    ("now", "done", "due"),
    [
        pytest.param("2026-06-10 12:00", None, "2026-06-11T02:30:00+02:00", id="tomorrow"),
        pytest.param("2026-06-10 01:00", None, "2026-06-10T02:30:00+02:00", id="today"),
        pytest.param("2026-06-10 02:30", None, "2026-06-11T02:30:00+02:00", id="now is not next"),
        pytest.param("2026-06-10 01:00", "2026-06-10", "2026-06-11T02:30:00+02:00", id="today was done"),
        pytest.param("2026-03-29 01:00", None, "2026-03-29T03:30:00+02:00", id="skipped in spring"),
        pytest.param("2026-10-25 01:00", None, "2026-10-25T02:30:00+02:00", id="twice: the first"),
        pytest.param("2026-10-25 02:40", "2026-10-25", "2026-10-26T02:30:00+01:00", id="twice: not again"),
        pytest.param("2026-06-10 12:00", "2099-01-01", "2026-06-11T02:30:00+02:00", id="a wrong clock"),
        pytest.param("2026-06-09 12:00", "2026-06-10", "2026-06-11T02:30:00+02:00", id="set back by a day"),
    ],
)
def test_the_next_night(now: str, done: str | None, due: str) -> None:
    found = next_time(time(2, 30), local(now), date.fromisoformat(done) if done else None, BERLIN)
    assert found.isoformat() == due


def test_without_a_zone_it_is_the_systems() -> None:
    now = datetime(2026, 6, 10, 12, 0).astimezone()
    assert next_time(time(3), now, None) == datetime(2026, 6, 11, 3, 0).astimezone()
