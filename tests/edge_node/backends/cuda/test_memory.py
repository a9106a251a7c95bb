"""The GPU's memory, without a GPU: sizes, errors, and what the runner does when there is none left."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from edge_node.backends.cuda.device import Device
from edge_node.backends.cuda.graph import CaptureError
from edge_node.backends.cuda.layout import FilterLayout
from edge_node.backends.cuda.memory import IN_FLIGHT, MARGIN, SlotPlan, is_shortage, largest_batch
from edge_node.backends.cuda.runner import CudaRunner
from edge_node.backends.cuda.slots import KEPT, Shape
from edge_node.backends.interface import OutOfMemory, Wanted
from edge_node.backends.onnx.on_cuda import failed
from edge_node.backends.preprocess import InputFormat
from edge_node.detect.decode.families import FAMILIES
from edge_node.pictures import U8
from shared.errors import ModelError
from tests.edge_node.backends.cuda.fake_gpu import fake_gpu

MB = 1 << 20
WANTED = Wanted(np.arange(80), 0.3, FAMILIES["yolov8"].anchors)
SQUARE, WIDE = InputFormat(640, 640), InputFormat(640, 384)


def pictures(count: int, width: int = 1280, height: int = 720) -> list[U8]:
    return [np.zeros((height, width, 3), np.uint8)] * count


class Greedy:
    """A network that takes memory for every picture and keeps it, as ONNX Runtime does."""

    def __init__(self, driver: Any, each: int, *, fixed: int | None = None) -> None:
        self._driver, self._each, self._fixed = driver, each, fixed
        self.input_dtype: np.dtype[Any] = np.dtype(np.float32)
        self.max_batch, self.capturable = fixed or 16, False
        self._arena: list[Any] = []
        self.ran: list[tuple[int, Shape]] = []
        self.forgotten: list[int] = []

    def padded(self, count: int) -> int:
        return self._fixed or count

    def outputs(self, shape: Shape) -> list[tuple[tuple[int, ...], np.dtype[Any]]]:
        return [((shape[0], 84, shape[2] * shape[3] * 21 // 1024), np.dtype(np.float32))]

    def enqueue(self, slot: int, shape: Shape, source: int, outputs: Sequence[int], stream: int) -> None:  # noqa: ARG002 - as a network is asked
        while len(self._arena) < shape[0]:
            try:
                self._arena.append(self._driver.mem_alloc(self._each))
            except self._driver.MemoryError:
                text = f"Failed to allocate memory for requested buffer of size {self._each}"
                raise failed("model x.onnx: cannot run", RuntimeError(text)) from None
        self.ran.append((slot, shape))

    def scratch(self, shape: Shape) -> int:  # noqa: ARG002 - as a network is asked
        return 0

    def forget(self, slot: int) -> None:
        self.forgotten.append(slot)

    def close(self) -> None:
        while self._arena:
            self._arena.pop().free()


def runner(gpu: Device, network: Greedy) -> CudaRunner:
    return CudaRunner(gpu, network, gpu.driver.Stream())


@pytest.mark.parametrize(
    ("free", "each", "most", "expected"),
    [
        pytest.param(1000, 50, 32, 16, id="the margin is exact"),
        pytest.param(999, 50, 32, 15, id="one byte less is one picture less"),
        pytest.param(10**6, 50, 16, 16, id="never more than the network takes"),
        pytest.param(60, 50, 16, 0, id="none within the margin"),
        pytest.param(0, 50, 16, 0, id="nothing is free"),
    ],
)
def test_the_batch_that_fits(free: int, each: int, most: int, expected: int) -> None:
    assert largest_batch(free, lambda count: count * each, most) == expected


def test_a_slot_of_yolov8_at_640_takes_what_was_counted_by_hand() -> None:
    outputs = (((84, 8400), np.dtype(np.float32)),)
    plan = SlotPlan((3, 640, 640), np.dtype(np.float32), outputs, None)
    sizes = plan.sizes(4, 4 * 1280 * 720 * 3)
    assert sizes.input == 4 * 4_915_200
    assert sizes.outputs == (4 * 2_822_400,) == sizes.fetched
    assert (sizes.counts, sizes.scratch, sizes.results) == (0, 0, 0)
    # In blocks of 2 MiB: table 1, pictures 6, input 10, output 6.
    assert sizes.on_gpu(shares_memory=False) == (1 + 6 + 10 + 6) * 2 * MB
    # Where the GPU has no memory of its own, what the host pins counts as well.
    assert sizes.on_gpu(shares_memory=True) == (1 + 6 + 10 + 6 + 6) * 2 * MB


def test_a_slot_that_decodes_fetches_no_outputs() -> None:
    outputs = (((84, 8400), np.dtype(np.float16)),)
    layout = FilterLayout.of(FAMILIES["yolov8"].anchors, [(1, 84, 8400)], (640, 640))
    sizes = SlotPlan((3, 640, 640), np.dtype(np.float16), outputs, layout).sizes(16, 0)
    assert sizes.fetched == (0,)
    # For each picture 1024 keys, twice as many candidates of 32 bytes, and a bit for each pair.
    assert sizes.scratch == 16 * (1024 * 8 + 2 * 1024 * 32 + 1024 * 1024 // 8)
    assert sizes.results == 16 * (16 + 1024 * 24)
    # In blocks of 2 MiB: table 1, input 19, output 11, counts 1, scratch 2; the results are the host's.
    assert sizes.on_gpu(shares_memory=False) == (1 + 19 + 11 + 1 + 2) * 2 * MB
    assert sizes.on_gpu(shares_memory=True) == (1 + 19 + 11 + 1 + 2 + 1) * 2 * MB


@pytest.mark.parametrize(
    "text",
    [
        "[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer of size 512",
        "Available memory of 0 is smaller than requested bytes of 33554432",
        "CUDA failure 2: out of memory ; GPU=0 ; hostname=box ; expr=cudaMalloc((void**)&p, size); ",
        "CUDA error: out of memory",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0",
        "CUDNN failure 4002: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ; GPU=0",
        "CudaMempoolArena::Alloc: cudaMallocFromPoolAsync failed: 2",
        "1: [defaultAllocator.cpp::allocate::19] Error Code 1: Cuda Runtime (out of memory)",
        "2: [executionContext.cpp::ExecutionContext::470] Error Code 2: OutOfMemory (no further information)",
        "CUDA_ERROR_OUT_OF_MEMORY",
        "FAILED_ALLOCATION: std::exception",
        "std::bad_alloc",
    ],
)
def test_an_engine_that_got_no_memory_is_understood(text: str) -> None:
    assert is_shortage(text)
    assert isinstance(failed("model x.onnx", RuntimeError(text)), OutOfMemory)


@pytest.mark.parametrize(
    "text",
    [
        "Got invalid dimensions for input: images for the following indices index: 2 Got: 64 Expected: 640",
        "CUDA failure 700: an illegal memory access was encountered ; GPU=0",
        "CUDNN failure 3000: CUDNN_STATUS_NOT_SUPPORTED ; GPU=0",
        "Error Code 3: API Usage Error (Profile 0 has been chosen by another IExecutionContext)",
    ],
)
def test_other_errors_are_not_taken_for_it(text: str) -> None:
    assert not is_shortage(text)
    assert not isinstance(failed("model x.onnx", RuntimeError(text)), OutOfMemory)


@pytest.mark.parametrize("integrated", [False, True], ids=["own memory", "shared with the host"])
def test_buffers_leave_a_margin_and_the_batch_follows(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, integrated: bool
) -> None:
    gpu, driver = fake_gpu(monkeypatch, 300 * MB, integrated=integrated)
    caplog.set_level(logging.WARNING)
    engine = runner(gpu, Greedy(driver, 0))
    engine.submit(pictures(1), SQUARE, WANTED).collect()
    most = engine.max_batch
    assert 1 < most < 16
    batches = [engine.submit(pictures(most), SQUARE, WANTED) for _ in range(IN_FLIGHT)]
    assert driver.taken <= MARGIN * 300 * MB
    assert [len(batch.collect().outputs) for batch in batches] == [most, most]
    assert caplog.text.count(f"a batch of 640x640 pictures has at most {most}, although") == 1
    engine.close()
    assert (driver.taken, driver.pinned) == (0, 0)


def test_plenty_of_memory_limits_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gpu, driver = fake_gpu(monkeypatch, 8000 * MB)
    engine = runner(gpu, Greedy(driver, 50 * MB))
    for count in (1, 16, 7):
        assert len(engine.submit(pictures(count), SQUARE, WANTED).collect().outputs) == count
    assert engine.max_batch == 16
    assert not caplog.records


def test_a_batch_the_network_has_no_room_for_can_be_tried_again_smaller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu, driver = fake_gpu(monkeypatch, 700 * MB)
    network = Greedy(driver, 60 * MB)
    engine = runner(gpu, network)
    assert engine.max_batch == 16
    with pytest.raises(OutOfMemory, match="too little memory for 16 pictures of 640x640"):
        engine.submit(pictures(16), SQUARE, WANTED).collect()
    assert engine.max_batch == 8
    assert driver.pinned == 0  # the buffers are given back, what the network holds is its own
    assert len(engine.submit(pictures(8), SQUARE, WANTED).collect().outputs) == 8
    engine.close()
    assert (driver.taken, driver.pinned) == (0, 0)


def test_a_batch_in_flight_is_not_lost_when_the_next_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, driver = fake_gpu(monkeypatch, 700 * MB)
    engine = runner(gpu, Greedy(driver, 60 * MB))
    first = engine.submit(pictures(2), SQUARE, WANTED)
    with pytest.raises(OutOfMemory):
        engine.submit(pictures(16), SQUARE, WANTED)
    second = engine.submit(pictures(4), SQUARE, WANTED)
    assert len(first.collect().outputs) == 2
    assert first.collect() is first.collect()
    assert len(second.collect().outputs) == 4


def test_buffers_may_go_while_another_thread_waits_for_their_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, driver = fake_gpu(monkeypatch, 700 * MB)
    engine = runner(gpu, Greedy(driver, 60 * MB))
    first = engine.submit(pictures(2), SQUARE, WANTED)
    answers = iter([False, False])

    def reached() -> bool:
        if next(answers, True):
            return True
        driver.library.reached = lambda: True
        with pytest.raises(OutOfMemory):  # finishes the batch that is waited for, and gives its buffers back
            engine.submit(pictures(16), SQUARE, WANTED)
        driver.library.reached = reached
        return False

    driver.library.reached = reached
    assert len(first.collect().outputs) == 2
    engine.close()
    assert (driver.taken, driver.pinned) == (0, 0)


def test_one_picture_makes_room_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, driver = fake_gpu(monkeypatch, 300 * MB)
    engine = runner(gpu, Greedy(driver, 0))
    batch = engine.submit(pictures(8), SQUARE, WANTED)
    driver.total = driver.taken + 2 * MB
    large = [np.zeros((2160, 3840, 3), np.uint8)]  # 25 MB that only the buffers in flight can give
    assert len(engine.submit(large, WIDE, WANTED).collect().outputs) == 1
    assert len(batch.collect().outputs) == 8


def test_one_picture_without_room_names_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, driver = fake_gpu(monkeypatch, 40 * MB)
    engine = runner(gpu, Greedy(driver, 60 * MB))
    with pytest.raises(
        ModelError, match=r"one picture of 640x640.*smaller model or model\.input_size"
    ) as error:
        engine.submit(pictures(1), SQUARE, WANTED).collect()
    assert not isinstance(error.value, OutOfMemory)
    engine.close()
    assert (driver.taken, driver.pinned) == (0, 0)


class InPowers(Greedy):
    """Fills batches up, as TensorRT engines do: to 1, 2, 4, 8, or 12, its most."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver, 0)
        self.max_batch = 12

    def padded(self, count: int) -> int:
        return min(1 << (count - 1).bit_length(), 12)


