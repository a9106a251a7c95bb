"""A GPU that fails while it works. The GPU is a stand-in; the engine that takes over is ONNX Runtime."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_node.backends.choose import choose
from edge_node.backends.interface import Inference, OutOfMemory, Pending, Wanted
from edge_node.backends.onnx.backend import OnnxBackend
from edge_node.backends.preprocess import InputFormat
from edge_node.backends.rescue import GpuFailed, Rescued
from edge_node.config.model_settings import ModelSettings
from edge_node.pictures import OnGpu, Picture
from shared.errors import ModelError
from tests.edge_node.backends.cuda.fake_gpu import fake_gpu
from tests.edge_node.backends.small_models import write
from tests.edge_node.gpu_pictures import NoCopier

LOST = "cuEventSynchronize failed: device not available"
PICTURES = [np.full((40, 60, 3), shade, np.uint8) for shade in (0, 90, 180)]
TARGET = InputFormat(64, 64)
WANTED = Wanted(np.arange(80), 0.3)


class OnLostGpu(OnnxBackend):
    """An engine whose calls fail as the GPU's driver does."""

    def __init__(self, path: Path, driver: Any) -> None:
        super().__init__(path)
        self.in_flight = 2  # whatever the number of cores
        self.name, self.device, self._driver = "an engine on the GPU", "a fake GPU", driver

    def submit(
        self, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
    ) -> Pending[Inference]:
        self._driver.work()
        if len(images) > self.max_batch:
            raise OutOfMemory("too many pictures")

        def collect() -> Inference:
            self._driver.work()
            return result

        result = super().submit(images, target, wanted).collect()
        return Pending(collect)

    def close(self) -> None:
        self._driver.work()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    return fake_gpu(monkeypatch, 1 << 30)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(tmp_path / "model.onnx")


def on_processor(model: Path, threads: int = 0) -> OnnxBackend:
    return OnnxBackend(model, ModelSettings(providers=("cpu",), threads=threads))


def outputs(inference: Inference) -> list[list[Any]]:
    return [[output.tolist() for output in picture] for picture in inference.outputs]


