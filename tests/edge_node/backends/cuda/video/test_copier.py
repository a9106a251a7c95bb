"""Parts of pictures on a GPU: the kernel compiled for the CPU, and on a GPU where there is one."""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from edge_node.backends.cuda.device import Buffer, Device
from edge_node.backends.cuda.video import copier as copier_module
from edge_node.backends.cuda.video.copier import GpuCopier
from edge_node.backends.cuda.video.nvjpeg import JpegEncoder, JpegError
from edge_node.frames import Frame
from edge_node.pictures import U8, Box, Colour, OnGpu
from shared.errors import ModelError
from tests.edge_node.backends.cuda.fake_gpu import FakeDriver, fake_gpu
from tests.edge_node.backends.cuda.test_kernels import nv12, picture
from tests.edge_node.gpu_pictures import on_gpu

Put = Callable[[U8], OnGpu]

BOXES: list[tuple[Box, tuple[int, int]]] = [
    ((0, 0, 352, 288), (352, 288)),
    ((0, 0, 352, 288), (176, 144)),
    ((0, 0, 352, 288), (44, 36)),
    ((0, 0, 352, 288), (320, 180)),
    ((0, 0, 352, 288), (1, 1)),
    ((1, 3, 150, 122), (149, 119)),
    ((7, 5, 288, 231), (97, 61)),
    ((351, 287, 352, 288), (1, 1)),
    ((13, 0, 14, 288), (1, 100)),
]


def expected(image: U8, box: Box, size: tuple[int, int]) -> U8:
    """What the host makes of the picture in its own memory."""
    left, top, right, bottom = box
    bgr = cv2.cvtColor(image, cv2.COLOR_YUV2BGR_NV12) if image.ndim == 2 else image
    return np.asarray(cv2.resize(bgr[top:bottom, left:right], size, interpolation=cv2.INTER_AREA), np.uint8)


def levels(found: U8, wanted: U8) -> int:
    """Largest difference in grey levels."""
    return int(np.abs(found.astype(int) - wanted).max())


def on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, library: ctypes.CDLL, total: int = 1 << 30, *, integrated: bool = True
) -> tuple[Device, Any]:
    """A GPU that is the CPU: it has the host's memory, and the kernel runs when it is enqueued."""

    def call(_grid: object, _block: object, _stream: object, part: bytes, target: int) -> None:
        library.run_part(part, ctypes.c_void_p(target))

    function = SimpleNamespace(prepared_async_call=call)
    module = SimpleNamespace(get_function=lambda _: SimpleNamespace(prepare=lambda _: function))
    monkeypatch.setattr(FakeDriver, "module_from_buffer", lambda *_: module)
    return fake_gpu(monkeypatch, total, integrated=integrated)


@dataclass
class Bench:
    """A copier, and how pictures come into its memory."""

    copier: GpuCopier
    put: Put


