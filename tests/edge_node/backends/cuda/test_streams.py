"""What a batch in flight leaves to the next one: which stream gets what, without a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_node.backends.cuda import graph
from edge_node.backends.cuda.runner import CudaRunner
from edge_node.backends.cuda.slots import Shape
from edge_node.backends.interface import Wanted
from edge_node.backends.preprocess import InputFormat
from edge_node.detect.decode.families import FAMILIES
from edge_node.pictures import OnGpu
from tests.edge_node.backends.cuda.fake_gpu import FakeLibrary, fake_gpu
from tests.edge_node.gpu_pictures import NoCopier

TARGET = InputFormat(640, 640)
WANTED = Wanted(np.arange(80), 0.3, FAMILIES["yolov8"].anchors)
PICTURE = np.zeros((720, 1280, 3), np.uint8)


class Network:
    """Notes on which stream it runs."""

    input_dtype: np.dtype[Any] = np.dtype(np.float32)
    max_batch = 4

    def __init__(self, library: FakeLibrary, *, capturable: bool) -> None:
        self._library, self.capturable = library, capturable

    def padded(self, count: int) -> int:
        return count

    def outputs(self, shape: Shape) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
        return [((shape[0], 84, 8400), np.dtype(np.float32))]

    def enqueue(self, _slot: int, _shape: Shape, _source: int, _outputs: Any, stream: int) -> None:
        self._library.done.append(("network", stream))

    def scratch(self, _shape: Shape) -> int:
        return 0

    def forget(self, slot: int) -> None: ...

    def close(self) -> None: ...


def made(monkeypatch: pytest.MonkeyPatch, *, capturable: bool) -> tuple[CudaRunner, FakeLibrary, int]:
    """A runner, what streams are given, and the handle of the network's stream."""
    gpu, driver = fake_gpu(monkeypatch, 8 << 30)
    monkeypatch.setattr(graph, "library", lambda: driver.library)
    stream = driver.Stream()
    engine = CudaRunner(gpu, Network(driver.library, capturable=capturable), stream)
    return engine, driver.library, stream.handle


def given(library: FakeLibrary, compute: int) -> tuple[list[str], list[str]]:
    """What the network's stream was given since last asked, and what another stream was given."""
    done, library.done = library.done, []
    return [what for what, one in done if one == compute], [what for what, one in done if one != compute]


BEFORE, AFTER = (
    ["copy", "copy", "letterbox_float32"],
    ["network", "select_float32", "rank", "compare", "keep"],
)


def test_input_is_made_beside_the_network_that_runs_and_networks_follow_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, library, compute = made(monkeypatch, capturable=False)
    first = engine.submit([PICTURE], TARGET, WANTED)
    assert given(library, compute) == (BEFORE + AFTER, [])
    second = engine.submit([PICTURE], TARGET, WANTED)
    assert given(library, compute) == (["wait", *AFTER], BEFORE)
    first.collect()
    third = engine.submit([PICTURE], TARGET, WANTED)
    assert given(library, compute) == (["wait", *AFTER], BEFORE)
    second.collect()
    third.collect()
    engine.submit([PICTURE], TARGET, WANTED).collect()
    assert given(library, compute) == (BEFORE + AFTER, [])
    engine.close()


def test_the_network_and_what_follows_are_recorded_and_started_with_one_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, library, compute = made(monkeypatch, capturable=True)
    first = engine.submit([PICTURE], TARGET, WANTED)
    second = engine.submit([PICTURE], TARGET, WANTED)
    first.collect()
    second.collect()
    begun, _ = given(library, compute)
    assert begun.count("network") == 6  # each of the two buffers: two runs to warm up, then the recording
    engine.submit([PICTURE], TARGET, WANTED).collect()
    assert given(library, compute) == (BEFORE, [])  # records the letterbox
    first = engine.submit([PICTURE], TARGET, WANTED)
    assert given(library, compute) == (["copy", "copy"], [])
    second = engine.submit([PICTURE], TARGET, WANTED)
    first.collect()
    second.collect()
    assert given(library, compute) == (["wait"], BEFORE)
    first = engine.submit([PICTURE], TARGET, WANTED)
    second = engine.submit([PICTURE], TARGET, WANTED)
    first.collect()
    second.collect()
    assert given(library, compute) == (["copy", "copy", "wait"], ["copy", "copy"])
    engine.close()


def test_a_picture_that_is_not_there_yet_holds_up_only_its_own_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, library, compute = made(monkeypatch, capturable=False)
    before = ["copy", "wait", "letterbox_float32"]  # the table, which the kernels read when they run
    coming = OnGpu(1 << 20, None, 3840, 1280, 720, NoCopier(), None, ready=7)
    first = engine.submit([coming], TARGET, WANTED)
    assert given(library, compute) == ([*before, *AFTER], [])
    second = engine.submit([coming], TARGET, WANTED)
    assert given(library, compute) == (["wait", *AFTER], before)
    first.collect()
    second.collect()
    engine.close()