@pytest.mark.parametrize(
    ("total", "most"),
    [
        pytest.param(340 * MB, 12, id="room for 12, which the network takes as they are"),
        pytest.param(325 * MB, 8, id="room for 11, which would run as 12"),
        pytest.param(205 * MB, 4, id="room for 6, which would run as 8"),
    ],
)
def test_little_memory_means_no_batch_that_is_mostly_filling(
    monkeypatch: pytest.MonkeyPatch, total: int, most: int
) -> None:
    gpu, driver = fake_gpu(monkeypatch, total)
    engine = runner(gpu, InPowers(driver))
    engine.submit(pictures(1), SQUARE, WANTED).collect()
    assert engine.max_batch == most
    engine.close()


def test_after_a_shortage_batches_are_whole_again_when_they_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, driver = fake_gpu(monkeypatch, 1 << 30)
    engine = runner(gpu, InPowers(driver))
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    driver.countdown = itertools.repeat(0)  # no buffer finds memory
    with pytest.raises(OutOfMemory):
        engine.submit(pictures(12), SQUARE, WANTED)
    driver.countdown = itertools.repeat(1)
    sizes = [engine.max_batch]
    for _ in range(2):
        clock[0] += 61
        engine.submit(pictures(1), SQUARE, WANTED).collect()
        sizes.append(engine.max_batch)
    assert sizes == [4, 8, 12]
    engine.close()