@pytest.mark.parametrize("when", ["before a batch", "with two batches in flight"])
def test_the_processor_takes_over_without_losing_a_picture(
    when: str, gpu: tuple[Any, Any], model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    device, driver = gpu
    expected = outputs(on_processor(model).submit(PICTURES, TARGET, WANTED).collect())
    backend = Rescued(OnLostGpu(model, driver), device, lambda: on_processor(model))
    assert (backend.device, backend.in_flight) == ("a fake GPU", 2)
    waiting = [backend.submit(PICTURES, TARGET, WANTED) for _ in range(2)]
    if when == "before a batch":
        assert [outputs(one.collect()) for one in waiting] == [expected, expected]
        waiting = []
    driver.lost = LOST
    waiting.append(backend.submit(PICTURES, TARGET, WANTED))
    assert all(outputs(one.collect()) == expected for one in waiting)
    assert backend.device == "cpu"
    assert outputs(backend.submit(PICTURES[:1], TARGET, WANTED).collect()) == expected[:1]
    backend.close()
    [line] = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert f"a fake GPU has failed ({LOST}): the model runs with onnxruntime" in line


def test_a_batch_that_reaches_the_gpu_while_another_one_fails_runs_on_the_processor_too(
    gpu: tuple[Any, Any], model: Path
) -> None:
    device, driver = gpu
    expected = outputs(OnnxBackend(model).submit(PICTURES, TARGET, WANTED).collect())
    found: list[Inference] = []

    class FailingMeanwhile(OnLostGpu):
        def submit(
            self, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
        ) -> Pending[Inference]:
            pending = super().submit(images, target, wanted)
            if waiting:  # as the thread that collects does, before this call returns
                driver.lost = LOST
                found.append(waiting.pop().collect())
            return pending

    waiting: list[Pending[Inference]] = []
    backend = Rescued(FailingMeanwhile(model, driver), device, lambda: OnnxBackend(model))
    waiting.append(backend.submit(PICTURES, TARGET, WANTED))
    found.append(backend.submit(PICTURES, TARGET, WANTED).collect())
    assert [outputs(one) for one in found] == [expected, expected]
    assert backend.device == "cpu"


def test_the_processor_gets_one_batch_at_a_time_while_those_of_the_gpu_run_again(
    gpu: tuple[Any, Any], model: Path
) -> None:
    device, driver = gpu
    inside: list[int] = []

    class Alone(OnnxBackend):
        def submit(
            self, images: Sequence[Picture], target: InputFormat, wanted: Wanted | None
        ) -> Pending[Inference]:
            inside.append(len(images))
            if len(inside) == 1:  # the batch that runs again; the next one comes meanwhile
                second.start()
                second.join(0.1)
                assert inside == [3], "two threads submit at a time"
            return super().submit(images, target, wanted)

    backend = Rescued(OnLostGpu(model, driver), device, lambda: Alone(model))
    pending = backend.submit(PICTURES, TARGET, WANTED)
    second = threading.Thread(target=lambda: backend.submit(PICTURES[:1], TARGET, WANTED))
    driver.lost = LOST
    pending.collect()
    second.join(30)
    assert inside == [3, 1]


def test_a_batch_that_is_larger_than_the_processor_takes_runs_in_parts(
    gpu: tuple[Any, Any], tmp_path: Path
) -> None:
    device, driver = gpu
    many, one = write(tmp_path / "many.onnx"), write(tmp_path / "one.onnx", batch=1)
    backend = Rescued(OnLostGpu(many, driver), device, lambda: on_processor(one, threads=1))
    pending = backend.submit(PICTURES, TARGET, WANTED)
    driver.lost = LOST
    found = pending.collect()
    assert (len(found.outputs), len(found.fits), backend.max_batch) == (3, 3, 1)
    expected = [
        outputs(on_processor(one).submit([picture], TARGET, WANTED).collect())[0] for picture in PICTURES
    ]
    assert outputs(found) == expected


def test_a_failed_gpu_ends_a_node_that_may_not_go_on_without_it(gpu: tuple[Any, Any], model: Path) -> None:
    device, driver = gpu
    backend = Rescued(OnLostGpu(model, driver), device, None)
    pending = backend.submit(PICTURES, TARGET, WANTED)
    driver.lost = LOST
    for fails in (pending.collect, lambda: backend.submit(PICTURES, TARGET, WANTED).collect()):
        with pytest.raises(GpuFailed, match=r"a fake GPU has failed .*device not available.*allow_fallback"):
            fails()
    backend.close()  # frees nothing, and hides no error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OutOfMemory("no memory"), id="memory runs out"),
        pytest.param(ModelError("a picture of 0x0"), id="a bad picture"),
        pytest.param(ValueError("too many"), id="a mistake of ours"),
    ],
)
def test_an_error_of_a_gpu_that_works_is_passed_on(
    error: Exception, gpu: tuple[Any, Any], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, driver = gpu
    backend = Rescued(OnLostGpu(model, driver), device, lambda: pytest.fail("nothing has failed"))

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(OnLostGpu, "submit", refuse)
    with pytest.raises(type(error), match=str(error)):
        backend.submit(PICTURES, TARGET, WANTED)


def test_pictures_in_the_memory_of_a_failed_gpu_are_lost_and_end_the_node(
    gpu: tuple[Any, Any], model: Path
) -> None:
    device, driver = gpu
    backend = Rescued(OnLostGpu(model, driver), device, lambda: on_processor(model))
    driver.lost = LOST
    picture = OnGpu(1, None, 180, 60, 40, NoCopier(), owner=None)
    for _ in range(2):  # at the failure, and from then on
        with pytest.raises(GpuFailed, match="with the pictures in its memory"):
            backend.submit([picture], TARGET, WANTED)


@pytest.mark.parametrize("allowed", [True, False])
def test_a_tensorrt_that_does_not_start_leaves_the_model_to_the_processor_if_that_is_allowed(
    allowed: bool, model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", None)
    settings = ModelSettings(name=str(model), backend="tensorrt", allow_fallback=allowed)
    if not allowed:
        with pytest.raises(ModelError, match="TensorRT is not installed"):
            choose(settings)
        return
    assert choose(settings).device == "cpu"
    assert "runs on the processor: TensorRT is not installed" in caplog.text
