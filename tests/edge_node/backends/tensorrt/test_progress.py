from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from edge_node.backends.tensorrt.build import BuildOptions
from edge_node.backends.tensorrt.cache import EngineCache
from edge_node.backends.tensorrt.description import sidecar
from edge_node.backends.tensorrt.progress import Phases, in_words, reported, waits


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_come_often_in_the_first_minute_and_once_a_minute_afterwards() -> None:
    assert list(itertools.accumulate(itertools.islice(waits(), 9))) == [10, 20, 30, 40, 50, 60, 120, 180, 240]


def test_the_phase_that_takes_the_time_says_how_much_of_it_is_left() -> None:
    clock = Clock()
    phases = Phases(clock)
    assert str(phases) == ""
    phases.start("Building engine", None, 5)
    for step in range(4):  # these take no time, so four of five steps say nothing
        phases.step("Building engine", step)
    phases.start("Computing profile costs", "Building engine", 40)
    clock.now = 60.0
    for step in range(10):
        phases.step("Computing profile costs", step)
    assert str(phases) == "Computing profile costs 10/40, about 3 min left of this phase at its pace"


def test_what_lies_inside_a_phase_counts_for_it() -> None:
    clock = Clock()
    phases = Phases(clock)
    phases.start("outer", None, 2)
    clock.now = 90.0
    phases.start("inner", "outer", 4)
    phases.step("inner", 0)
    phases.step("inner", 1)
    clock.now = 100.0
    assert str(phases) == "outer 0/2, about 5 min left of this phase at its pace", "a quarter took 100 s"
    phases.finish("inner")
    phases.step("outer", 0)
    phases.step("outer", 1)
    assert str(phases) == "outer 2/2"
    phases.finish("outer")
    assert str(phases) == ""


@pytest.mark.parametrize(("seconds", "words"), [(3, "10 s"), (44, "40 s"), (89, "90 s"), (100, "2 min")])
def test_an_estimate_is_as_precise_as_it_deserves(seconds: float, words: str) -> None:
    assert in_words(seconds) == f"about {words}"


def test_a_version_without_phases_tells_how_long_the_last_build_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """8.6 has no IProgressMonitor."""
    monkeypatch.setattr("edge_node.backends.tensorrt.progress.waits", lambda: itertools.repeat(0.001))
    lines: list[str] = []
    with reported(object(), None, "model.onnx", lines.append, last_s=301.4):
        while not lines:
            os.sched_yield()
    assert lines[0] == "building an engine of model.onnx: 0 s, the last build of it took 301 s"


def test_the_cache_knows_how_long_the_last_build_of_a_model_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age, (name, facts) in enumerate(
        [
            ("model-a.engine", {"seconds": 50, "level": 2}),
            ("model-b.engine", {"seconds": 70, "level": 3}),
            ("model-c.engine", {"seconds": 60, "level": 2}),
            ("model-d.engine", {"seconds": 90}),
            ("other-e.engine", {"seconds": 80, "level": 2}),
        ]
    ):
        beside = sidecar(tmp_path / name)
        beside.write_text(json.dumps(facts))
        os.utime(beside, (age, age))
    asked: list[Any] = []

    def build(*_: Any, last_s: float | None, **__: Any) -> None:
        asked.append(last_s)
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_node.backends.tensorrt.cache.build", build)
    model = tmp_path / "model.onnx"
    model.write_bytes(b"model")

    class Trt:
        __version__ = "8.6.0"

    for level in (2, 3, 4):
        with pytest.raises(KeyboardInterrupt):
            EngineCache(tmp_path).get(Trt, "T4", (7, 5), model, BuildOptions(level=level))
    assert asked == [60, 70, None]
