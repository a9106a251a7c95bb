"""Engines run on the GPU, by each TensorRT that is here. Without a GPU, all of this is skipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_node.assets.models import BUILT_IN
from edge_node.backends.cuda.device import Buffer
from edge_node.backends.interface import Array
from edge_node.backends.preprocess import InputFormat
from edge_node.backends.tensorrt import backend as tensorrt
from edge_node.backends.tensorrt.backend import TensorrtBackend
from edge_node.backends.tensorrt.build import build
from edge_node.backends.tensorrt.cache import save
from edge_node.backends.tensorrt.calibration import Calibration
from edge_node.backends.tensorrt.description import read
from edge_node.backends.tensorrt.engine import Engine
from edge_node.config.model_settings import ModelSettings
from edge_node.detect.check import compared
from edge_node.pictures import U8
from shared.errors import ModelError
from tests.conftest import REPO
from tests.edge_node.backends.tensorrt.conftest import Real

pytestmark = pytest.mark.timeout(900)  # the first test builds the engine
MODEL = BUILT_IN / "nanodet_g.onnx"
WIDE = InputFormat(512, 288)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Engines that were built already, by TensorRT's module."""
    return {"folder": tmp_path_factory.mktemp("engines")}


@pytest.fixture
def path(running: Real, engines: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The built-in model's engine for up to four pictures."""
    name = running.trt.__name__
    if name not in engines:
        options = replace(running.options, workspace_mb=1024, profiles=((1, 1, 1), (1, 4, 4)))
        save(engines["folder"] / f"{name}.engine", build(running.trt, MODEL, options))
        engines[name] = engines["folder"] / f"{name}.engine"
    monkeypatch.setattr(tensorrt, "import_tensorrt", lambda: running.trt)
    return engines[name]


def pictures(count: int) -> list[U8]:
    random = np.random.default_rng(count)
    return [random.integers(0, 256, (288, 512, 3), np.uint8) for _ in range(count)]


def test_an_engine_finds_what_the_onnx_file_finds(path: Path) -> None:
    verdict = compared(ModelSettings(name="nanodet_g"), 0, MODEL, path)
    assert verdict.good, verdict
    assert float(verdict.text.split("IoU ")[1].split()[0]) > 0.97


def test_pictures_give_the_same_alone_and_together_recorded_and_in_flight(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "darner.backend")
    backend = TensorrtBackend(path, ModelSettings())
    shown = pictures(4)
    alone = [backend.submit([one], WIDE, None).collect().outputs[0] for one in shown]
    for _ in range(4):  # the third one is recorded
        first, second = backend.submit(shown, WIDE, None), backend.submit(shown[:3], WIDE, None)
        for outputs in (first.collect().outputs, second.collect().outputs):
            for got, expected in zip(outputs, alone, strict=False):
                assert difference(got, expected) < 0.05
    backend.close()
    assert "CUDA graph" not in caplog.text
    assert "scratch memory of their own" not in caplog.text


def difference(got: list[Array], expected: list[Array]) -> float:
    return max(
        float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())
        for a, b in zip(got, expected, strict=True)
    )


def test_more_contexts_take_no_more_scratch(running: Real, path: Path) -> None:
    gpu = running.gpu
    assert gpu
    stream, file = gpu.driver.Stream(), read(path)
    engine = Engine(running.trt, gpu, path, file.blob, stream.handle, file.outputs)
    buffers: list[Buffer] = []

    def run(slot: int, count: int) -> None:
        shape = (count, 3, 288, 512)
        sizes = [4 * int(np.prod(shape)), *(4 * int(np.prod(axes)) for axes, _ in engine.outputs(shape))]
        mine = [Buffer(gpu, size) for size in sizes]
        buffers.extend(mine)
        engine.enqueue(slot, shape, mine[0].address, [one.address for one in mine[1:]], stream.handle)
        stream.synchronize()

    run(0, 4)
    assert engine.scratch((4, 3, 288, 512)) == 0
    run(1, 4)
    free = gpu.free_memory()
    for slot in range(2, 6):
        run(slot, 4)
    taken = free - gpu.free_memory() - sum(one.size for one in buffers)
    # Without sharing, each took the scratch of four pictures of 512x512, which is tens of megabytes.
    assert taken < 32 << 20
    engine.close()
    for one in buffers:
        one.free()


@pytest.mark.parametrize("damage", [lambda blob: blob[:1000], lambda blob: b"x" + blob[1:]])
def test_a_file_that_is_no_engine_is_refused_in_one_sentence(
    path: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    bad = tmp_path / "bad.engine"
    bad.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError, match="cannot load it") as caught:
        TensorrtBackend(bad, ModelSettings())
    assert "\n" not in str(caught.value)


def test_a_calibrated_network_finds_more_where_its_decoding_stays_in_float(
    running: Real, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not running.weak or running.gpu is None:
        pytest.skip("this version takes precisions from the model")
    create = pytest.importorskip("optimization.graph.calibrator", reason="needs the extra optimize").create
    monkeypatch.setattr(tensorrt, "import_tensorrt", lambda: running.trt)
    gpu, shown = running.gpu, sorted((REPO / "docs/examples").glob("*.jpg"))
    options = replace(running.options, workspace_mb=1024, profiles=((1, 1, 1),))

    def calibrator(shape: Sequence[int]) -> object:
        target, cache = InputFormat(shape[3], shape[2]), tmp_path / "ranges.calib"
        return create(running.trt, gpu, shown, target, cache, shape[0])

    found = {}
    for keep in ("none", "decoding"):
        built = build(running.trt, MODEL, options, calibration=Calibration(calibrator, keep))
        assert built.description["precision"] == "int8"
        assert (built.description["kept_float"] > 20) == (keep == "decoding")
        save(tmp_path / f"{keep}.engine", built)
        verdict = compared(ModelSettings(name="nanodet_g"), 0, MODEL, tmp_path / f"{keep}.engine")
        found[keep] = float(verdict.text.split("IoU ")[1].split()[0])
    assert found["decoding"] > found["none"]