@pytest.fixture(params=["cpu", "gpu"])
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bench:
    if request.param == "cpu":
        gpu, _ = on_the_cpu(monkeypatch, request.getfixturevalue("library"))
        copier = GpuCopier(gpu, lambda _: None)
        return Bench(copier, lambda image: on_gpu(image, copier))
    real: Device = request.getfixturevalue("gpu")
    copier = GpuCopier(real)

    def put(image: U8) -> OnGpu:
        rows, pitch = image.shape[0], -(-image[0].nbytes // 256) * 256
        padded = np.full((rows, pitch), 99, np.uint8)
        padded[:, : image[0].nbytes] = image.reshape(rows, -1)
        with real.current():
            memory = Buffer(real, padded.nbytes)
            real.driver.memcpy_htod(memory.address, padded)
        height = rows if image.ndim == 3 else rows * 2 // 3
        chroma = None if image.ndim == 3 else memory.address + height * pitch
        return OnGpu(memory.address, chroma, pitch, image.shape[1], height, copier, memory)

    return Bench(copier, put)


@pytest.mark.parametrize("make", [nv12, picture], ids=["NV12", "BGR"])
def test_a_part_is_what_opencv_makes_of_the_picture_in_host_memory(
    bench: Bench, make: Callable[[int, int], U8]
) -> None:
    image = make(352, 288)
    there = bench.put(image)
    for box, size in BOXES:
        found = bench.copier.part(there, box, *size)
        assert found.shape == (size[1], size[0], 3)
        assert levels(found, expected(image, box, size)) <= 1, (box, size)


def test_the_whole_picture_and_an_even_cut_of_it_agree_with_the_host(bench: Bench) -> None:
    image = nv12(352, 288)
    frame = Frame("c", 0, 0, 0, bench.put(image))
    bgr = np.asarray(cv2.cvtColor(image, cv2.COLOR_YUV2BGR_NV12), np.uint8)
    assert levels(frame.image, bgr) <= 1
    box = frame.aligned((11, 7, 201, 99))
    cut = Frame("c", 0, 0, 0, frame.cut(box))
    assert levels(cut.image, bgr[6:100, 10:202]) <= 1


def test_pictures_larger_than_the_room_come_in_bands(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copier_module, "ROOM", 3 * 64 * 7 + 5)
    image = picture(64, 48)
    there = bench.put(image)
    np.testing.assert_array_equal(bench.copier.part(there, (0, 0, 64, 48), 64, 48), image)
    assert bench.copier.jpeg(there, (0, 0, 64, 48), 64, 48, 90) is None, "the host encodes it"


def test_the_full_range_and_bt709_are_told_apart(bench: Bench) -> None:
    there = bench.put(np.full((72, 64), 200, np.uint8))
    colours: list[Colour] = ["bt601", "bt709", "bt601-full", "bt709-full"]
    pictures = [replace(there, colour=colour) for colour in colours]
    grey = [int(bench.copier.part(one, one.whole, 1, 1)[0, 0, 1]) for one in pictures]
    assert grey[0] != grey[2]
    assert grey[0] != grey[1]
    assert grey[2] != grey[3]


@pytest.mark.parametrize("box", [(0, 0, 353, 288), (-2, 0, 4, 4), (4, 4, 4, 8), (0, 289, 2, 290)])
def test_a_box_outside_the_picture_is_refused(bench: Bench, box: Box) -> None:
    with pytest.raises(ValueError, match="of a picture of 352x288, as 2x2: not in it, or empty"):
        bench.copier.part(bench.put(picture(352, 288)), box, 2, 2)


def test_many_threads_get_what_they_asked_for(bench: Bench) -> None:
    images = [picture(64, 48 + number) for number in range(6)]
    there = [bench.put(image) for image in images]
    wrong: list[int] = []

    def ask(number: int) -> None:
        for _ in range(5):
            one = there[number]
            if not np.array_equal(bench.copier.part(one, one.whole, one.width, one.height), images[number]):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_jpeg_shows_the_part_at_the_quality_asked_for(bench: Bench) -> None:
    if not bench.copier.encodes:
        pytest.skip("needs a GPU with nvJPEG")
    smooth = np.asarray(cv2.GaussianBlur(picture(352, 288), (0, 0), 5), np.uint8)
    there, box, size = bench.put(smooth), (31, 17, 331, 257), (151, 121)
    found = [bench.copier.jpeg(there, box, *size, quality) for quality in (95, 30)]
    good, poor = [one for one in found if one is not None]
    assert len(poor) < len(good) / 2
    shown = cv2.imdecode(np.frombuffer(good, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert np.abs(shown.astype(int) - expected(smooth, box, size)).mean() < 2


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (17, 9), (640, 1)])
def test_jpegs_of_odd_sizes_show_them_or_are_left_to_the_host(bench: Bench, size: tuple[int, int]) -> None:
    if not bench.copier.encodes:
        pytest.skip("needs a GPU with nvJPEG")
    jpeg = bench.copier.jpeg(bench.put(np.full((72, 64, 3), 90, np.uint8)), (1, 1, 63, 71), *size, 80)
    if jpeg is not None:
        shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        assert shown.shape == (*size[::-1], 3)
        assert abs(float(shown.mean()) - 90) < 2


def test_where_memory_ends_one_desk_serves_all(monkeypatch: pytest.MonkeyPatch, library: ctypes.CDLL) -> None:
    gpu, driver = on_the_cpu(monkeypatch, library)
    copier = GpuCopier(gpu, lambda _: None)
    image = picture(64, 48)
    driver.countdown = iter([0])  # the next allocation fails; one after that would end the iterator
    entered, go = threading.Event(), threading.Event()
    real = driver.library.cuEventRecord

    def held(*arguments: Any) -> int:
        entered.set()
        assert go.wait(30)
        return int(real(*arguments))

    driver.library.cuEventRecord = held
    found: list[U8] = []
    threads = [
        threading.Thread(target=lambda: found.append(copier.part(on_gpu(image), (0, 0, 64, 48), 64, 48)))
        for _ in range(2)
    ]
    threads[0].start()
    assert entered.wait(30)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join()
    assert [np.array_equal(one, image) for one in found] == [True, True]


def test_a_gpu_without_memory_for_a_desk_says_so_and_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, library: ctypes.CDLL
) -> None:
    gpu, driver = on_the_cpu(monkeypatch, library, total=1 << 20, integrated=False)
    with pytest.raises(ModelError, match=r"a fake GPU: the pictures .* out of memory"):
        GpuCopier(gpu, lambda _: None)
    assert (driver.taken, driver.pinned) == (0, 0)