def test_a_network_of_a_fixed_batch_goes_on_with_one_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network always takes eight pictures: there is room for one batch's buffers and not for two."""
    gpu, driver = fake_gpu(monkeypatch, 150 * MB)
    engine = runner(gpu, Greedy(driver, 0, fixed=8))
    with pytest.raises(OutOfMemory):
        engine.submit(pictures(3), SQUARE, WANTED).collect()
    assert engine.max_batch == 1
    assert len(engine.submit(pictures(1), SQUARE, WANTED).collect().outputs) == 1


@pytest.mark.parametrize("which", range(10))
def test_no_allocation_that_fails_leaves_anything_behind(monkeypatch: pytest.MonkeyPatch, which: int) -> None:
    gpu, driver = fake_gpu(monkeypatch, 2000 * MB)
    engine = runner(gpu, Greedy(driver, 0))
    driver.countdown = itertools.chain(range(which, -1, -1), itertools.repeat(1))
    with pytest.raises(OutOfMemory):
        engine.submit(pictures(4), SQUARE, WANTED).collect()
    assert (driver.taken, driver.pinned) == (0, 0)
    assert len(engine.submit(pictures(2), SQUARE, WANTED).collect().outputs) == 2
    engine.close()
    assert (driver.taken, driver.pinned) == (0, 0)


