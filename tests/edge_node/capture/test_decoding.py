"""Where video is decoded: on the GPU or on the processor, with a stand-in for the GPU."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import cv2
import numpy as np
import pytest

from edge_node.capture import decoding
from edge_node.capture.camera import capture
from edge_node.capture.readers import gstreamer_library, nvdec
from edge_node.capture.readers.address import parse
from edge_node.capture.readers.gstreamer import GstReader
from edge_node.capture.readers.nvdec import GpuCamera, colour_of, unavailable
from edge_node.config.camera_settings import CameraSettings
from edge_node.frames import Frame
from edge_node.pictures import Decoding, OnGpu
from shared.errors import SourceError
from tests.edge_node.gpu_decoder import FakeDecoder
from tests.sources.rtsp import RtspCamera, missing, rtsp_camera

STARTS_S = 36_000.0
COUNT = 12
needs_camera = pytest.mark.skipif(
    bool(missing() or unavailable()), reason=str(missing() or unavailable() or "")
)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("film") / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (64, 48))
    for number in range(COUNT):
        writer.write(np.full((48, 64, 3), number * 20, np.uint8))
    writer.release()
    return str(path)


def run(
    gpu: FakeDecoder | str | None,
    source: str,
    decoder: Literal["auto", "gpu", "cpu"] = "auto",
    enough: Callable[[list[Frame]], bool] = lambda _: False,
    loop: bool = False,
    reader: Literal["auto", "ffmpeg"] = "auto",
) -> list[Frame]:
    settings = CameraSettings(
        source=source, decoder=decoder, pace="fast", loop=loop, reader=reader, stall_s=5
    )
    stop, frames = threading.Event(), []
    for frame in capture("c", settings, stop, lambda *_: None, gpu=lambda: gpu):
        frames.append(frame)
        if enough(frames):
            stop.set()
    return frames


def shown(frames: list[Frame]) -> list[int]:
    return [round(float(frame.image.mean()) / 20) for frame in frames]


def seconds(frames: list[Frame]) -> list[float]:
    return [round(frame.monotonic_ns / 1e9, 6) for frame in frames]


def test_a_film_on_the_gpu_has_the_pictures_and_times_that_opencv_gives(video: str) -> None:
    gpu = FakeDecoder(starts_s=STARTS_S)
    frames, plain = run(gpu, video), run(None, video)
    assert all(isinstance(frame.picture, OnGpu) for frame in frames)
    assert {frame.decoding for frame in frames} == {Decoding("gpu")}
    assert {frame.decoding for frame in plain} == {Decoding("cpu")}
    assert shown(frames) == shown(plain) == list(range(COUNT))
    assert seconds(frames) == seconds(plain)
    assert gpu.open == 0


def test_a_looped_film_is_decoded_on_the_gpu_in_each_pass(video: str) -> None:
    gpu = FakeDecoder()
    frames = run(gpu, video, loop=True, enough=lambda frames: len(frames) == 2 * COUNT + 1)
    assert shown(frames) == [*range(COUNT), *range(COUNT), 0]
    assert seconds(frames)[COUNT] == pytest.approx(seconds(frames)[COUNT - 1] + 0.05)
    assert {frame.decoding.on for frame in frames} == {"gpu"}
    assert (len(gpu.films), gpu.open) == (3, 0)


def test_what_the_gpu_cannot_decode_is_decoded_by_the_processor_and_said_once(
    video: str, caplog: pytest.LogCaptureFixture
) -> None:
    gpu = FakeDecoder(refuses="the decoder fails: Codec not supported on this GPU")
    with caplog.at_level(logging.INFO, "darner.capture"):
        frames = run(gpu, video, loop=True, enough=lambda frames: len(frames) == 2 * COUNT)
    assert shown(frames) == [*range(COUNT), *range(COUNT)]
    assert {frame.decoding for frame in frames} == {Decoding("cpu", gpu.refuses)}
    assert len(gpu.films) == 1, "it is not asked again"
    said = [record for record in caplog.records if "processor" in record.message]
    assert [(one.levelno, one.message) for one in said] == [
        (logging.INFO, f"camera c: its video is decoded on the processor: {gpu.refuses}")
    ]


def test_a_decoder_that_is_lost_in_mid_film_costs_no_picture(video: str) -> None:
    gpu = FakeDecoder(fails_after=5, starts_s=STARTS_S)
    frames = run(gpu, video)
    assert shown(frames) == list(range(COUNT))
    assert seconds(frames) == seconds(run(None, video))
    assert [frame.decoding.on for frame in frames] == ["gpu"] * 5 + ["cpu"] * (COUNT - 5)
    assert frames[-1].decoding.why == "the decoder fails: it is lost"
    assert frames[-1].reader == "opencv ffmpeg"
    assert gpu.open == 0


def test_a_film_that_is_to_be_turned_is_left_to_opencv(video: str) -> None:
    gpu = FakeDecoder(turned=True)
    frames = run(gpu, video)
    assert {frame.decoding for frame in frames} == {
        Decoding("cpu", "its pictures are to be turned or scaled")
    }
    assert shown(frames) == list(range(COUNT))
    assert gpu.open == 0


def test_nobody_asks_the_gpu_where_the_processor_is_to_decode(video: str) -> None:
    gpu = FakeDecoder()
    assert {frame.decoding for frame in run(gpu, video, "cpu")} == {Decoding("cpu")}
    assert gpu.films == []


def test_a_gpu_that_is_wanted_and_not_there_is_a_warning(
    video: str, caplog: pytest.LogCaptureFixture
) -> None:
    why = "the network does not run on an NVIDIA GPU"
    assert {frame.decoding for frame in run(None, video, "gpu")} == {Decoding("cpu", why)}
    assert [(one.levelno, why in one.message) for one in caplog.records] == [(logging.WARNING, True)]


def test_a_gpu_without_a_decoder_is_said_before_anything_is_opened_for_it(
    video: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "PyNvVideoCodec is not installed"
    assert {frame.decoding for frame in run(why, video)} == {Decoding("cpu", why)}
    monkeypatch.setattr(decoding, "LOOK_S", 0.0)
    found: list[FakeDecoder | str | None] = [None]
    choice = decoding.Choice("c", CameraSettings(source="rtsp://c"), lambda: found[0])
    assert choice.take() is None
    assert not choice.may_move()
    found[0] = why
    assert not choice.may_move(), "the stream goes on"
    assert choice.decoding == Decoding("cpu", why)


def test_a_stream_that_no_gpu_may_decode_is_not_opened_again_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "LOOK_S", 0.0)
    found: list[FakeDecoder | None] = [None]
    choice = decoding.Choice("c", CameraSettings(source="rtsp://c"), lambda: found[0])
    assert choice.take("FFmpeg reads it") is None
    assert choice.decoding == Decoding("cpu")
    found[0] = FakeDecoder()
    assert not choice.may_move()
    assert choice.decoding == Decoding("cpu", "FFmpeg reads it")


def test_pictures_are_not_decoded_on_the_gpu(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((8, 8, 3), np.uint8))
    why = "only video files and RTSP streams are decoded on the GPU"
    assert {frame.decoding for frame in run(FakeDecoder(), str(tmp_path))} == {Decoding("cpu", why)}
    assert {frame.decoding for frame in run(None, str(tmp_path))} == {Decoding("cpu")}


@contextmanager
def watching(url: str) -> Iterator[None]:
    """Somebody who watches a camera; as any viewer, he tries again when the first attempt fails."""
    for last in (False, False, True):
        with closing(GstReader(parse(url), "c", 5)) as reader:
            try:
                came = reader.read() is not None
            except SourceError:
                came = False
            if came:
                yield
                return
            assert not last, "the camera gives no picture"


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspCamera]:
    # Somebody watches all the time: the server may stand still when its last client goes and one comes.
    with rtsp_camera("--fps", "50") as started, watching(started.url):
        yield started


@needs_camera
def test_a_stream_s_access_units_go_to_the_gpu_from_a_key_frame_on(camera: RtspCamera) -> None:
    gpu = FakeDecoder()
    frames = run(gpu, camera.url, enough=lambda frames: len(frames) == 20)
    assert {frame.decoding for frame in frames} == {Decoding("gpu")}
    assert {frame.reader for frame in frames} == {"gstreamer, TCP, PyNvVideoCodec"}
    assert {frame.clock for frame in frames} <= {"stream", "sender"}
    assert {frame.shape for frame in frames} == {(360, 640, 3)}
    apart = np.diff([frame.monotonic_ns for frame in frames]) / 1e9
    assert 0.005 < np.median(apart) < 0.05
    (units,) = gpu.units
    assert all(unit.startswith(b"\x00\x00\x00\x01") for unit in units)
    assert b"\x00\x01\x67" in units[0], "the first one has the sequence parameters"
    assert (gpu.colours, gpu.open) == (["bt601"], 0)


@needs_camera
def test_a_stream_that_the_gpu_refuses_or_loses_goes_on_by_the_processor(camera: RtspCamera) -> None:
    refusing, losing = FakeDecoder(refuses="odd"), FakeDecoder(fails_after=10)
    frames = run(refusing, camera.url, enough=lambda frames: len(frames) == 3)
    assert {frame.decoding for frame in frames} == {Decoding("cpu", "odd")}
    assert not any(isinstance(frame.picture, OnGpu) for frame in frames)
    assert len(refusing.colours) == 1
    frames = run(losing, camera.url, enough=lambda frames: frames[-1].decoding.on == "cpu")
    where = [frame.decoding.on for frame in frames]
    first = where.index("cpu")
    assert first > 3
    assert set(where[first:]) == {"cpu"}
    assert frames[first].restarted
    assert losing.open == 0


@needs_camera
def test_a_stream_moves_to_the_gpu_when_its_engine_does(
    camera: RtspCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "LOOK_S", 0.0)
    gpu, said = FakeDecoder(), set[str]()
    frames: list[Frame] = []
    settings, stop = CameraSettings(source=camera.url, stall_s=5), threading.Event()
    offered = lambda: gpu if len(frames) > 4 else None  # noqa: E731 - short
    for frame in capture("c", settings, stop, lambda status, _: said.add(status), gpu=offered):
        frames.append(frame)
        if frame.decoding.on == "gpu":
            stop.set()
    where = [frame.decoding.on for frame in frames]
    first = where.index("gpu")
    assert where[:first] == ["cpu"] * 5
    assert frames[first].restarted
    assert said == {"streaming", "ended"}, "it was not lost"


@needs_camera
def test_of_two_video_tracks_the_gpu_is_given_one() -> None:
    gpu = FakeDecoder()
    with rtsp_camera("--fps", "50", "--codec", "h264 twice") as camera:
        frames = run(gpu, camera.url, enough=lambda frames: len(frames) == 10)
    assert {frame.decoding.on for frame in frames} == {"gpu"}
    assert {unit[:4] for unit in gpu.units[0]} == {b"\x00\x00\x00\x01"}, "no packets"


@needs_camera
def test_a_stream_of_jpegs_is_refused_as_soon_as_it_is_seen() -> None:
    said: list[str] = []
    with rtsp_camera("--fps", "50", "--codec", "mjpeg") as jpegs:
        reader = GpuCamera(parse(jpegs.url), "c", 20, "tcp", FakeDecoder(), said.append)
        with pytest.raises(SourceError):
            reader.begin()
        reader.close()
    assert said == ["of streams, only H.264 and H.265 are decoded on the GPU, not JPEG"]


class FullStream:
    """GStreamer's samples of a camera that is always ahead of its reader."""

    def __init__(self, *_: Any) -> None:
        self.units = 0

    def waiting(self) -> Any:
        self.units += 1
        assert self.units < 10_000, "nobody is given a picture"
        return SimpleNamespace(
            buffer=SimpleNamespace(contents=SimpleNamespace(mini_object=SimpleNamespace(flags=0)))
        )

    def next(self) -> Any:
        return self.waiting()

    def kind(self, _: Any) -> str:
        return "video/x-h264"

    def text(self, *_: Any) -> str:
        return ""

    def number(self, *_: Any) -> int:
        return 360

    def times(self, _: Any) -> tuple[float, None]:
        return self.units / 25, None

    @contextmanager
    def mapped(self, _: Any) -> Iterator[Any]:
        unit = b"a unit"
        yield SimpleNamespace(data=unit, size=len(unit))

    def done(self, _: Any) -> None: ...

    def close(self) -> None: ...


