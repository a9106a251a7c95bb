"""The GPU's kernels without a GPU: kernels.cu is compiled for the CPU and run thread by thread.

test_cuda.py runs them where they belong.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge_node.assets.names import Layout
from edge_node.backends.cuda.kernels import (
    CAPACITY,
    FORMAT,
    JOB,
    LAYOUT,
    PTX,
    FilterLayout,
    fill_request,
    format_bytes,
    request_size,
)
from edge_node.backends.cuda.upload import Source, job
from edge_node.backends.interface import Wanted
from edge_node.backends.preprocess import InputFormat, Letterbox, Preprocessor
from edge_node.detect.decode.candidates import candidates
from edge_node.detect.decode.families import FAMILIES
from edge_node.frames import U8
from tests import compile_kernels

SIZES = [
    (1920, 1080),
    (1280, 720),
    (3840, 2160),
    (2592, 1944),
    (1279, 717),
    (640, 480),
    (480, 640),
    (640, 640),
    (1280, 1280),
    (320, 240),
    (64, 48),
    (100, 1000),
    (2000, 3),
    (3, 2000),
    (1, 1),
    (333, 777),
    (704, 576),
    (352, 288),
    (1080, 1920),
    (5000, 301),
]
TARGETS = {
    "yolov8": InputFormat(640, 640),
    "rectangular": InputFormat(640, 384),
    "yolox": InputFormat(416, 416, rgb=False, scale=(1.0, 1.0, 1.0), fit="corner"),
    "standardised": InputFormat(
        320, 256, scale=(0.017, 0.018, 0.019), offset=(-2.1, -2.0, -1.8), fit="stretch"
    ),
}


def picture(width: int, height: int) -> U8:
    """A picture of noise, the hardest case for a resize, with full black and white in it."""
    image = np.random.default_rng(width * 7919 + height).integers(0, 256, (height, width, 3), np.uint8)
    image[: height // 4, : width // 4] = 255
    image[-(height // 4) :, -(width // 4) :] = 0
    return image


def nv12(width: int, height: int) -> U8:
    return np.random.default_rng(width).integers(0, 256, (height * 3 // 2, width), np.uint8)


def expected(image: U8, target: InputFormat) -> npt.NDArray[np.float32]:
    """The input tensor as the CPU makes it."""
    bgr = cv2.cvtColor(image, cv2.COLOR_YUV2BGR_NV12) if image.ndim == 2 else image
    return np.array(Preprocessor(target)(np.asarray(bgr, np.uint8))[0])


def levels(found: npt.NDArray[Any], wanted: npt.NDArray[Any], target: InputFormat) -> float:
    """Largest difference in grey levels, 0..255."""
    scale = np.array(target.scale).reshape(1, 3, 1, 1)
    return float((np.abs(found.astype(np.float64) - wanted) / scale).max())


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++: the kernels' source cannot be compiled for the CPU")
    target = tmp_path_factory.mktemp("kernels") / "kernels.so"
    harness = Path(__file__).parent / "kernels_on_cpu.cpp"
    flags = ["-O2", "-std=c++17", "-ffp-contract=off", "-shared", "-fPIC", "-I", str(PTX.parent)]
    made = subprocess.run(
        [compiler, *flags, str(harness), "-o", str(target)], capture_output=True, text=True, check=False
    )
    if "_Float16" in made.stderr:
        pytest.skip("this g++ has no half precision")
    assert made.returncode == 0, made.stderr
    return ctypes.CDLL(str(target))


def described(image: U8, target: InputFormat) -> tuple[int, ...]:
    """The job of a picture where it lies."""
    source = Source.of(image, lambda array: array.ctypes.data)
    assert source.address is not None
    return job(source, source.address, source.pitch, Letterbox.fit(source.width, source.height, target))


def address(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def letterbox(library: ctypes.CDLL, images: list[U8], target: InputFormat, dtype: str) -> npt.NDArray[Any]:
    jobs = np.array([described(image, target) for image in images], JOB)
    out = np.full((len(images), 3, target.height, target.width), np.nan, dtype)
    layout = np.frombuffer(format_bytes(target), FORMAT)
    library.run_letterbox(
        address(jobs),
        address(out),
        target.width,
        target.height,
        address(layout),
        len(images),
        int(dtype == "float16"),
    )
    return out


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
def test_the_letterbox_gives_what_the_cpu_gives(library: ctypes.CDLL, target: InputFormat) -> None:
    for width, height in SIZES:
        image = picture(width, height)
        found = letterbox(library, [image], target, "float32")
        difference = levels(found, expected(image, target), target)
        assert difference <= 1.001, (width, height)


def test_pictures_of_a_batch_keep_their_places(library: ctypes.CDLL) -> None:
    target = TARGETS["yolov8"]
    images = [picture(640, 480), picture(480, 640), nv12(352, 288), picture(320, 240)]
    found = letterbox(library, images, target, "float32")
    for index, image in enumerate(images):
        assert levels(found[index : index + 1], expected(image, target), target) <= 1.001


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 480), (322, 242)])
def test_nv12_gives_what_opencv_makes_of_it(library: ctypes.CDLL, width: int, height: int) -> None:
    image = nv12(width, height)
    target = TARGETS["yolov8"]
    found = letterbox(library, [image], target, "float32")
    assert levels(found, expected(image, target), target) <= 1.001


def test_half_precision_is_the_rounded_result(library: ctypes.CDLL) -> None:
    target = TARGETS["standardised"]
    image = picture(1280, 720)
    single = letterbox(library, [image], target, "float32")
    np.testing.assert_array_equal(letterbox(library, [image], target, "float16"), single.astype(np.float16))


def scores(layout: str, classes: int, anchors: int, batch: int, likely: float) -> npt.NDArray[np.float32]:
    """A network's output in which a share `likely` of the anchors may be candidates."""
    rng = np.random.default_rng(anchors)
    rows = 4 + classes + (layout == "yolov5")
    out = rng.random((batch, rows, anchors), np.float32) * 0.2
    out[:, :4] *= 2000
    bright = rng.random((batch, anchors)) < likely
    out[:, 4:] += bright[:, None] * rng.random((batch, rows - 4, anchors), np.float32) * 0.7
    return out if layout == "yolov8" else np.ascontiguousarray(out.transpose(0, 2, 1))


