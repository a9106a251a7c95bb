"""Decoding on the GPU: with a stand-in for PyNvVideoCodec, and on a GPU where there is one."""

from __future__ import annotations

import gc
import importlib
import itertools
import sys
import threading
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge_node.backends.cuda.device import Device
from edge_node.backends.cuda.picture import PinnedPool
from edge_node.backends.cuda.video import nvdec
from edge_node.backends.cuda.video.copier import copier_for
from edge_node.backends.cuda.video.decoding import Film
from edge_node.backends.cuda.video.nvdec import Nvdec, decoder_for, load
from edge_node.backends.cuda.video.surfaces import PATIENCE_S, Surfaces
from edge_node.capture.camera import capture
from edge_node.config.camera_settings import CameraSettings
from edge_node.pictures import Decoded
from shared.errors import ModelError, SourceError
from tests.edge_node.backends.cuda.fake_gpu import FakeError, fake_gpu
from tests.edge_node.backends.cuda.video.fake_nvdec import NO_STAMP, FakeLibrary
from tests.edge_node.gpu_pictures import NoCopier

SIZE = 64 * 48 * 3 // 2
MEAN_APART = 1.5
"""Largest mean difference of two pictures, grey levels."""
FILM = Path(__file__).parent / "film.mkv"
"""40 pictures of 320x180 in H.264, a pattern of FFmpeg: B-frames, uneven times, a gap, no start at 0."""


@pytest.fixture
def library() -> FakeLibrary:
    return FakeLibrary()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> tuple[Device, Any]:
    return fake_gpu(monkeypatch, 1 << 20)


def decoder(fake: tuple[Device, Any], library: FakeLibrary) -> Nvdec:
    return Nvdec(fake[0], library, NoCopier())


def everything(film: Film) -> list[Decoded]:
    return list(iter(film.read, None))


def test_a_film_s_pictures_come_in_order_each_in_memory_of_its_own(
    fake: tuple[Device, Any], library: FakeLibrary
) -> None:
    film = decoder(fake, library).film("a.mp4")
    found = everything(film)
    assert [one.stamp for one in found] == pytest.approx([n / 10 for n in range(10)])
    assert len({one.picture.luma for one in found}) == 10
    first = found[0].picture
    assert (first.width, first.height, first.pitch, first.colour) == (64, 48, 64, "bt601")
    assert first.chroma == first.luma + 64 * 48
    assert library.opened[0]["latency"] == "native"


def test_memory_of_pictures_that_nobody_holds_is_used_again(
    fake: tuple[Device, Any], library: FakeLibrary
) -> None:
    driver = fake[1]
    film = decoder(fake, library).film("a.mp4")
    for _ in range(10):
        film.read()
        gc.collect()
    film.close()
    assert driver.taken <= 3 * SIZE


def test_a_film_without_time_stamps_says_so(fake: tuple[Device, Any], library: FakeLibrary) -> None:
    library.stamps = [NO_STAMP] * 4
    assert [one.stamp for one in everything(decoder(fake, library).film("a.mp4"))] == [None] * 4


@pytest.mark.parametrize(
    ("said", "colour"),
    [
        (("BT_709", "MPEG"), "bt709"),
        (("BT_709", "JPEG"), "bt709-full"),
        (("UNSPEC", "JPEG"), "bt601-full"),
        (("BT_601", "UDEF"), "bt601"),
    ],
)
def test_colours_are_those_of_the_video(
    fake: tuple[Device, Any], library: FakeLibrary, said: tuple[str, str], colour: str
) -> None:
    library.colour = said
    film = decoder(fake, library).film("a.mp4")
    first = film.read()
    assert first is not None
    assert first.picture.colour == colour


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": "JPEG"}, "only H264, HEVC, AV1, VP9 are decoded on the GPU, not JPEG"),
        ({"size": (8192, 48)}, "a fake GPU does not decode H264 of 8192x48"),
        ({"size": (32, 48)}, "a fake GPU decodes no H264 as small as 32x48"),
        ({"caps": {"supported": 0}}, "a fake GPU does not decode H264 of this kind"),
        ({"pixels": "P016"}, "the pixels are P016; only 8 bits with 4:2:0 stay on the GPU"),
        ({"size": (64, 47)}, "its size 64x47 is odd"),
        ({"fails_at": 1}, "the decoder fails: unknown error"),
    ],
)
def test_what_cannot_be_decoded_is_refused_with_the_reason(
    fake: tuple[Device, Any], library: FakeLibrary, change: dict[str, Any], why: str
) -> None:
    for name, value in change.items():
        setattr(library, name, value)
    with pytest.raises(SourceError) as refused:
        decoder(fake, library).film("a.mp4").read()
    assert str(refused.value) == why


