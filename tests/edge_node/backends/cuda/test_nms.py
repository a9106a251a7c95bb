"""The kernels after the network give what the host's decoding and NMS give, on a CPU and on a GPU."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from edge_node.assets.names import Layout
from edge_node.backends.cuda.device import Buffer, Device, Pinned
from edge_node.backends.cuda.nms import CAPACITY, RESULT, SCRATCH, FilterLayout, NmsKernels
from edge_node.backends.interface import Wanted
from edge_node.detect.decode.families import FAMILIES
from edge_node.frames import Detections
from tests.edge_node.backends.cuda.on_cpu import (
    Array,
    Found,
    Run,
    garbage,
    layout_of,
    read,
    requested,
    run_on_cpu,
)
from tests.edge_node.backends.cuda.outputs import arranged, assert_equal, broken, crowd, on_host

SEEDS = 20


def runs_on_gpu(gpu: Device) -> Run:
    kernels = NmsKernels(gpu)

    def run(layout: Layout, output: Array, wanted: Wanted) -> Found:
        batch, kind = len(output), layout_of(layout, output)
        given = output, requested(kind, wanted), np.zeros(batch, np.int32), garbage(batch, SCRATCH)
        buffers = [Buffer(gpu, array.nbytes) for array in given]
        for buffer, array in zip(buffers, given, strict=True):
            gpu.driver.memcpy_htod(buffer.address, array)
        pinned = Pinned(gpu, batch * RESULT.itemsize)
        stream = gpu.driver.Stream()
        source, request, counts, scratch = (buffer.address for buffer in buffers)
        kernels.detect(source, output.dtype, batch, kind, request, counts, scratch, pinned.address, stream)
        stream.synchronize()
        found = read(pinned.view(RESULT, (batch,)))
        for buffer in buffers:
            buffer.free()
        pinned.free()
        return found

    return run


@pytest.fixture(params=["cpu", "gpu"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    if request.param == "cpu":
        yield run_on_cpu
    else:
        gpu = request.getfixturevalue("gpu")
        with gpu.current():
            yield runs_on_gpu(gpu)


def variants(seed: int) -> tuple[Layout, str]:
    """Layouts and types of numbers in turn."""
    layouts: tuple[Layout, ...] = ("yolov8", "yolov5")
    return layouts[seed % 2], ("float32", "float16")[seed // 2 % 2]


def some_ids(rng: np.random.Generator, classes: int) -> npt.NDArray[np.intp]:
    return np.sort(rng.permutation(classes)[: max(1, classes // 2)])


@pytest.mark.parametrize(
    ("classes", "all_wanted", "steps", "damaged", "most"),
    [
        pytest.param(80, True, 0, False, 300, id="all classes"),
        pytest.param(80, False, 0, False, 300, id="some classes"),
        pytest.param(1, True, 0, False, 300, id="one class"),
        pytest.param(3, True, 6, False, 300, id="equal scores"),
        pytest.param(3, True, 0, True, 300, id="no numbers and no areas"),
        pytest.param(2, True, 0, False, 7, id="more survivors than may be"),
    ],
)
def test_boxes_are_those_of_the_host(
    run: Run, classes: int, all_wanted: bool, steps: int, damaged: bool, most: int
) -> None:
    seen = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        layout, dtype = variants(seed)
        pictures = [
            crowd(rng, classes=classes, anchors=700, candidates=int(rng.integers(0, 150)), steps=steps)
            for _ in range(3)
        ]
        if damaged:
            pictures = [broken(rng, picture) for picture in pictures]
        likely = [rng.uniform(0.2, 1, 700).astype(np.float32) for _ in pictures]
        with np.errstate(over="ignore"):
            output = np.stack(list(map(arranged, [layout] * 3, pictures, likely))).astype(dtype)
        ids = np.arange(classes) if all_wanted else some_ids(rng, classes)
        wanted = Wanted(ids, 0.25, iou=float(rng.uniform(0.1, 0.9)), most=most)
        counts, found = run(layout, output, wanted)
        for one, picture, count in zip(found, output, counts, strict=True):
            expected = on_host(layout, picture, wanted)
            assert_equal(one, expected)
            assert len(expected) <= min(count, most)
            seen += count - len(expected)
    assert seen > 200  # boxes that were suppressed


def test_no_class_is_wanted_and_nothing_is_there(run: Run) -> None:
    rng = np.random.default_rng(0)
    output = crowd(rng, classes=80, anchors=300, candidates=50)[None]
    assert run("yolov8", output, Wanted(np.zeros(0, np.intp), 0.25))[0] == [0]
    counts, (found,) = run("yolov8", output, Wanted(np.arange(80), 0.995))
    assert counts == [0]
    assert_equal(found, Detections.empty())


@pytest.mark.parametrize("objects", [40, 2000], ids=["most are suppressed", "most stay"])
@pytest.mark.parametrize("most", [300, 3000])
def test_as_many_candidates_as_there_is_room_for(run: Run, objects: int, most: int) -> None:
    rng = np.random.default_rng(objects)
    output = crowd(rng, classes=2, anchors=2100, candidates=CAPACITY, objects=objects)[None]
    wanted = Wanted(np.arange(2), 0.25, iou=0.5, most=most)
    counts, (found,) = run("yolov8", output, wanted)
    assert counts == [CAPACITY]
    assert_equal(found, on_host("yolov8", output[0], wanted))


def test_more_candidates_are_left_to_the_host_and_other_pictures_of_the_batch_are_not(run: Run) -> None:
    rng = np.random.default_rng(3)
    many = [crowd(rng, classes=2, anchors=2100, candidates=count) for count in (CAPACITY + 1, 80, 2100)]
    wanted = Wanted(np.arange(2), 0.25, iou=0.5, most=300)
    counts, found = run("yolov8", np.stack(many), wanted)
    assert counts == [CAPACITY + 1, 80, 2100]
    assert found[0] is None
    assert found[2] is None
    assert_equal(found[1], on_host("yolov8", many[1], wanted))


@pytest.mark.parametrize("iou", [0.0, 0.5, 1.0])
def test_boxes_exactly_at_the_threshold_stay(run: Run, iou: float) -> None:
    boxes = [
        (100, 100, 40, 40),
        (100, 100, 40, 40),
        (100, 110, 40, 20),
        (300, 300, 10, 10),
        (310, 300, 10, 10),
    ]
    output = np.zeros((1, 5, len(boxes)), np.float32)
    output[0, :4], output[0, 4] = np.array(boxes).T, 0.5
    wanted = Wanted(np.arange(1), 0.25, iou=iou, most=300)
    _, (found,) = run("yolov8", output, wanted)
    expected = on_host("yolov8", output[0], wanted)
    assert len(expected) == {0.0: 3, 0.5: 4, 1.0: 5}[iou]
    assert_equal(found, expected)


def test_those_that_score_enough_are_the_same_when_others_wanted_less(run: Run) -> None:
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        layout, dtype = variants(seed)
        picture = crowd(rng, classes=3, anchors=500, candidates=120, steps=9)
        likely = rng.uniform(0.2, 1, 500).astype(np.float32)
        output = arranged(layout, picture, likely)[None].astype(dtype)
        wanted = Wanted(np.arange(3), 0.1, iou=0.5, most=20)
        _, (found,) = run(layout, output, wanted)
        assert found is not None
        for confidence in (0.1, 0.3, 0.5, 0.9):
            more = Wanted(np.arange(3), confidence, iou=0.5, most=20)
            enough = found[found.score >= confidence]
            assert_equal(enough, on_host(layout, output[0], more))


def test_classes_that_score_above_one_are_left_to_the_host(run: Run) -> None:
    # With a confidence of 0.5, the host leaves the first anchor out for its objectness, although its score of
    # 0.54 is higher; with 0.3 it does not.
    output = np.array([[[50, 50, 20, 20, 0.45, 1.2], [52, 50, 20, 20, 0.9, 0.7]]], np.float32)
    counts, found = run("yolov5", output, Wanted(np.arange(1), 0.3, iou=0.5, most=300))
    assert counts[0] > CAPACITY
    assert found == [None]


def test_structures_are_as_large_as_the_kernels_think(library: ctypes.CDLL) -> None:
    assert [library.sizes(which) for which in range(2)] == [SCRATCH.itemsize, RESULT.itemsize]


@pytest.mark.parametrize(
    ("layout", "shapes"),
    [
        pytest.param("yolox", [(1, 3549, 85)], id="the cell follows from the place"),
        pytest.param("yolov8", [(1, 84, 8400), (1, 32, 160, 160)], id="a second output"),
        pytest.param("yolov10", [(1, 300, 6)], id="few queries"),
    ],
)
def test_other_outputs_are_fetched_whole(layout: Layout, shapes: list[tuple[int, ...]]) -> None:
    assert FilterLayout.of(FAMILIES[layout].anchors, shapes) is None
