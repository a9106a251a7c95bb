"""All contexts of an engine share one piece of scratch memory, in each version's way."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_node.backends.cuda.device import Device
from edge_node.backends.cuda.runner import CudaRunner
from edge_node.backends.interface import OutOfMemory
from edge_node.backends.preprocess import InputFormat
from edge_node.backends.tensorrt.engine import Engine
from tests.edge_node.backends.cuda.fake_gpu import fake_gpu
from tests.edge_node.backends.tensorrt.fake_tensorrt import (
    FakeTrt,
    FakeTrt11,
    FakeTrt86,
    FakeTrt100,
    FakeTrt103,
)

MB = 1 << 20
ONE, MANY = (1, 3, 416, 416), (8, 3, 416, 416)
PROFILES = [[ONE, ONE, ONE], [ONE, MANY, (16, 3, 416, 416)]]
SHARING = [FakeTrt86, FakeTrt103, FakeTrt11]
Opened = Callable[[type[FakeTrt]], tuple[Engine, Any]]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Device:
    device, _ = fake_gpu(monkeypatch, 1 << 33)
    return device


@pytest.fixture
def opened(gpu: Device) -> Iterator[Opened]:
    """Opens an engine whose profiles for one picture and for many need 20 and 180 MB of scratch."""
    engines = []

    def opened(version: type[FakeTrt]) -> tuple[Engine, Any]:
        trt: Any = version()
        trt.gpu, trt.profiles, trt.needs = gpu.driver, PROFILES, [20 * MB, 180 * MB]
        engines.append(Engine(trt, gpu, Path("x.engine"), b"", 0))
        return engines[-1], trt

    yield opened
    for engine in engines:
        engine.close()
    assert gpu.driver.live == {}


def run(engine: Engine, *batches: tuple[int, tuple[int, int, int, int]]) -> None:
    for slot, shape in batches:
        engine.enqueue(slot, shape, 1, [2], 0)


@pytest.mark.parametrize("version", SHARING)
def test_contexts_of_a_profile_share_their_scratch(opened: Opened, version: type[FakeTrt]) -> None:
    engine, trt = opened(version)
    run(engine, (0, MANY), (1, MANY), (0, (4, *MANY[1:])), (1, (16, *MANY[1:])))
    assert (trt.contexts, trt.own) == (4, 0)
    assert list(trt.gpu.live.values()) == [180 * MB]


@pytest.mark.parametrize("version", [FakeTrt103, FakeTrt11])
def test_one_picture_takes_no_more_than_it_needs_until_many_come(
    opened: Opened, version: type[FakeTrt]
) -> None:
    engine, trt = opened(version)
    assert trt.gpu.taken == 0  # shapes are asked for without memory
    assert engine.scratch(ONE) == 20 * MB
    run(engine, (0, ONE))
    assert (engine.scratch(ONE), engine.scratch(MANY)) == (0, 180 * MB)
    run(engine, (1, MANY), (0, ONE))  # the first one goes on where it was recorded
    assert sorted(trt.gpu.live.values()) == [20 * MB, 180 * MB]
    engine.forget(0)
    run(engine, (0, ONE))
    assert list(trt.gpu.live.values()) == [180 * MB]


def test_8_6_knows_only_what_all_profiles_need(opened: Opened) -> None:
    engine, trt = opened(FakeTrt86)
    assert engine.scratch(ONE) == 0  # a context that tells shapes has it already
    run(engine, (0, ONE), (1, MANY))
    assert list(trt.gpu.live.values()) == [180 * MB]


@pytest.mark.parametrize("version", SHARING)
def test_scratch_that_nobody_uses_is_given_back(opened: Opened, version: type[FakeTrt]) -> None:
    engine, trt = opened(version)
    run(engine, (0, MANY), (1, MANY))
    engine.forget(0)
    assert trt.gpu.taken == 180 * MB
    engine.forget(1)
    assert (trt.gpu.taken, trt.contexts) == (0, 0)
    run(engine, (2, MANY))
    assert trt.gpu.taken == 180 * MB


@pytest.mark.parametrize("version", [FakeTrt100, FakeTrt])
def test_a_version_without_the_calls_gives_each_context_its_own(
    opened: Opened, version: type[FakeTrt]
) -> None:
    engine, trt = opened(version)
    run(engine, (0, MANY), (1, MANY))
    assert trt.own == 3  # with the one that told shapes
    assert (trt.gpu.taken, engine.scratch(MANY)) == (0, 0)


class Refuses(FakeTrt86):
    """As 8.4, whose setter takes a capsule."""

    def create_execution_context_without_device_memory(self) -> Any:
        context = super().create_execution_context()
        assert context
        context.memory = (0, 0)

        class Stubborn(type(context)):  # type: ignore[misc]  # a class of this moment
            def __setattr__(self, name: str, value: Any) -> None:
                raise TypeError("(): incompatible function arguments")

        context.__class__ = Stubborn
        return context


class SaysNothing(FakeTrt11):
    def get_device_memory_size_for_profile_v2(self, index: int) -> int:  # noqa: ARG002 - TensorRT's name
        return 0


@pytest.mark.parametrize("version", [Refuses, SaysNothing])
def test_a_refusal_is_logged_once_and_every_context_has_its_own(
    opened: Opened, version: type[FakeTrt], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "darner.backend")
    engine, _ = opened(version)
    run(engine, (0, MANY), (1, MANY))
    assert caplog.text.count("scratch memory of their own") == 1
    assert engine.scratch(MANY) == 0


@pytest.mark.parametrize("version", SHARING)
def test_no_room_for_scratch_is_out_of_memory(
    monkeypatch: pytest.MonkeyPatch, version: type[FakeTrt]
) -> None:
    gpu, driver = fake_gpu(monkeypatch, 100 * MB)
    trt: Any = version()
    trt.gpu, trt.profiles, trt.needs = driver, PROFILES, [20 * MB, 180 * MB]
    with pytest.raises(OutOfMemory, match="no memory for 180 MB of scratch"):
        engine = Engine(trt, gpu, Path("x.engine"), b"", 0)
        run(engine, (0, ONE))
        assert driver.taken == 20 * MB
        try:
            run(engine, (1, MANY))
        finally:
            engine.close()
    assert (driver.taken, trt.contexts) == (0, 0)


def test_a_batch_is_chosen_so_that_its_scratch_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    # Buffers for 16 pictures would leave a margin, but not beside 180 MB of scratch.
    gpu, driver = fake_gpu(monkeypatch, 250 * MB)
    trt: Any = FakeTrt11()
    trt.gpu, trt.profiles, trt.needs = driver, PROFILES, [20 * MB, 180 * MB]
    runner = CudaRunner(gpu, Engine(trt, gpu, Path("x.engine"), b"", 0), driver.Stream(), graphs=False)
    picture = np.zeros((64, 64, 3), np.uint8)
    runner.submit([picture], InputFormat(416, 416), None).collect()
    assert runner.max_batch == 1
    assert 20 * MB in driver.live.values()
    assert 180 * MB not in driver.live.values()
    runner.close()
    assert driver.live == {}
