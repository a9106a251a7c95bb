from __future__ import annotations

import functools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

import numpy as np
import pytest

from edge_node.capture.camera import capture
from edge_node.capture.readers import gstreamer_library
from edge_node.config.camera_settings import CameraSettings
from edge_node.frames import Frame
from tests.conftest import wait_until
from tests.sources.rtsp import RtspCamera, burnt_in_us, missing, rtsp_camera

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
READERS = [
    "ffmpeg",
    pytest.param(
        "gstreamer",
        marks=pytest.mark.skipif(
            gstreamer_library.unavailable() is not None, reason=str(gstreamer_library.unavailable())
        ),
    ),
]
FRESH_MS = 250
ReaderName = Literal["ffmpeg", "gstreamer"]
AnyReader = Literal["ffmpeg", "gstreamer", "auto"]
Transport = Literal["auto", "tcp", "udp"]
EVERY_READER = ["auto", *READERS]
HERE: list[AnyReader] = ["ffmpeg"] if gstreamer_library.unavailable() else ["ffmpeg", "gstreamer"]
"""The readers that this machine has. Where a test waits long, all of them are tested at the same time."""


class Watching:
    """Captures in a thread, as the pipeline does, and keeps the frames."""

    def __init__(self, reader: AnyReader) -> None:
        self.reader = reader
        self.frames: list[Frame] = []
        self.ages_ms: list[float] = []
        self.said: list[str] = []
        self.reasons: list[str | None] = []
        self.stop = threading.Event()

    def run(self, settings: CameraSettings) -> None:
        for frame in capture("c", settings, self.stop, self.note):
            self.ages_ms.append(time.time() * 1e3 - burnt_in_us(frame.image) / 1e3)
            self.frames.append(frame)

    def note(self, status: str, reason: str | None) -> None:
        self.said.append(status)
        self.reasons.append(reason)

    def wait(self, count: int, within_s: float = 30.0) -> None:
        """Wait for this many more frames."""
        goal, deadline = len(self.frames) + count, time.monotonic() + within_s
        while len(self.frames) < goal:
            assert time.monotonic() < deadline, (
                f"{self.reader}: {len(self.frames)} frames, {self.said[-5:]}, {self.reasons[-3:]}"
            )
            time.sleep(0.01)


@contextmanager
def watching(
    url: str, reader: AnyReader, stall_s: float = 1.0, transport: Transport = "auto"
) -> Iterator[Watching]:
    seen = Watching(reader)
    settings = CameraSettings(source=url, reader=reader, stall_s=stall_s, transport=transport)
    thread = threading.Thread(target=seen.run, args=(settings,))
    thread.start()
    try:
        yield seen
    finally:
        seen.stop.set()
        thread.join(10)
        assert not thread.is_alive()


@contextmanager
def all_watching(url: str, stall_s: float = 1.0) -> Iterator[list[Watching]]:
    """All readers of this machine at one camera."""
    with ExitStack() as running:
        yield [running.enter_context(watching(url, reader, stall_s)) for reader in HERE]


@pytest.fixture(scope="module")
def shared() -> Iterator[Callable[..., RtspCamera]]:
    """Cameras that tests use one after the other: one for all that ask with the same arguments."""
    with ExitStack() as running:
        yield functools.cache(lambda *arguments: running.enter_context(rtsp_camera(*arguments)))


Shared = Callable[..., RtspCamera]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_node.capture.attempts.random.uniform", lambda *_: 0.1)


@pytest.mark.timing
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("codec", ["h264", "mjpeg"])
def test_frames_arrive_promptly_undamaged_and_on_the_stream_s_clock(
    shared: Shared, reader: ReaderName, codec: str
) -> None:
    camera = shared("--fps", "50", *(["--codec", codec] if codec != "h264" else []))
    with watching(camera.url, reader) as seen:
        seen.wait(50)
    assert seen.frames[-1].image.shape == (360, 640, 3)
    assert seen.frames[-1].clock in ("stream", "sender")
    # The benchmark measures the latency; this only shows that no queue builds up.
    assert np.median(seen.ages_ms[25:]) < FRESH_MS
    made = np.array([burnt_in_us(frame.image) for frame in seen.frames[25:]]) / 1e3
    stamped = np.array([frame.monotonic_ns for frame in seen.frames[25:]]) / 1e6
    apart = np.abs(np.diff(stamped) - np.diff(made))
    assert np.median(apart) < 10
    wall = np.array([frame.captured_ns for frame in seen.frames[25:]]) / 1e6
    assert np.median(np.abs(wall - made)) < FRESH_MS


