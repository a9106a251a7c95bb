"""How pictures get to the GPU: which are copied, by whom, and where the letterbox finds them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge_node.backends.cuda.device import Device
from edge_node.backends.cuda.kernels import JOB
from edge_node.backends.cuda.nms import REQUEST, fill_request, request_size
from edge_node.backends.cuda.upload import Source, Upload, job
from edge_node.backends.interface import Wanted
from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.pictures import U8
from shared.errors import ModelError
from tests.edge_node.backends.cuda.fake_gpu import fake_gpu
from tests.edge_node.backends.cuda.test_kernels import (
    TARGETS,
    described,
    expected,
    letterboxed,
    levels,
    nv12,
    picture,
)
from tests.edge_node.gpu_pictures import on_gpu

TARGET = TARGETS["yolov8"]


def here(array: U8) -> int:
    """Every array has an address on a machine whose GPU is the CPU."""
    found: int = array.ctypes.data
    return found


def nowhere(_array: U8) -> None:
    return None


class Memory:
    """Memory of a GPU that is the CPU."""

    def __init__(self, size: int) -> None:
        self._array = np.full(size, 171, np.uint8)

    def __int__(self) -> int:
        return here(self._array)

    def free(self) -> None: ...


def copies_rows(area: Any, _stream: int) -> int:
    """`cuMemcpy2DAsync`."""
    given = area._obj
    for row in range(given.height):
        source = given.source_device + row * given.source_pitch
        ctypes.memmove(given.target_device + row * given.target_pitch, source, given.width)
    return 0


def with_memory(monkeypatch: pytest.MonkeyPatch, *, integrated: bool = False) -> Device:
    """A GPU whose memory can be read here, and which copies at once."""
    gpu, driver = fake_gpu(monkeypatch, 1 << 30, integrated=integrated)
    driver.mem_alloc = Memory
    driver.library.cuMemcpyAsync = lambda target, source, size, _: ctypes.memmove(target, source, size) and 0
    driver.library.cuMemcpy2DAsync_v2 = copies_rows
    return gpu


def jobs_of(upload: Upload, count: int) -> list[tuple[int, ...]]:
    """What the kernels find in the table."""
    rows: list[tuple[int, ...]] = np.frombuffer(
        ctypes.string_at(upload.jobs, count * JOB.itemsize), JOB
    ).tolist()
    return rows


SIZES = [(1280, 720), (64, 48), (34, 8), (2, 2), (1918, 4)]


@pytest.mark.parametrize("integrated", [False, True], ids=["own memory", "shared with the host"])
@pytest.mark.parametrize("size", SIZES)
def test_pictures_and_parts_of_pictures_arrive_as_they_were(
    library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], integrated: bool
) -> None:
    width, height = size
    whole, large = picture(width, height), picture(width + 13, height + 9)
    part, planar = large[5 : 5 + height, 7 : 7 + width], nv12(width, height)
    gpu = with_memory(monkeypatch, integrated=integrated)
    upload = Upload(gpu, request_size(80), 8)
    images = [whole, part, planar, whole, part, planar]
    sources = [Source.of(image, here if place < 3 else nowhere) for place, image in enumerate(images)]
    assert [source.rows for source in sources] == [1, height, 1, 1, 1, 1]
    upload.reserve(sum(source.room for source in sources))
    upload.bring(sources, TARGET, 8, Wanted(np.arange(3), 0.5), 0)
    found = letterboxed(library, jobs_of(upload, 8), TARGET)
    for place, image in enumerate([*images, whole, whole]):
        reference = expected(np.ascontiguousarray(image), TARGET)
        assert levels(found[place : place + 1], reference, TARGET) <= 1.001, place
    upload.free()


def test_a_part_of_a_picture_is_letterboxed_where_it_lies(library: ctypes.CDLL) -> None:
    part = picture(500, 400)[30:330, 11:411]
    found = letterboxed(library, [described(part, TARGET)], TARGET)
    assert levels(found, expected(np.ascontiguousarray(part), TARGET), TARGET) <= 1.001


@pytest.mark.parametrize("make", [nv12, picture], ids=["NV12", "BGR"])
def test_pictures_on_the_gpu_are_read_there_with_their_pitch(
    library: ctypes.CDLL, make: Callable[[int, int], U8]
) -> None:
    image = make(352, 288)
    wide = np.zeros((image.shape[0], 512, *image.shape[2:]), np.uint8)
    wide[:, :352] = image
    rows = image.shape[0]
    source = Source.of(on_gpu(wide[:, :352]), nowhere)
    assert (source.room, rows) == (0, rows)
    assert source.address is not None
    row = job(source, source.address, source.pitch, Letterbox.fit(352, 288, TARGET))
    assert levels(letterboxed(library, [row], TARGET), expected(image, TARGET), TARGET) <= 1.001


@pytest.mark.parametrize(
    ("colour", "luma", "u", "v", "bgr"),
    [
        pytest.param("bt601", 235, 128, 128, (255, 255, 255), id="white of the limited range"),
        pytest.param("bt601-full", 235, 128, 128, (235, 235, 235), id="grey of the full range"),
        pytest.param("bt601", 81, 90, 240, (0, 0, 254), id="red by BT.601"),
        pytest.param("bt709", 63, 102, 240, (1, 0, 255), id="red by BT.709"),
        pytest.param("bt709-full", 54, 99, 255, (0, 0, 254), id="red by BT.709 in the full range"),
        pytest.param("bt601-full", 76, 85, 255, (0, 0, 254), id="red by BT.601 in the full range"),
    ],
)
def test_colours_are_those_of_the_stream(
    library: ctypes.CDLL, colour: Any, luma: int, u: int, v: int, bgr: tuple[int, int, int]
) -> None:
    image = np.full((6, 4), luma, np.uint8)
    image[4:, 0::2], image[4:, 1::2] = u, v
    target = InputFormat(4, 4, rgb=False, scale=(1.0, 1.0, 1.0))
    source = Source.of(on_gpu(image, colour=colour), nowhere)
    assert source.address is not None
    row = job(source, source.address, source.pitch, Letterbox.fit(4, 4, target))
    found = letterboxed(library, [row], target)[0, :, 0, 0]
    np.testing.assert_allclose(found, bgr, atol=2)


def test_the_table_has_what_the_last_batch_wants_of_which_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = with_memory(monkeypatch)
    upload = Upload(gpu, request_size(80), 4)
    images = [picture(64, 48), picture(48, 64), nv12(32, 24)]
    ids = np.arange(3)
    for given, wanted in (
        (images[:1], Wanted(ids, 0.5)),
        (images, Wanted(ids, 0.5)),
        (images[1:], Wanted(ids, 0.25)),
        (images[1:], Wanted(ids + 1, 0.25, iou=0.5, most=7)),
    ):
        there = [on_gpu(image) for image in given]
        fits = upload.bring([Source.of(image, nowhere) for image in there], TARGET, 4, wanted, 0)
        rows = [described(image, TARGET) for image in given]
        assert jobs_of(upload, 4) == rows + [rows[0]] * (4 - len(rows))
        assert [(fit.source_width, fit.source_height) for fit in fits] == [row[3:5] for row in rows]
        request = np.zeros(request_size(80), np.uint8)
        fill_request(request, wanted)
        used = REQUEST.itemsize + 4 * len(ids)
        assert ctypes.string_at(upload.request, used) == request[:used].tobytes()
    upload.free()


@pytest.mark.parametrize(
    ("image", "says"),
    [
        pytest.param(np.zeros((0, 4, 3), np.uint8), "4x0", id="empty"),
        pytest.param(np.zeros((2, 16385, 3), np.uint8), "16385x2", id="too wide"),
        pytest.param(np.zeros((5, 4), np.uint8), "NV12", id="no third of chroma"),
        pytest.param(np.zeros((6, 5), np.uint8), "NV12", id="odd width"),
    ],
)
def test_what_is_no_picture_is_refused(image: U8, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        Source.of(image, here)
