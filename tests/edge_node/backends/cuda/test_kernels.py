"""The kernels before the network, on a CPU; test_runner.py runs them where they belong."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge_node.backends.cuda.kernels import FORMAT, JOB, format_bytes
from edge_node.backends.cuda.upload import Source, job
from edge_node.backends.preprocess import InputFormat, Letterbox, Preprocessor
from edge_node.pictures import U8
from tests import compile_kernels
from tests.edge_node.backends.cuda.on_cpu import address

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


def described(image: U8, target: InputFormat) -> tuple[int, ...]:
    """The job of a picture where it lies."""
    source = Source.of(image, lambda array: array.ctypes.data)
    assert source.address is not None
    return job(source, source.address, source.pitch, Letterbox.fit(source.width, source.height, target))


def letterbox(library: ctypes.CDLL, images: list[U8], target: InputFormat, dtype: str) -> npt.NDArray[Any]:
    return letterboxed(library, [described(image, target) for image in images], target, dtype)


def letterboxed(
    library: ctypes.CDLL, rows: list[tuple[int, ...]], target: InputFormat, dtype: str = "float32"
) -> npt.NDArray[Any]:
    """The input tensor that the kernel makes of these jobs."""
    jobs, layout = np.array(rows, JOB), np.frombuffer(format_bytes(target), FORMAT)
    out = np.full((len(rows), 3, target.height, target.width), np.nan, dtype)
    half = int(dtype == "float16")
    library.run_letterbox(
        address(jobs), address(out), target.width, target.height, address(layout), len(rows), half
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


@pytest.mark.parametrize("source", compile_kernels.SOURCES, ids=lambda source: source.name)
def test_the_compiled_kernels_are_those_of_the_source(source: Path) -> None:
    text = source.with_suffix(".ptx").read_text()
    assert text.startswith(compile_kernels.header(source)), f"{source.name} changed: make kernels"
    # A newer PTX needs a newer driver; see compile_kernels.py.
    version = next(line for line in text.splitlines() if line.startswith(".version"))
    assert float(version.split()[1]) <= 7.7
