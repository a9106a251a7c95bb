from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_node.backends.preprocess import InputFormat
from optimization.__main__ import main
from optimization.measure.layers.host import onnxruntime, read_trace
from optimization.measure.layers.tensorrt import tensorrt
from shared.errors import ModelError
from tests.edge_node.backends.cuda.fake_gpu import fake_gpu
from tests.edge_node.backends.networks import convolution
from tests.edge_node.backends.small_models import write
from tests.edge_node.backends.tensorrt.fake_tensorrt import NO_MEMORY, Context, FakeTrt


def node(name: str, op: str, ts: int, dur: int) -> dict[str, Any]:
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": ts, "dur": dur, "args": {"op_name": op}}


def test_runs_that_warm_up_do_not_count_and_other_events_are_no_layers() -> None:
    events = [
        node("conv", "Conv", 130, 40),
        {"cat": "Session", "name": "model_run", "ts": 120, "dur": 60},
        {"cat": "Session", "name": "model_run", "ts": 10, "dur": 100},
        node("conv", "Conv", 20, 90),
        node("relu", "Relu", 172, 5),
        {"cat": "Node", "name": "conv_fence_before", "ts": 129, "dur": 1},
        {"cat": "Session", "name": "session_initialization", "ts": 0, "dur": 9000},
        {"name": "process_name", "ph": "M"},
    ]
    runs, nodes, ops = read_trace(events, skip=1)
    assert runs == [0.06]
    assert nodes == {"conv": [0.04], "relu": [0.005]}
    assert ops == {"conv": "Conv", "relu": "Relu"}


@pytest.mark.timing
def test_inspect_times_the_layers_of_a_real_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "profile.json"
    assert main(["inspect", "--model", "nanodet_g", "--profile", "--rounds", "3", "--json", str(out)]) == 0
    found = json.loads(out.read_text())["profile"]
    assert (found["device"], found["rounds"], found["input"]) == ("cpu", 3, [512, 288])
    layers, operators = found["layers"], found["operators"]
    assert [one["ms"] for one in layers] == sorted((one["ms"] for one in layers), reverse=True)
    assert sum(one["share"] for one in layers) == pytest.approx(1)
    assert sum(one["ms"] for one in operators) == pytest.approx(sum(one["ms"] for one in layers))
    assert operators[0]["op"] == "Conv", "most of a convolutional network's time"
    assert 0.5 * found["run_ms"] < sum(one["ms"] for one in layers) < 1.5 * found["run_ms"]
    said = capsys.readouterr().out
    assert "512x288" in said
    assert f"{len(layers) - 20} more" in said


class ProfiledContext(Context):
    """Tells its profiler of two layers, whose times grow with each run."""

    profiler: Any

    def execute_async_v3(self, stream: int) -> bool:
        works = super().execute_async_v3(stream)
        turn = len(self._trt.ran)
        self.profiler.report_layer_time("conv + relu", 10.0 * turn)
        self.profiler.report_layer_time("head", 1.0 * turn)
        return works


class ProfilingTrt(FakeTrt):
    class IProfiler:
        def __init__(self) -> None: ...

    def create_execution_context(self) -> Context:
        return ProfiledContext(self)


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> ProfilingTrt:
    device, driver = fake_gpu(monkeypatch, 1 << 33)
    driver.memcpy_htod = lambda *_: None
    monkeypatch.setattr("optimization.measure.layers.tensorrt.device", lambda _index: device)
    module = ProfilingTrt()
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    return module


def test_an_engine_is_asked_by_its_own_profiler(trt: ProfilingTrt, tmp_path: Path) -> None:
    path = tmp_path / "x.engine"
    path.write_bytes(b"engine")
    times, size = tensorrt(path, np.zeros((72, 128, 3), np.uint8), rounds=5)
    assert size == (416, 416)
    assert [(one.name, one.ms) for one in times.layers] == [("conv + relu", 60), ("head", 6)], "runs 4 to 8"
    assert (times.rounds, times.operators) == (5, [])
    assert times.run_ms > 0
    assert trt.contexts == 0, "everything is given back"


def test_an_engine_that_does_not_run_says_why(trt: ProfilingTrt, tmp_path: Path) -> None:
    path = tmp_path / "x.engine"
    path.write_bytes(b"engine")
    trt.fails = "Error Code 1: Cask (Cask convolution execution)"
    with pytest.raises(ModelError, match=r"could not run it .*Cask"):
        tensorrt(path, np.zeros((72, 128, 3), np.uint8), rounds=1)


def test_an_engine_that_cannot_be_prepared_says_why(
    trt: ProfilingTrt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.engine"
    path.write_bytes(b"engine")
    create, left = trt.create_execution_context, [1, 2]  # the two that only tell shapes

    def made() -> Context | None:
        if left:
            left.pop()
            return create()
        trt.log.log(trt.ILogger.Severity.ERROR, NO_MEMORY)
        return None

    monkeypatch.setattr(trt, "create_execution_context", made)
    with pytest.raises(ModelError, match=r"cannot prepare it .*out of memory"):
        tensorrt(path, np.zeros((72, 128, 3), np.uint8), rounds=1)


def test_what_an_engine_does_not_tell_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "x.onnx").rename(tmp_path / "x.engine")
    for words, said in (
        ([], "add --profile, or name the ONNX file"),
        (["--profile", "--nodes"], "--nodes and --size are for ONNX files"),
        (["--profile", "--size", "64"], "--nodes and --size are for ONNX files"),
    ):
        assert main(["inspect", "--model", str(path), *words]) != 0
        assert said in capsys.readouterr().err


def test_a_picture_without_profile_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "x.onnx")
    assert main(["inspect", "--model", str(path), "--picture", "street.jpg"]) != 0
    assert "only --profile needs a picture" in capsys.readouterr().err
    assert main(["inspect", "--rounds", "3"]) == 2
    assert "--rounds 3: only --profile runs the network: add it" in capsys.readouterr().err


def test_a_picture_that_cannot_be_read_is_told_before_the_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "x.onnx")
    assert main(["inspect", "--model", str(path), "--profile", "--picture", str(tmp_path / "no.jpg")]) != 0
    said = capsys.readouterr()
    assert "no.jpg: no such picture" in said.err
    assert "largest layers" not in said.out


def test_a_size_that_the_network_does_not_take_is_told_with_the_one_that_it_takes(tmp_path: Path) -> None:
    path = convolution(tmp_path / "x.onnx", (1, 3, 32, 64))
    image, target = np.zeros((72, 128, 3), np.uint8), InputFormat(width=96, height=96)
    with pytest.raises(ModelError, match="Got: 96 Expected: 64"):
        onnxruntime(path, image, target, rounds=1, threads=1)


def test_what_the_profiler_needs_exists_in_the_newest_interface() -> None:
    trt = pytest.importorskip("tensorrt_rtx_bindings", reason="needs tensorrt-rtx (Linux, x86-64)")
    assert hasattr(trt.IProfiler, "report_layer_time")
    assert hasattr(trt.IExecutionContext, "profiler")