def run_filter(
    library: ctypes.CDLL, output: npt.NDArray[Any], wanted: Wanted, layout: FilterLayout
) -> tuple[list[int], list[npt.NDArray[np.float32]]]:
    batch = len(output)
    request = np.zeros(request_size(layout.classes), np.uint8)
    fill_request(request, wanted)
    counts, chosen = np.zeros(batch, np.int32), np.zeros((batch, CAPACITY), np.int32)
    found = np.full((batch, CAPACITY, layout.rows + 1), np.nan, np.float32)
    structure = np.frombuffer(layout.to_bytes(), LAYOUT)
    library.run_filter(
        address(output),
        address(request),
        address(structure),
        address(counts),
        address(chosen),
        address(found),
        batch,
        int(output.dtype == np.float16),
    )
    return counts.tolist(), [
        layout.rebuild(found[index, : min(count, CAPACITY)]) for index, count in enumerate(counts.tolist())
    ]


def chosen_columns(layout: str, output: npt.NDArray[Any], wanted: Wanted) -> npt.NDArray[np.intp]:
    """The anchors with a wanted class that scores enough, found in the obvious way."""
    rows = output.astype(np.float32) if layout == "yolov8" else output.astype(np.float32).T
    values = rows[4:] if layout == "yolov8" else rows[5:] * rows[4]
    return np.flatnonzero(values[wanted.class_ids].max(axis=0) >= np.float32(wanted.confidence))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("layout", ["yolov8", "yolov5"])
@pytest.mark.parametrize(
    ("classes", "ids", "likely"),
    [
        pytest.param(80, list(range(80)), 0.01, id="all classes"),
        pytest.param(80, [0, 2, 79], 0.02, id="some classes"),
        pytest.param(1, [0], 0.05, id="one class"),
        pytest.param(80, [], 0.05, id="none wanted"),
        pytest.param(80, list(range(80)), 0.0, id="nothing there"),
    ],
)
def test_the_filter_leaves_exactly_the_candidates(
    library: ctypes.CDLL, layout: Layout, dtype: str, classes: int, ids: list[int], likely: float
) -> None:
    output = scores(layout, classes, 2100, 3, likely).astype(dtype)
    wanted = Wanted(np.array(ids, np.intp), 0.4)
    shape = FilterLayout.of(FAMILIES[layout].anchors, [output.shape])
    assert shape is not None
    counts, found = run_filter(library, output, wanted, shape)
    for index, kept in enumerate(found):
        keep = chosen_columns(layout, output[index], wanted) if ids else np.zeros(0, np.intp)
        assert counts[index] == len(keep)
        whole = output[index].astype(np.float32)
        np.testing.assert_array_equal(kept, whole[:, keep] if layout == "yolov8" else whole[keep])


def test_decoding_what_the_filter_leaves_gives_the_same_detections(library: ctypes.CDLL) -> None:
    output = scores("yolov8", 80, 8400, 1, 0.01)
    wanted = Wanted(np.arange(80), 0.25)
    shape = FilterLayout.of(FAMILIES["yolov8"].anchors, [output.shape])
    assert shape is not None
    _, found = run_filter(library, output, wanted, shape)
    target = TARGETS["yolov8"]
    less = candidates(FAMILIES["yolov8"], [found[0]], target, wanted.class_ids, 0.25)
    whole = candidates(FAMILIES["yolov8"], [output[0]], target, wanted.class_ids, 0.25)
    assert len(whole) > 20
    np.testing.assert_array_equal(less.xyxy, whole.xyxy)
    np.testing.assert_array_equal(less.score, whole.score)
    np.testing.assert_array_equal(less.class_id, whole.class_id)


def test_a_flood_is_counted_beyond_the_capacity(library: ctypes.CDLL) -> None:
    output = scores("yolov8", 2, 8400, 1, 1.0)
    wanted = Wanted(np.arange(2), 0.0)
    shape = FilterLayout.of(FAMILIES["yolov8"].anchors, [output.shape])
    assert shape is not None
    counts, found = run_filter(library, output, wanted, shape)
    assert counts == [8400]
    assert found[0].shape == (6, CAPACITY)


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


def test_the_compiled_kernels_are_those_of_the_source() -> None:
    source = compile_kernels.SOURCE.read_bytes()
    text = PTX.read_text()
    assert text.startswith(compile_kernels.header(source)), "kernels.cu changed: make kernels"
    # A newer PTX needs a newer driver; see compile_kernels.py.
    version = next(line for line in text.splitlines() if line.startswith(".version"))
    assert float(version.split()[1]) <= 7.7