@pytest.mark.parametrize("reader", READERS)
def test_a_camera_that_closes_the_connection_is_opened_again(shared: Shared, reader: ReaderName) -> None:
    camera = shared("--fps", "50")
    with watching(camera.url, reader) as seen:
        seen.wait(10)
        before = len(seen.frames)
        camera.tell("cut")
        wait_until(lambda: "reconnecting" in seen.said)  # what had piled up comes before it
        seen.wait(30)
    assert [frame.seq for frame in seen.frames] == list(range(len(seen.frames)))
    assert any(frame.restarted for frame in seen.frames[before:])


@pytest.mark.parametrize("reader", READERS)
def test_an_absent_camera_is_reported_at_once_and_not_as_a_stall(reader: ReaderName) -> None:
    began = time.monotonic()
    with watching("rtsp://127.0.0.1:9/none", reader, stall_s=20) as seen:
        while len(seen.reasons) < 3:
            assert time.monotonic() - began < 15, seen.said
            time.sleep(0.01)
    assert set(seen.said[:3]) == {"reconnecting"}


@pytest.mark.timing
def test_a_camera_that_stalls_is_opened_again_until_it_continues() -> None:
    with rtsp_camera("--fps", "50") as camera, all_watching(camera.url, stall_s=0.5) as every:
        for seen in every:
            seen.wait(10)
        before = [seen.said.count("reconnecting") for seen in every]
        camera.tell("stall")
        deadline = time.monotonic() + 5
        while not all(seen.said.count("reconnecting") > n for seen, n in zip(every, before, strict=True)):
            assert time.monotonic() < deadline, [seen.said for seen in every]
            time.sleep(0.02)
        time.sleep(0.3)  # the next attempt has begun
        camera.tell("go")
        for seen in every:
            seen.wait(30)
    for seen in every:
        assert max(seen.ages_ms[-20:]) < 1000, seen.reader


def test_another_resolution_in_mid_stream_does_not_end_it() -> None:
    """OpenCV scales later frames to the first resolution."""
    with rtsp_camera("--fps", "50") as camera, watching(camera.url, "ffmpeg") as seen:
        seen.wait(20)
        camera.tell("size 320 180")
        seen.wait(25)
    assert {frame.image.shape for frame in seen.frames} == {(360, 640, 3)}
    assert set(seen.said) == {"streaming", "ended"}


@pytest.mark.parametrize("reader", READERS[1:])
def test_another_resolution_in_mid_stream_marks_the_frame_as_restarted(reader: ReaderName) -> None:
    with rtsp_camera("--fps", "50") as camera, watching(camera.url, reader) as seen:
        seen.wait(20)
        camera.tell("size 320 180")
        deadline = time.monotonic() + 30
        while seen.frames[-1].image.shape != (180, 320, 3):
            assert time.monotonic() < deadline, seen.said
            time.sleep(0.05)
        seen.wait(5)
    first = next(frame for frame in seen.frames if frame.image.shape == (180, 320, 3))
    assert first.restarted


