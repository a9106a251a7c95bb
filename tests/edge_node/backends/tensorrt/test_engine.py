"""How TensorRT's refusals are reported; its module and log are stand-ins, everything above them is real."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_node.assets.models import BUILT_IN
from edge_node.backends.cuda.device import Device
from edge_node.backends.cuda.picture import PinnedPool
from edge_node.backends.interface import Backend, OutOfMemory, Wanted
from edge_node.backends.onnx.backend import OnnxBackend
from edge_node.backends.preprocess import InputFormat
from edge_node.backends.tensorrt.backend import TensorrtBackend
from edge_node.backends.tensorrt.cache import EngineCache
from edge_node.backends.tensorrt.description import EngineFile, read, sidecar
from edge_node.backends.tensorrt.engine import Engine
from edge_node.backends.tensorrt.verdict import Verdict
from edge_node.config.model_settings import ModelSettings, TensorrtSettings
from edge_node.detect.decode.families import FAMILIES
from shared.errors import ModelError
from tests.edge_node.backends.cuda.fake_gpu import fake_gpu
from tests.edge_node.backends.tensorrt.fake_tensorrt import NO_MEMORY, SHAPE, TAKEN, FakeTrt


@pytest.fixture
def trt() -> FakeTrt:
    return FakeTrt()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Device:
    device, driver = fake_gpu(monkeypatch, 1 << 33)
    driver.Context = SimpleNamespace(synchronize=lambda: None)
    return device


@pytest.fixture
def engine(trt: FakeTrt, gpu: Device) -> Iterator[Engine]:
    one = Engine(trt, gpu, Path("x.engine"), b"", 0)
    yield one
    one.close()


def test_no_room_for_a_context_is_out_of_memory_and_ends_when_buffers_go(
    engine: Engine, trt: FakeTrt
) -> None:
    trt.most = 1
    engine.enqueue(0, SHAPE, 1, [2], 0)
    with pytest.raises(OutOfMemory, match="out of memory"):
        engine.enqueue(1, SHAPE, 3, [4], 0)
    with pytest.raises(OutOfMemory, match="out of memory"):
        engine.outputs(SHAPE)
    engine.forget(0)
    engine.enqueue(1, SHAPE, 3, [4], 0)
    assert engine.capturable
    assert [addresses for _, _, addresses in trt.ran] == [(1, 2), (3, 4)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [(NO_MEMORY, OutOfMemory), ("Error Code 1: Cask (Cask convolution execution)", ModelError)],
)
def test_a_run_that_fails_says_why(engine: Engine, trt: FakeTrt, text: str, kind: type[ModelError]) -> None:
    trt.fails = text
    with pytest.raises(ModelError, match="could not start") as error:
        engine.enqueue(0, SHAPE, 1, [2], 0)
    assert type(error.value) is kind


def test_buffers_of_one_shape_have_contexts_of_their_own(engine: Engine, trt: FakeTrt) -> None:
    for slot in (0, 1, 0, 1):
        engine.enqueue(slot, SHAPE, 10 + slot, [20 + slot], 0)
    assert [addresses for _, _, addresses in trt.ran] == [(10, 20), (11, 21)] * 2
    assert len({context for context, _, _ in trt.ran}) == 2


@pytest.mark.parametrize("exclusive", [True, False])
def test_where_there_is_one_context_a_profile_all_share_it(
    engine: Engine, trt: FakeTrt, caplog: pytest.LogCaptureFixture, *, exclusive: bool
) -> None:
    trt.exclusive = exclusive
    if not exclusive:
        trt.most, trt.why = 1, TAKEN
    other = (2, 3, 640, 384)
    engine.enqueue(0, SHAPE, 1, [2], 0)
    assert engine.outputs(other)[0][0] == (2, 84, 3549)  # asked while the profile is taken
    engine.enqueue(1, other, 3, [4], 0)
    engine.enqueue(0, SHAPE, 1, [2], 0)
    assert not engine.capturable
    assert [row[1:] for row in trt.ran] == [(SHAPE, (1, 2)), (other, (3, 4)), (SHAPE, (1, 2))]
    assert caplog.text.count("no CUDA graphs") == 1


def test_outputs_that_the_engine_permutes_run_in_the_onnx_files_order(trt: FakeTrt, gpu: Device) -> None:
    trt.outputs = ("boxes", "scores", "classes")
    one = Engine(trt, gpu, Path("x.engine"), b"", 0, order=("scores", "classes", "boxes"))
    assert [tensor.name for tensor in one.output_tensors] == ["scores", "classes", "boxes"]
    one.enqueue(0, SHAPE, 1, [10, 20, 30], 0)
    assert trt.named == {"images": 1, "scores": 10, "classes": 20, "boxes": 30}
    one.close()


@pytest.mark.parametrize(
    ("profile", "shape"),
    [
        ([(1, 3, 32, 32), (8, 3, 288, 512), (16, 3, 512, 512)], (None, 3, None, None)),
        ([(1, 3, 288, 512), (8, 3, 288, 512), (16, 3, 288, 512)], (None, 3, 288, 512)),
        ([(1, 3, 288, 32), (8, 3, 288, 512), (16, 3, 288, 512)], (None, 3, 288, None)),
    ],
)
def test_a_length_that_the_profile_leaves_no_choice_is_fixed(
    trt: FakeTrt, gpu: Device, profile: list[tuple[int, ...]], shape: tuple[int | None, ...]
) -> None:
    trt.profiles = [profile]
    one = Engine(trt, gpu, Path("x.engine"), b"", 0)
    assert one.inputs[0].shape == shape
    one.close()


@pytest.mark.parametrize(("metadata", "size"), [({"imgsz": "512"}, 512), ({"imgsz": "1280"}, 640), ({}, 640)])
def test_an_engine_of_any_size_is_given_no_more_than_it_was_built_for(
    monkeypatch: pytest.MonkeyPatch,
    trt: FakeTrt,
    gpu: Device,
    tmp_path: Path,
    metadata: dict[str, str],
    size: int,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setattr("edge_node.backends.tensorrt.backend.device", lambda _index: gpu)
    path = tmp_path / "x.engine"
    path.write_bytes(b"engine")
    sidecar(path).write_text(json.dumps({"metadata": metadata}))
    backend = TensorrtBackend(path, ModelSettings())
    assert backend.model.trained_size == size
    backend.close()


def test_while_an_engine_is_built_another_one_answers(
    monkeypatch: pytest.MonkeyPatch, trt: FakeTrt, gpu: Device, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setattr("edge_node.backends.tensorrt.backend.device", lambda _index: gpu)
    build = threading.Event()
    built = tmp_path / "x.engine"
    built.write_bytes(b"engine")

    def get(*_: object) -> Path:
        build.wait(30)
        return built

    monkeypatch.setattr(EngineCache, "find", lambda *_: None)
    monkeypatch.setattr(EngineCache, "path", lambda *_: built)
    monkeypatch.setattr(EngineCache, "get", get)
    loads: list[str] = []

    def read_and_note(path: Path) -> EngineFile:
        loads.append(threading.current_thread().name)
        return read(path)

    monkeypatch.setattr("edge_node.backends.tensorrt.backend.read", read_and_note)
    settings = ModelSettings(providers=("cpu",), threads=3)
    model = BUILT_IN / "nanodet_g.onnx"
    backend = TensorrtBackend(model, settings, meanwhile=lambda: OnnxBackend(model, settings))
    images, target = [np.zeros((416, 416, 3), np.uint8)], InputFormat(416, 416)
    wanted = Wanted(np.arange(80), 0.3, FAMILIES["yolov8"].anchors)
    try:
        assert backend.submit(images, target, wanted).done
        assert backend.name.startswith("onnxruntime")
        assert backend.max_batch == 3, "a picture for each thread"
        meanwhile = backend.pictures
        assert isinstance(meanwhile, PinnedPool), "cameras are opened for the GPU already"
        images = [meanwhile.lend(416, 416)]
    finally:
        build.set()
    builders = [thread for thread in threading.enumerate() if thread.name == "engine-builder"]
    for thread in builders:
        thread.join(30)
    assert loads == ["engine-builder"], "no camera waits while it is loaded"
    pending = backend.submit(images, target, wanted)
    assert not pending.done
    assert backend.name == "tensorrt 11.0"
    assert backend.max_batch == 16
    assert backend.pictures is not meanwhile
    assert len(pending.collect().outputs) == 1
    assert len(backend.submit(images, target, wanted).collect().outputs) == 1
    backend.close()


@pytest.mark.parametrize(
    ("wanted", "meanwhile", "checks"),
    [
        pytest.param({"while_building": "wait"}, True, True, id="wait"),
        pytest.param({}, False, True, id="no other engine is offered"),
        pytest.param({}, True, True, id="the other engine cannot run the model"),
        pytest.param({"check": False}, False, False, id="unchecked"),
    ],
)
def test_without_another_engine_the_built_one_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
    trt: FakeTrt,
    gpu: Device,
    tmp_path: Path,
    wanted: dict[str, Any],
    meanwhile: bool,
    checks: bool,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setattr("edge_node.backends.tensorrt.backend.device", lambda _index: gpu)
    built = tmp_path / "x.engine"
    built.write_bytes(b"engine")
    asked: list[object] = []

    def get(*given: object) -> Path:
        asked.append(given[-1])
        return built

    def other() -> Backend:
        if wanted:
            raise AssertionError("another engine was made")
        raise ModelError("an operator that it does not know")

    monkeypatch.setattr(EngineCache, "find", lambda *_: None)
    monkeypatch.setattr(EngineCache, "path", lambda *_: built)
    monkeypatch.setattr(EngineCache, "get", get)
    settings = ModelSettings(tensorrt=TensorrtSettings(**wanted))
    model = BUILT_IN / "nanodet_g.onnx"
    backend = TensorrtBackend(
        model, settings, meanwhile=other if meanwhile else None, check=lambda *_: Verdict(True, "")
    )
    assert backend.name == "tensorrt 11.0"
    assert [check is not None for check in asked] == [checks]
    backend.close()


@pytest.mark.parametrize("wait", [True, False])
def test_an_engine_that_was_refused_leaves_the_model_to_the_other_engine_at_the_next_start(
    monkeypatch: pytest.MonkeyPatch,
    trt: FakeTrt,
    gpu: Device,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    *,
    wait: bool,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setattr("edge_node.backends.tensorrt.backend.device", lambda _index: gpu)
    built = tmp_path / "x.engine"
    built.with_suffix(".refused").write_text("mean best IoU 0.520")
    monkeypatch.setattr(EngineCache, "path", lambda *_: built)
    model = BUILT_IN / "nanodet_g.onnx"
    settings = ModelSettings(
        providers=("cpu",), tensorrt=TensorrtSettings(while_building="wait" if wait else "onnxruntime")
    )

    def opened() -> TensorrtBackend:
        return TensorrtBackend(
            model,
            settings,
            meanwhile=lambda: OnnxBackend(model, settings),
            check=lambda *_: Verdict(True, ""),
        )

    if wait:
        with pytest.raises(ModelError, match=r"IoU 0\.520"):
            opened()
        return
    backend = opened()
    assert backend.name.startswith("onnxruntime")
    assert "stays with onnxruntime" in caplog.text
    assert "0.520" in caplog.text
    assert "engine-builder" not in {thread.name for thread in threading.enumerate()}
    backend.close()


def test_a_builder_that_breaks_leaves_the_model_to_the_other_engine_and_says_why(
    monkeypatch: pytest.MonkeyPatch,
    trt: FakeTrt,
    gpu: Device,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setattr("edge_node.backends.tensorrt.backend.device", lambda _index: gpu)

    def get(*_: object) -> Path:
        raise RuntimeError("cuInit failed: no such device")

    monkeypatch.setattr(EngineCache, "find", lambda *_: None)
    monkeypatch.setattr(EngineCache, "path", lambda *_: tmp_path / "x.engine")
    monkeypatch.setattr(EngineCache, "get", get)
    settings = ModelSettings(providers=("cpu",))
    model = BUILT_IN / "nanodet_g.onnx"
    backend = TensorrtBackend(model, settings, meanwhile=lambda: OnnxBackend(model, settings))
    for thread in [thread for thread in threading.enumerate() if thread.name == "engine-builder"]:
        thread.join(30)
    images, target = [np.zeros((416, 416, 3), np.uint8)], InputFormat(416, 416)
    assert backend.submit(images, target, None).collect().outputs
    assert backend.name.startswith("onnxruntime")
    assert "stays with onnxruntime" in caplog.text
    assert "cannot be built: cuInit failed: no such device" in caplog.text
    backend.close()