def test_a_broken_file_is_refused_with_the_library_s_words(
    fake: tuple[Device, Any], library: FakeLibrary
) -> None:
    with pytest.raises(SourceError, match="cannot read it: Invalid data found"):
        decoder(fake, library).film("broken.mp4")


def test_a_stream_s_pictures_come_at_once(fake: tuple[Device, Any], library: FakeLibrary) -> None:
    stream = decoder(fake, library).stream("h265", "bt709-full")
    (found,) = stream.decode(4096, 17, 5)
    assert (found.stamp, found.picture.colour) == (5, "bt709-full")
    packet = library.packets[0]
    assert (packet.bsl_data, packet.bsl, packet.decode_flag) == (4096, 17, "end of picture")
    assert (library.opened[0]["codec"].name, library.opened[0]["latency"]) == ("HEVC", "low")
    stream.close()


def test_a_stream_whose_pictures_become_larger_gets_a_new_decoder(
    fake: tuple[Device, Any], library: FakeLibrary
) -> None:
    library.fails_at = 60  # of each decoder
    stream = decoder(fake, library).stream("h264", "bt601")
    assert [len(stream.decode(0, 1, stamp)) for stamp in range(70)] == [1] * 70
    assert len(library.opened) == 2
    library.fails_at = 20
    with pytest.raises(SourceError, match="unknown error"):
        for stamp in range(50):
            stream.decode(0, 1, stamp)
    assert len(library.opened) == 2, "one that fails at once is not replaced again and again"


def test_a_decoder_waits_a_little_for_memory_and_then_gives_up(fake: tuple[Device, Any]) -> None:
    gpu = fake[0]
    held: list[Any] = []
    ticks = itertools.count()
    pool = Surfaces(gpu, 2 * SIZE, lambda: next(ticks) / 10, lambda _: held and held.pop())
    shelf, other = pool.shelf(), pool.shelf()
    held += [other.lend(SIZE), other.lend(SIZE)]
    assert shelf.lend(SIZE).address, "somebody gave one back meanwhile"
    held.clear()
    kept = [shelf.lend(SIZE), shelf.lend(SIZE)]
    with pytest.raises(SourceError, match="no memory left for decoded pictures"):
        shelf.lend(SIZE)
    assert next(ticks) / 10 >= PATIENCE_S
    assert len(kept) == 2


def test_memory_of_another_size_is_given_back_when_it_is_needed(fake: tuple[Device, Any]) -> None:
    gpu, driver = fake
    pool = Surfaces(gpu, 4 * SIZE)
    shelf, other = pool.shelf(), pool.shelf()
    del [other.lend(SIZE) for _ in range(2)][:]
    del [shelf.lend(SIZE) for _ in range(2)][:]
    assert shelf.lend(2 * SIZE).address
    assert driver.taken == pool.held == 4 * SIZE - 2 * SIZE + 2 * SIZE, "its own go first"
    assert shelf.lend(3 * SIZE).address
    assert driver.taken == pool.held == 3 * SIZE


def test_the_next_decoder_takes_the_stream_and_memory_that_one_has_left(
    fake: tuple[Device, Any], library: FakeLibrary
) -> None:
    opener, driver = decoder(fake, library), fake[1]
    for _ in range(3):
        film = opener.film("a.mp4")
        everything(film)
        gc.collect()
        film.close()
        film.close()
    assert len({one["cudastream"] for one in library.opened}) == 1
    assert driver.allocations <= 11
    assert library.asked == 1, "what the GPU can decode is asked once"