@pytest.mark.timing
def test_a_slow_consumer_gets_the_newest_frames_and_not_a_queue_of_old_ones(shared: Shared) -> None:
    """As in the pipeline, the capture thread reads everything and the consumer takes the newest frame."""
    with all_watching(shared("--fps", "50").url) as every:
        for seen in every:
            seen.wait(25)
        taken: list[list[float]] = [[] for _ in every]
        for _ in range(40):
            time.sleep(0.055)
            for seen, ages_ms in zip(every, taken, strict=True):
                ages_ms.append(time.time() * 1e3 - burnt_in_us(seen.frames[-1].image) / 1e3)
    for ages_ms in taken:
        assert np.median(ages_ms) < FRESH_MS
        assert max(ages_ms[20:]) < 600


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"\x00\xff" * 5000, id="noise"),
        pytest.param(b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n", id="refused"),
        pytest.param(b"RTSP/1.0 200 OK\r\nCSeq: 99\r\nContent-Length: 999999999\r\n\r\nv=0", id="endless"),
        pytest.param(b"", id="silence"),
    ],
)
def test_a_camera_that_sends_garbage_is_an_error_without_the_password(
    reader: ReaderName, answer: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.recv(4096)
                    client.sendall(answer)

        thread = threading.Thread(target=talk)
        thread.start()
        url = f"rtsp://user:secret@127.0.0.1:{server.getsockname()[1]}/cam"
        with watching(url, reader) as seen:
            deadline = time.monotonic() + 30
            while "reconnecting" not in seen.said:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    assert seen.frames == []
    assert "secret" not in str(seen.reasons)


@pytest.mark.parametrize("reader", EVERY_READER)
def test_a_camera_that_speaks_only_udp_is_read_by_every_reader(shared: Shared, reader: AnyReader) -> None:
    with watching(shared("--fps", "50", "--transport", "udp").url, reader, stall_s=2.0) as seen:
        seen.wait(30)
    assert seen.said.count("reconnecting") <= 1
    assert seen.frames[-1].image.shape == (360, 640, 3)


@pytest.mark.skipif(len(HERE) == 1, reason=str(gstreamer_library.unavailable()))
def test_gstreamer_reads_a_camera_that_refuses_tcp_before_ffmpeg_is_tried(shared: Shared) -> None:
    with watching(shared("--fps", "50", "--transport", "udp").url, "auto", stall_s=2.0) as seen:
        seen.wait(1)
    assert seen.said.count("reconnecting") == 1
    assert seen.frames[0].reader.startswith("gstreamer")
    assert seen.frames[0].reader.endswith("UDP")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("wanted", ["tcp", "udp"])
def test_the_transport_can_be_chosen_and_is_told(
    shared: Shared, reader: AnyReader, wanted: Transport
) -> None:
    with watching(shared("--fps", "50").url, reader, transport=wanted) as seen:
        seen.wait(10)
    assert {frame.reader.rpartition(", ")[2] for frame in seen.frames} == {wanted.upper()}
    other = "udp" if wanted == "tcp" else "tcp"
    refusing = shared("--fps", "50", "--transport", other)
    with watching(refusing.url, reader, transport=wanted) as seen:
        deadline = time.monotonic() + 30
        while not seen.reasons or seen.reasons[-1] is None:
            assert time.monotonic() < deadline, seen.said
            time.sleep(0.05)
    assert not seen.frames


def test_the_way_that_works_is_kept() -> None:
    with (
        rtsp_camera("--fps", "50", "--transport", "udp") as camera,
        watching(camera.url, "auto", stall_s=2.0) as seen,
    ):
        seen.wait(10)
        before, failures = seen.frames[-1].reader, seen.said.count("reconnecting")
        camera.tell("cut")
        wait_until(lambda: seen.said.count("reconnecting") > failures)
        seen.wait(30)
    assert seen.frames[-1].reader == before
    assert seen.said.count("reconnecting") == failures + 1


@pytest.mark.parametrize("reader", EVERY_READER)
@pytest.mark.parametrize("written", ['p@ss"w\\ #%'])
def test_a_password_of_any_characters_reaches_the_camera_through_every_reader(
    shared: Shared, reader: AnyReader, written: str
) -> None:
    camera = shared("--fps", "50", "--password", 'p@ss"w\\ #%')
    with watching(camera.url.replace("://", f"://admin:{written}@"), reader) as seen:
        seen.wait(10)
    assert "reconnecting" not in seen.said


@pytest.mark.parametrize(
    ("reader", "login", "path", "says"),
    [
        ("auto", "admin:secret@", "", "percent-encode"),
        ("ffmpeg", "admin:secret@", "", "percent-encode"),
        ("auto", "", "", "wants a user and a password"),
        ("ffmpeg", "admin:right@", "/none", "404"),
    ],
)
def test_a_refusal_says_what_would_help(
    shared: Shared, reader: AnyReader, login: str, path: str, says: str
) -> None:
    url = shared("--password", "right").url.replace("://", f"://{login}") + path
    with watching(url, reader) as seen:
        deadline = time.monotonic() + 30
        while not seen.reasons or seen.reasons[-1] is None:
            assert time.monotonic() < deadline, seen.said
            time.sleep(0.05)
    reasons = " ".join(reason or "" for reason in seen.reasons)
    assert says in reasons
    assert "secret" not in reasons
