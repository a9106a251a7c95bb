"""A watch works at its hour, whatever happens to the clock, and alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from optimization.training.nightly.night import Watched
from optimization.training.nightly.record import Night
from optimization.training.nightly.watch import locked, watch
from shared.errors import ConfigError
from tests.optimization.training.nightly.nights import watched

BERLIN = ZoneInfo("Europe/Berlin")


class Clock:
    """A clock that goes on while somebody waits, and may jump at a time."""

    def __init__(self, start: str, until: str, jumps: dict[str, float] | None = None) -> None:
        self.now_s, self._until = self._at(start), self._at(until)
        self._jumps = {self._at(at): by for at, by in (jumps or {}).items()}

    def wait(self, seconds: float) -> bool:
        self.now_s += seconds
        for at in list(self._jumps):
            if self.now_s >= at:
                self.now_s += self._jumps.pop(at) * 3600
        return self.now_s >= self._until

    @staticmethod
    def _at(text: str) -> float:
        return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


def nights(one: Watched, clock: Clock) -> tuple[list[str], list[str]]:
    """When work was done, and what was said."""
    worked: list[str] = []
    said: list[str] = []

    def work(_: Watched, __: threading.Event) -> Night:
        now = datetime.fromtimestamp(clock.now_s, BERLIN)
        worked.append(f"{now:%m-%d %H:%M}")
        return Night(at=now.isoformat(), verdict="nothing new", why="why")

    watch(
        one, time(3), threading.Event(), say=said.append, work=work,
        clock=lambda: clock.now_s, wait=clock.wait, zone=BERLIN,
    )  # fmt: skip
    return worked, said


@pytest.mark.parametrize(
    ("jumps", "worked"),
    [
        pytest.param({}, ["06-11 03:00", "06-12 03:00"], id="every night"),
        pytest.param({"2026-06-11 04:00": -4}, ["06-11 03:00", "06-12 03:00"], id="set back: not twice"),
        pytest.param(
            {"2026-06-10 20:00": -48},
            ["06-09 03:00", "06-10 03:00", "06-11 03:00", "06-12 03:00"],
            id="set back by days",
        ),
        pytest.param({"2026-06-10 20:00": 6}, ["06-11 03:00", "06-12 03:00"], id="set on"),
        pytest.param({"2026-06-11 02:00": 6}, ["06-12 03:00"], id="slept through"),
        pytest.param({"2026-06-11 02:30": 1}, ["06-11 03:30", "06-12 03:00"], id="a little late"),
    ],
)
def test_it_works_once_a_night(tmp_path: Path, jumps: dict[str, float], worked: list[str]) -> None:
    found, said = nights(watched(tmp_path), Clock("2026-06-10 12:00", "2026-06-12 12:00", jumps))
    assert [at[:8] for at in found] == [at[:8] for at in worked]
    assert said[0].endswith("the next night begins at 2026-06-11 03:00")
    assert sum("left out" in one for one in said) == (len(worked) == 1)


def test_two_watches_do_not_share_a_folder_or_a_model(tmp_path: Path) -> None:
    one = watched(tmp_path)
    with pytest.raises(ConfigError, match="cannot be used"), locked(one):
        pass
    one.collected.mkdir()
    other: Callable[..., Watched] = lambda **more: watched(tmp_path, **more)  # noqa: E731 - a shorthand
    (tmp_path / "gate").mkdir()
    with locked(one):
        for same in (other(out=tmp_path / "models" / "b.onnx"), other(collected=tmp_path / "gate")):
            with pytest.raises(ConfigError, match="another adapt --watch"), locked(same):
                pass
        with locked(other(out=tmp_path / "models" / "b.onnx", collected=tmp_path / "gate")):
            pass
    with locked(one):
        pass