def test_formats_that_take_turns_allocate_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, driver = fake_gpu(monkeypatch, 8000 * MB)
    network = Greedy(driver, 0)
    engine = runner(gpu, network)
    raw = Wanted(np.arange(80), 0.3)
    turns = [(SQUARE, WANTED), (WIDE, WANTED), (SQUARE, raw)]

    def one_round() -> None:
        batches: list[Any] = []
        for target, wanted in turns:
            batches.append(engine.submit(pictures(4), target, wanted))
            if len(batches) == IN_FLIGHT:
                batches.pop(0).collect()
        batches.pop().collect()

    one_round()
    once = driver.allocations
    for _ in range(5):
        one_round()
    assert driver.allocations == once
    assert not network.forgotten
    # Buffers of one shape but two layouts are never one another's, nor is what a network keeps for them.
    by_layout = [{slot for slot, _ in network.ran[place::3]} for place in (0, 2)]
    assert not by_layout[0] & by_layout[1]


def test_the_format_that_was_not_used_longest_goes_but_none_in_flight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu, driver = fake_gpu(monkeypatch, 8000 * MB)
    network = Greedy(driver, 0)
    engine = runner(gpu, network)
    targets = [InputFormat(640, 32 * (10 + index)) for index in range(KEPT + 2)]
    first = engine.submit(pictures(1), targets[0], WANTED)  # stays in flight
    for target in (*targets[1:KEPT], targets[1], *targets[KEPT:]):
        engine.submit(pictures(1), target, WANTED).collect()
    by_target = {shape[2]: slot for slot, shape in network.ran}
    assert network.forgotten == [by_target[targets[2].height], by_target[targets[3].height]]
    assert len(first.collect().outputs) == 1
    engine.close()
    assert (driver.taken, driver.pinned) == (0, 0)


def test_larger_pictures_get_larger_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, driver = fake_gpu(monkeypatch, 8000 * MB)
    engine = runner(gpu, Greedy(driver, 0))
    for width, height in ((320, 240), (1920, 1080), (3840, 2160), (320, 240)):
        assert len(engine.submit(pictures(2, width, height), SQUARE, WANTED).collect().outputs) == 2
    engine.close()
    assert (driver.taken, driver.pinned) == (0, 0)


def test_a_minute_after_memory_ran_out_more_is_allowed_if_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu, driver = fake_gpu(monkeypatch, 700 * MB)
    engine = runner(gpu, Greedy(driver, 60 * MB))
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with pytest.raises(OutOfMemory):
        engine.submit(pictures(16), SQUARE, WANTED).collect()
    for wait, total, expected in ((30, 700, 8), (31, 700, 8), (61, 8000, 16)):
        now[0] += wait
        driver.total = total * MB
        engine.submit(pictures(1), SQUARE, WANTED).collect()
        assert engine.max_batch == expected, (wait, total)
    assert len(engine.submit(pictures(16), SQUARE, WANTED).collect().outputs) == 16


@pytest.mark.parametrize(("total", "tried_again"), [(100, True), (2000, False)])
def test_a_recording_that_fails_for_want_of_memory_is_tried_with_other_buffers(
    monkeypatch: pytest.MonkeyPatch, total: int, tried_again: bool
) -> None:
    gpu, driver = fake_gpu(monkeypatch, total * MB)
    network = Greedy(driver, 60 * MB)
    network.capturable = True
    engine = runner(gpu, network)

    def fail(_stream: int, _work: object) -> None:
        raise CaptureError("operation failed due to a previous error during capture")

    monkeypatch.setattr("edge_node.backends.cuda.runner.CudaGraph", fail)
    for _ in range(4):
        assert len(engine.submit(pictures(1), SQUARE, WANTED).collect().outputs) == 1
    assert network.capturable == tried_again