def full_camera(
    monkeypatch: pytest.MonkeyPatch, gpu: FakeDecoder, stall_s: float, said: list[str]
) -> GpuCamera:
    monkeypatch.setattr(nvdec, "GstStream", FullStream)
    return GpuCamera(parse("rtsp://c"), "c", stall_s, "tcp", gpu, said.append)


def test_a_gpu_that_is_slower_than_the_stream_gives_pictures_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    reader = full_camera(monkeypatch, FakeDecoder(), 4, said)
    stamps = [taken.media_s or 0.0 for taken in (reader.read(), reader.read()) if taken]
    assert len(stamps) == 2
    assert 0 < stamps[1] - stamps[0] < 4, "what the camera has sent meanwhile is left out"
    assert said == []


def test_a_gpu_that_gives_no_picture_of_a_stream_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    reader = full_camera(monkeypatch, FakeDecoder(silent=True), 0.001, said)
    with pytest.raises(SourceError, match="no picture"):
        reader.begin()
    assert said == ["the GPU has given no picture of it for 0.001 s"]


@needs_camera
def test_ffmpeg_decodes_on_the_processor(camera: RtspCamera) -> None:
    frames = run(FakeDecoder(), camera.url, reader="ffmpeg", enough=lambda frames: len(frames) == 2)
    assert {frame.decoding.on for frame in frames} == {"cpu"}
    assert "FFmpeg" in str(frames[0].decoding.why)


@pytest.mark.parametrize(
    ("colorimetry", "height", "colour"),
    [
        ("bt709", 360, "bt709"),
        ("bt601", 1080, "bt601"),
        ("1:4:0:0", 1080, "bt601-full"),
        ("1:3:5:1", 720, "bt709-full"),
        ("2:3:5:1", 720, "bt709"),
        ("1:0:0:0", 1080, "bt709-full"),
        ("", 1080, "bt709"),  # not said: by size
        ("", 576, "bt601"),
    ],
)
def test_a_stream_s_colours_are_read_as_gstreamer_reads_them(
    colorimetry: str, height: int, colour: str
) -> None:
    assert colour_of(colorimetry, height) == colour


def test_gstreamer_s_missing_elements_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    library = gstreamer_library.loaded()
    if isinstance(library, str):
        assert unavailable() == library
        return
    monkeypatch.setattr(type(library), "has", lambda _, element: element != "h265parse")
    assert unavailable() == "GStreamer has no h265parse: apt install gstreamer1.0-plugins-bad"
