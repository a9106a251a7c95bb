"""What batches leave to each other: which stream gets what, and how long one waits; without a GPU."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from edge_node.backends.cuda import graph, runner
from edge_node.backends.cuda.graph import CaptureError, CudaGraph
from edge_node.backends.cuda.runner import CudaRunner
from edge_node.backends.cuda.slots import Shape
from edge_node.backends.interface import Wanted
from edge_node.backends.preprocess import InputFormat
from edge_node.detect.decode.families import FAMILIES
from edge_node.pictures import OnGpu
from shared.errors import ModelError
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


def test_after_one_slow_batch_the_next_is_expected_as_soon_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, library, _ = made(monkeypatch, capturable=True)
    due_s, took_ms = list[float](), [0.0]
    monkeypatch.setattr(runner, "wait", lambda _event, at_s: due_s.append(at_s - time.perf_counter()))

    def elapsed(found: Any, *_: Any) -> int:
        found._obj.value = took_ms[0]
        return 0

    library.cuEventElapsedTime = elapsed  # type: ignore[attr-defined]  # for each event pair of a batch
    for took_ms[0] in (60_000.0, 1000.0, 2000.0, 60_000.0, 2000.0, 2000.0):
        engine.submit([PICTURE], TARGET, WANTED).collect()
    engine.close()
    # Nothing is known at first. A batch takes a time for its input and the same for its run.
    expected = [0.0, 0.0, 2.0, 2.0, 4.0, 4.0]
    assert due_s == pytest.approx(expected, abs=0.5)


def test_a_letterbox_that_cannot_be_recorded_is_enqueued_until_it_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, library, compute = made(monkeypatch, capturable=True)
    engine.submit([PICTURE], TARGET, WANTED).collect()
    library.cuGraphInstantiateWithFlags = lambda *_: 2  # type: ignore[attr-defined]  # out of memory
    given(library, compute)
    engine.submit([PICTURE], TARGET, WANTED).collect()
    tried, _ = given(library, compute)
    assert tried == [*BEFORE, "letterbox_float32"]  # the fake's recordings are noted, too
    del library.cuGraphInstantiateWithFlags
    engine.submit([PICTURE], TARGET, WANTED).collect()
    assert given(library, compute) == (BEFORE, [])
    engine.submit([PICTURE], TARGET, WANTED).collect()
    assert given(library, compute) == (["copy", "copy"], [])
    engine.close()


def test_a_batch_is_refused_if_the_engine_was_closed_before_it_was_collected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine, _, _ = made(monkeypatch, capturable=False)
    collected, late = (engine.submit([PICTURE], TARGET, WANTED) for _ in range(2))
    collected.collect()
    engine.close()
    with pytest.raises(ModelError, match="was closed before this batch was collected"):
        late.collect()
    assert collected.collect().fits


def test_work_that_fails_while_it_is_recorded_leaves_no_graph_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    _, library, compute = made(monkeypatch, capturable=True)
    dropped: list[int] = []

    def end(_stream: int, found: Any) -> int:
        found._obj.value = 77
        return 0

    library.cuStreamEndCapture = end  # type: ignore[attr-defined]  # gives what was recorded so far
    library.cuGraphDestroy = lambda found: dropped.append(found.value)  # type: ignore[attr-defined]  # likewise
    with pytest.raises(CaptureError, match="not today"):
        CudaGraph(compute, lambda: raise_(RuntimeError("not today")))
    assert dropped == [77]


def raise_(error: Exception) -> None:
    raise error
