from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from edge_node.assets.models import DEFAULT, KNOWN, path_of
from edge_node.config.model_settings import ModelSettings
from edge_node.models.speeds import MOST, Remembered, Speed, Speeds, measure, shortest
from tests.edge_node.models.shelf import BETTER, GOOD, Times, shelve

KEPT = "models/speeds.json"


def test_a_model_is_measured_once_for_each_file_engine_and_option(tmp_path: Path) -> None:
    shelve(BETTER)
    known, times = KNOWN[BETTER], Times(**{BETTER: 20.0})
    for settings in (
        ModelSettings(),
        ModelSettings(name=BETTER, confidence=0.7, classes=("person",)),  # which cost nothing
        ModelSettings(threads=1),
        ModelSettings(input_size=320),
        ModelSettings(providers=("cpu",)),
        ModelSettings(),
    ):
        assert Speeds(take=times).measured(known, settings).ms == 20.0
    assert times.asked == [BETTER] * 4
    path_of(known).write_bytes(b"another file")
    Speeds(take=times).measured(known, ModelSettings())
    assert len(times.asked) == 5
    assert Speeds().of(known, ModelSettings()) == Speed(model=BETTER, ms=20.0, engine="a test", device="cpu")
    assert (tmp_path / "cache" / KEPT).is_file()


def test_what_is_asked_for_again_is_measured_again() -> None:
    shelve(BETTER)
    times = Times(**{BETTER: 20.0})
    speeds = Speeds(take=times)
    speeds.measured(KNOWN[BETTER], ModelSettings())
    times.ms[BETTER] = 10.0
    assert speeds.measured(KNOWN[BETTER], ModelSettings(), again=True).ms == 10.0
    assert Speeds(take=times).measured(KNOWN[BETTER], ModelSettings()).ms == 10.0


def test_a_removed_model_is_forgotten_and_the_others_are_not() -> None:
    shelve(BETTER, GOOD)
    speeds = Speeds(take=Times(**{BETTER: 20.0, GOOD: 10.0}))
    for name in (BETTER, GOOD):
        speeds.measured(KNOWN[name], ModelSettings())
    speeds.forget(BETTER)
    assert Speeds().of(KNOWN[BETTER], ModelSettings()) is None
    assert Speeds().of(KNOWN[GOOD], ModelSettings()) is not None


def test_only_so_many_are_remembered_the_newest_of_them(tmp_path: Path) -> None:
    shelve(BETTER)
    speeds = Speeds(take=Times(**{BETTER: 20.0}))
    for threads in range(1, MOST + 6):
        speeds.measured(KNOWN[BETTER], ModelSettings(threads=threads))
    kept = msgspec.json.decode((tmp_path / "cache" / KEPT).read_bytes(), type=Remembered)
    assert len(kept.speeds) == MOST
    assert Speeds().of(KNOWN[BETTER], ModelSettings(threads=1)) is None
    assert Speeds().of(KNOWN[BETTER], ModelSettings(threads=MOST + 5)) is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"speeds": {"a": {"ms": "fast"}}}', b"\xff\xfe"])
def test_a_damaged_file_is_measured_anew_and_replaced(tmp_path: Path, content: bytes) -> None:
    shelve(BETTER)
    file = tmp_path / "cache" / KEPT
    file.write_bytes(content)
    times = Times(**{BETTER: 20.0})
    assert Speeds(take=times).measured(KNOWN[BETTER], ModelSettings()).ms == 20.0
    assert times.asked == [BETTER]
    assert Speeds().of(KNOWN[BETTER], ModelSettings()) is not None


def test_a_file_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shelve(BETTER)
    (tmp_path / "a file").write_text("")
    speeds = Speeds(tmp_path / "a file" / "speeds.json", Times(**{BETTER: 20.0}))
    assert speeds.measured(KNOWN[BETTER], ModelSettings()).ms == 20.0
    assert "speeds are not remembered" in caplog.text


@pytest.mark.parametrize(
    ("runs", "device", "shown"),
    [
        pytest.param([(0.03, 0.05), (0.02, 0.04)], "cpu", 0.02, id="an idle machine: two threads compute"),
        pytest.param([(0.17, 0.05), (0.19, 0.04)], "cpu", 0.04, id="a busy one: a run waits for its turn"),
        pytest.param([(0.03, 0.001), (0.02, 0.002)], "cuda:0", 0.02, id="a GPU, which computes by itself"),
    ],
)
def test_other_work_on_the_machine_is_left_out(
    runs: list[tuple[float, float]], device: str, shown: float
) -> None:
    assert shortest(runs, device) == shown


def test_a_measurement_is_of_the_engine_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    found = measure(ModelSettings(name=DEFAULT))
    assert found.model == DEFAULT
    assert 0.5 < found.ms < 5000
    assert found.engine.startswith("onnxruntime")