def test_a_decoder_on_a_gpu_that_has_failed_can_be_closed(
    fake: tuple[Device, Any], library: FakeLibrary
) -> None:
    film = decoder(fake, library).film("a.mp4")
    fake[1].lost = "cuStreamSynchronize failed: an illegal memory access was encountered"
    library.fails_at = 1
    with pytest.raises(SourceError, match="the decoder fails"):
        film.read()
    film.close()


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ImportError("No module named 'PyNvVideoCodec'"), "pip install 'darner[nvdec]'"),
        (RuntimeError("libnvidia-encode.so.1: cannot open\n\n=== STEPS"), "NVIDIA_DRIVER_CAPABILITIES"),
        (RuntimeError("Driver version is too old\nmore"), "cannot be used: Driver version is too old"),
    ],
)
def test_a_library_that_cannot_be_used_says_why(
    monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    def refuse(_name: str) -> None:
        raise error

    monkeypatch.setattr(importlib, "import_module", refuse)
    assert why in load()


def test_an_engine_s_memory_says_which_gpu_decodes(
    monkeypatch: pytest.MonkeyPatch, fake: tuple[Device, Any]
) -> None:
    gpu, _ = fake
    monkeypatch.setitem(sys.modules, "PyNvVideoCodec", None)
    assert decoder_for(None) is None
    found = decoder_for(PinnedPool(gpu))
    assert found is decoder_for(PinnedPool(gpu)), "one for all cameras"
    assert found == "PyNvVideoCodec is not installed: pip install 'darner[nvdec]'"


@pytest.mark.parametrize("error", [ModelError("no memory left"), FakeError("no memory left")])
def test_a_gpu_without_memory_for_copies_leaves_decoding_to_the_processor(
    monkeypatch: pytest.MonkeyPatch, fake: tuple[Device, Any], library: FakeLibrary, error: Exception
) -> None:
    def refuse(_gpu: Device) -> None:
        raise error

    monkeypatch.setattr(nvdec, "load", lambda: library)
    monkeypatch.setattr(nvdec, "copier_for", refuse)
    assert decoder_for(PinnedPool(fake[0])) == "no memory left"


@pytest.fixture(scope="session")
def real(gpu: Device) -> Nvdec:
    """The decoder of the first GPU."""
    library = load()
    if isinstance(library, str):
        pytest.skip(library)
    return Nvdec(gpu, library, copier_for(gpu))


def test_a_film_on_a_gpu_has_the_pictures_and_times_that_opencv_gives(real: Nvdec) -> None:
    settings, stop = CameraSettings(source=str(FILM), pace="fast"), threading.Event()
    by_gpu, by_opencv = (
        list(capture("c", settings, stop, lambda *_: None, gpu=gpu)) for gpu in (lambda: real, lambda: None)
    )
    assert {frame.decoding.on for frame in by_gpu} == {"gpu"}
    assert len(by_gpu) == len(by_opencv) == 40
    for a, b in zip(by_gpu, by_opencv, strict=True):
        assert abs(a.monotonic_ns - b.monotonic_ns) < 1000
        apart = cv2.absdiff(a.image, b.image)
        # At coloured edges, the two put the chroma a little differently between the pixels.
        assert apart.mean() < MEAN_APART


def test_a_stream_on_a_gpu_gives_pictures_in_order_although_units_are_not(real: Nvdec) -> None:
    film = real.film(str(FILM))
    in_order = [round((one.stamp or 0) * 1000) for one in everything(film)]
    film.close()
    stream, found, units = real.stream("h264", "bt601"), [], []
    for packet in load().CreateDemuxer(filename=str(FILM)):
        if packet.bsl:
            units.append(packet.pts)
            found += [one.stamp for one in stream.decode(packet.bsl_data, packet.bsl, packet.pts)]
    stream.close()
    assert units != sorted(units), "there are B-frames"
    assert found == in_order[: len(found)]
    assert len(found) >= len(in_order) - 4


def test_what_a_gpu_cannot_read_is_refused_in_one_sentence(real: Nvdec, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(FILM.read_bytes()[2000:])
    with pytest.raises(SourceError) as refused:
        real.film(str(broken))
    assert "\n" not in str(refused.value)