def test_a_gpu_that_fails_is_one_sentence(monkeypatch: pytest.MonkeyPatch, library: ctypes.CDLL) -> None:
    gpu, driver = on_the_cpu(monkeypatch, library)
    copier = GpuCopier(gpu, lambda _: None)
    driver.library.cuEventSynchronize = lambda _: 719
    with pytest.raises(ModelError, match="cannot be copied to the host: cuEventSynchronize failed"):
        copier.part(on_gpu(picture(64, 48)), (0, 0, 64, 48), 32, 24)


def test_a_jpeg_is_read_after_the_stream_has_written_it() -> None:
    class Late:
        """Stands for nvJPEG and for its stream: the bytes come when somebody waits for the stream."""

        handle, data = 1, None

        def call(self, name: str, *arguments: Any) -> None:
            if name == "nvjpegEncodeRetrieveBitstream":
                self.data = arguments[2]
                arguments[3]._obj.value = 4

        def synchronize(self) -> None:
            assert self.data is not None
            self.data.raw = b"JPEG"

    late = Late()
    assert JpegEncoder(late, late).encode(4096, 32, 24, 80) == b"JPEG"  # type: ignore[arg-type]  # stands for both


def test_a_jpeg_that_nvjpeg_refuses_is_left_to_the_host_and_said_once(
    monkeypatch: pytest.MonkeyPatch, library: ctypes.CDLL, caplog: pytest.LogCaptureFixture
) -> None:
    gpu, _ = on_the_cpu(monkeypatch, library)

    class Refusing(JpegEncoder):
        def __init__(self, *_: object) -> None: ...

        def encode(self, *_: object) -> bytes:
            raise JpegError("nvjpegEncodeImage returned 2")

    monkeypatch.setattr(copier_module, "JpegEncoder", Refusing)
    copier = GpuCopier(gpu, lambda _: SimpleNamespace())  # type: ignore[arg-type,return-value]  # never asked
    assert copier.encodes
    with caplog.at_level(logging.WARNING):
        found = [copier.jpeg(on_gpu(picture(64, 48)), (0, 0, 64, 48), 32, 24, 80) for _ in range(3)]
    assert found == [None] * 3
    assert [record.message for record in caplog.records] == [
        "a fake GPU: the processor encodes a JPEG instead: nvjpegEncodeImage returned 2 (said once)"
    ]
