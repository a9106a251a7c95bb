"""The kernels after the network give what the host's decoding and NMS give, on a CPU and on a GPU."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from edge_node.assets.names import Layout
from edge_node.backends.cuda.device import Buffer, Device, Pinned
from edge_node.backends.cuda.layout import LAYOUT, FilterLayout
from edge_node.backends.cuda.nms import CAPACITY, RESULT, SCRATCH, NmsKernels
from edge_node.backends.interface import Wanted
from edge_node.detect.decode.exponent import exponential
from edge_node.detect.decode.families import FAMILIES
from edge_node.frames import Detections
from tests.edge_node.backends.cuda.on_cpu import (
    Array,
    Found,
    Run,
    address,
    garbage,
    layout_of,
    read,
    requested,
    run_on_cpu,
)
from tests.edge_node.backends.cuda.outputs import (
    DECODED,
    F32,
    SIZE,
    anchors_of,
    arranged,
    assert_equal,
    broken,
    crowd,
    on_host,
)

SEEDS = 20
LARGE = (320, 320)
"""An input with more anchors than there is room for candidates."""


def runs_on_gpu(gpu: Device) -> Run:
    kernels = NmsKernels(gpu)

    def run(layout: Layout, outputs: Sequence[Array], wanted: Wanted, size: tuple[int, int] = SIZE) -> Found:
        batch, kind = len(outputs[0]), layout_of(layout, outputs, size)
        given: list[Array] = [requested(kind, wanted), np.zeros(batch, np.int32), garbage(batch, SCRATCH)]
        given += outputs
        buffers = [Buffer(gpu, array.nbytes) for array in given]
        for buffer, array in zip(buffers, given, strict=True):
            gpu.driver.memcpy_htod(buffer.address, np.ascontiguousarray(array))
        pinned = Pinned(gpu, batch * RESULT.itemsize)
        stream = gpu.driver.Stream()
        request, counts, scratch, *sources = (buffer.address for buffer in buffers)
        dtype = outputs[0].dtype
        kernels.detect(sources, dtype, batch, kind, request, counts, scratch, pinned.address, stream)
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


def batched(pictures: Sequence[Sequence[F32]], dtype: str) -> list[Array]:
    """The outputs of a batch, from those of each picture."""
    with np.errstate(over="ignore"):
        return [np.stack(one).astype(dtype) for one in zip(*pictures, strict=True)]


def types(seed: int) -> str:
    """Types of numbers in turn."""
    return ("float32", "float16")[seed % 2]


def some_ids(rng: np.random.Generator, classes: int) -> npt.NDArray[np.intp]:
    return np.sort(rng.permutation(classes)[: max(1, classes // 2)])


@pytest.mark.parametrize("layout", DECODED)
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
    run: Run, layout: Layout, classes: int, all_wanted: bool, steps: int, damaged: bool, most: int
) -> None:
    seen, anchors = 0, anchors_of(layout)
    least = 80 * damaged  # since many of them are no candidates then
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        pictures = [
            crowd(
                rng, classes=classes, anchors=anchors, candidates=int(rng.integers(least, 150)), steps=steps
            )
            for _ in range(1 + seed // 2 % 2)
        ]
        with np.errstate(all="ignore"):
            if damaged:
                pictures = [broken(rng, picture) for picture in pictures]
            likely = [rng.uniform(0.5, 1, anchors).astype(np.float32) for _ in pictures]
            made = [arranged(layout, picture, some) for picture, some in zip(pictures, likely, strict=True)]
        outputs = batched(made, types(seed))
        ids = np.arange(classes) if all_wanted else some_ids(rng, classes)
        wanted = Wanted(ids, 0.25, iou=float(rng.uniform(0.1, 0.9)), most=most)
        counts, found = run(layout, outputs, wanted)
        for one, count, *picture in zip(found, counts, *outputs, strict=True):
            expected = on_host(layout, picture, wanted)
            assert_equal(one, expected)
            assert len(expected) <= min(count, most)
            seen += count - len(expected)
    assert seen > 100  # boxes that were suppressed


@pytest.mark.parametrize("layout", DECODED)
def test_no_class_is_wanted_and_nothing_is_there(run: Run, layout: Layout) -> None:
    rng = np.random.default_rng(0)
    output = batched(
        [arranged(layout, crowd(rng, classes=80, anchors=anchors_of(layout), candidates=50))], "f4"
    )
    assert run(layout, output, Wanted(np.zeros(0, np.intp), 0.25))[0] == [0]
    counts, (found,) = run(layout, output, Wanted(np.arange(80), 0.995))
    assert counts == [0]
    assert_equal(found, Detections.empty())


@pytest.mark.parametrize("layout", DECODED)
@pytest.mark.parametrize("objects", [40, 2000], ids=["most are suppressed", "most stay"])
@pytest.mark.parametrize("most", [300, 3000])
def test_as_many_candidates_as_there_is_room_for(run: Run, layout: Layout, objects: int, most: int) -> None:
    rng, anchors = np.random.default_rng(objects), anchors_of(layout, LARGE)
    picture = crowd(rng, classes=2, anchors=anchors, candidates=CAPACITY, objects=objects)
    output = arranged(layout, picture, size=LARGE)
    wanted = Wanted(np.arange(2), 0.25, iou=0.5, most=most)
    counts, (found,) = run(layout, batched([output], "f4"), wanted, LARGE)
    assert counts == [CAPACITY]
    assert_equal(found, on_host(layout, output, wanted, LARGE))


@pytest.mark.parametrize("layout", DECODED)
def test_more_candidates_are_left_to_the_host_and_other_pictures_of_the_batch_are_not(
    run: Run, layout: Layout
) -> None:
    rng, anchors = np.random.default_rng(3), anchors_of(layout, LARGE)
    expected = [CAPACITY + 1, 80, 2100]
    pictures = [crowd(rng, classes=2, anchors=anchors, candidates=count) for count in expected]
    outputs = [arranged(layout, picture, size=LARGE) for picture in pictures]
    wanted = Wanted(np.arange(2), 0.25, iou=0.5, most=300)
    counts, found = run(layout, batched(outputs, "f4"), wanted, LARGE)
    assert counts == expected
    assert found[0] is None
    assert found[2] is None
    assert_equal(found[1], on_host(layout, outputs[1], wanted, LARGE))


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
    _, (found,) = run("yolov8", [output], wanted)
    expected = on_host("yolov8", [output[0]], wanted)
    assert len(expected) == {0.0: 3, 0.5: 4, 1.0: 5}[iou]
    assert_equal(found, expected)


@pytest.mark.parametrize("layout", DECODED)
def test_those_that_score_enough_are_the_same_when_others_wanted_less(run: Run, layout: Layout) -> None:
    anchors = anchors_of(layout)
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        picture = crowd(rng, classes=3, anchors=anchors, candidates=80, steps=9)
        likely = rng.uniform(0.2, 1, anchors).astype(np.float32)
        outputs = batched([arranged(layout, picture, likely)], types(seed))
        wanted = Wanted(np.arange(3), 0.1, iou=0.5, most=20)
        _, (found,) = run(layout, outputs, wanted)
        assert found is not None
        for confidence in (0.1, 0.3, 0.5, 0.9):
            more = Wanted(np.arange(3), confidence, iou=0.5, most=20)
            enough = found[found.score >= confidence]
            assert_equal(enough, on_host(layout, [output[0] for output in outputs], more))


@pytest.mark.parametrize("layout", ["yolov5", "yolox"])
def test_classes_that_score_above_one_are_left_to_the_host(run: Run, layout: Layout) -> None:
    # With a confidence of 0.5, the host leaves the first anchor out for its objectness, although its score of
    # 0.54 is higher; with 0.3 it does not.
    output = np.zeros((1, anchors_of(layout), 6), np.float32)
    output[0, :2] = [[50, 50, 2, 2, 0.45, 1.2], [52, 50, 2, 2, 0.9, 0.7]]
    counts, found = run(layout, [output], Wanted(np.arange(1), 0.3, iou=0.5, most=300))
    assert counts[0] > CAPACITY
    assert found == [None]


def test_structures_are_as_large_as_the_kernels_think(library: ctypes.CDLL) -> None:
    sizes = [SCRATCH.itemsize, RESULT.itemsize, LAYOUT.itemsize]
    assert [library.sizes(which) for which in range(3)] == sizes


def test_the_exponential_function_is_that_of_the_host(library: ctypes.CDLL) -> None:
    rng = np.random.default_rng(0)
    some = np.concatenate([rng.uniform(-90, 90, 100_000), rng.normal(0, 4, 100_000)])
    given = np.concatenate([some, [0, -0.0, np.nan, np.inf, -np.inf, 88.7, 88.8, 1e30, -1e30]])
    given = given.astype(np.float32)
    results = np.empty_like(given)
    library.run_exponential(address(given), address(results), len(given))
    np.testing.assert_array_equal(results, exponential(given))


@pytest.mark.parametrize(
    ("layout", "shapes"),
    [
        pytest.param("yolox", [(1, 421, 85)], id="cells of another input"),
        pytest.param("nanodet", [(1, 426, 32)], id="no class"),
        pytest.param("picodet", [(1, 320, 80), (1, 80, 80), (1, 320, 32), (1, 81, 32)], id="levels differ"),
        pytest.param("yolov8", [(1, 84, 8400), (1, 32, 160, 160)], id="a second output"),
        pytest.param("yolov10", [(1, 300, 6)], id="few queries"),
    ],
)
def test_other_outputs_are_fetched_whole(layout: Layout, shapes: list[tuple[int, ...]]) -> None:
    anchors = FAMILIES[layout].anchors
    if layout == "picodet" and anchors:
        anchors = replace(anchors, order=(0, 1, 2, 3))
    assert FilterLayout.of(anchors, shapes, SIZE) is None


def test_maps_are_found_in_whatever_order_the_engine_has_them() -> None:
    rng = np.random.default_rng(1)
    outputs = arranged("picodet", crowd(rng, classes=3, anchors=anchors_of("picodet"), candidates=90))
    order = (3, 0, 6, 1, 7, 2, 5, 4)  # of the engine's outputs in the family's order
    engine: list[Array] = [np.zeros(0)] * len(order)
    for place, output in zip(order, outputs, strict=True):
        engine[place] = np.ascontiguousarray(output[None])
    anchors = FAMILIES["picodet"].anchors
    assert anchors is not None
    found = FilterLayout.of(replace(anchors, order=order), [one.shape for one in engine], SIZE)
    usual = layout_of("picodet", [output[None] for output in outputs])
    assert found is not None
    addresses = [one.ctypes.data for one in engine]
    assert found.to_bytes(addresses, 4) == usual.to_bytes([addresses[place] for place in order], 4)
