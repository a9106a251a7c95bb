from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_node.capture.camera import capture
from edge_node.capture.opening import Source
from edge_node.capture.readers.interface import Feed, Taken
from edge_node.config.camera_settings import CameraSettings
from edge_node.frames import Frame
from edge_node.pictures import U8
from shared.errors import SourceError


def picture(number: int) -> U8:
    return np.full((48, 64, 3), number * 20, np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "five.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (64, 48))
    for number in range(5):
        writer.write(picture(number))
    writer.release()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number))
    (tmp_path / "1b.png").write_text("no picture")
    (tmp_path / "notes.txt").write_text("no picture either")
    return tmp_path


class Statuses(list[tuple[str, str | None]]):
    """Records the states that a camera reports."""

    def __call__(self, status: str, reason: str | None) -> None:
        self.append((status, reason))


def run(settings: CameraSettings, limit: int | None = None) -> tuple[list[Frame], Statuses]:
    stop, said = threading.Event(), Statuses()
    frames = []
    for frame in capture("c", settings, stop, said):
        frames.append(frame)
        if len(frames) == limit:
            stop.set()
    return frames, said


def shades(frames: list[Frame]) -> list[int]:
    return [round(float(frame.image.mean()) / 20) for frame in frames]


def test_a_file_gives_every_frame_once_on_its_own_clock(video: Path) -> None:
    frames, said = run(CameraSettings(source=str(video), pace="fast"))
    assert shades(frames) == [0, 1, 2, 3, 4]
    assert [frame.seq for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.monotonic_ns for frame in frames] == [n * 50_000_000 for n in range(5)]
    assert not any(frame.restarted for frame in frames)
    assert said == [("streaming", None), ("ended", None)]


def test_a_file_keeps_its_last_frames_when_a_stream_was_opened_before_it(video: Path) -> None:
    stop = threading.Event()
    stream = CameraSettings(source="rtsp://127.0.0.1:9/none")
    list(capture("other", stream, stop, lambda *_: stop.set()))
    assert len(run(CameraSettings(source=str(video), pace="fast"))[0]) == 5


def test_a_looped_file_continues_its_numbers_and_times_and_marks_each_restart(video: Path) -> None:
    frames, _ = run(CameraSettings(source=str(video), pace="fast", loop=True), limit=12)
    assert [frame.seq for frame in frames] == list(range(12))
    assert [frame.monotonic_ns for frame in frames] == [n * 50_000_000 for n in range(12)]
    assert [frame.seq for frame in frames if frame.restarted] == [5, 10]


def test_a_file_in_real_time_takes_as_long_as_it_was_filmed(video: Path) -> None:
    start = time.monotonic()
    run(CameraSettings(source=str(video), pace="realtime"))
    assert time.monotonic() - start >= 0.19


def test_a_folder_gives_its_pictures_by_name_and_skips_other_files(folder: Path) -> None:
    frames, _ = run(CameraSettings(source=str(folder), pace="fast", fps=4))
    assert shades(frames) == [0, 1, 2]
    assert [frame.monotonic_ns / 1e9 for frame in frames] == [0, 0.25, 0.75]


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "not a video"), (b"RIFF" + bytes(2000), "not a video"), (b"text" * 99, "not a video")],
)
def test_a_file_that_is_not_a_video_is_one_clear_error(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad.avi"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=says):
        run(CameraSettings(source=str(path)))


class Scripted:
    """Stands for a camera: gives a number of pictures, then none."""

    name = "scripted"
    feed: Feed = "pushed"
    rate = segment_s = 0.0
    seconds: float | None = None

    def __init__(self, pictures: int) -> None:
        self._left = pictures

    def read(self) -> Taken | None:
        self._left -= 1
        return Taken(picture(1)) if self._left >= 0 else None

    def close(self) -> None:
        """Nothing to release."""


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A camera that is away, gives 2 pictures, is away twice, and then stays."""
    script: Iterator[str | int] = iter(["away", 2, "away", "away", 100])
    opened = []

    def fake_open(source: Source) -> Scripted:
        step = next(script)
        opened.append(str(step))
        if isinstance(step, str):
            raise SourceError(f"camera c: cannot open {source.shown}")
        return Scripted(step)

    monkeypatch.setattr(Source, "open", fake_open)
    monkeypatch.setattr("random.uniform", lambda *_: 0.001)
    yield opened


def test_a_live_camera_reconnects_by_itself_and_continues_its_numbers(flaky: list[str]) -> None:
    frames, said = run(CameraSettings(source="rtsp://u:secret@cam/1"), limit=5)
    assert [frame.seq for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.seq for frame in frames if frame.restarted] == [2]
    assert flaky == ["away", "2", "away", "away", "100"]
    assert [status for status, _ in said] == [
        "reconnecting", "streaming", "reconnecting", "reconnecting", "reconnecting", "streaming", "ended"
    ]  # fmt: skip
    assert "secret" not in str(said)


class Stream(http.server.BaseHTTPRequestHandler):
    """An IP camera that sends a number of JPEGs over HTTP, then closes the connection."""

    pictures = 12

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        with contextlib.suppress(OSError):  # the reader closed the connection first
            for number in range(self.pictures):
                jpeg = cv2.imencode(".jpg", picture(number % 10))[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
                time.sleep(0.02)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def test_a_camera_over_http_is_read_and_reconnected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("random.uniform", lambda *_: 0.001)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stream)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    source = f"http://127.0.0.1:{server.server_port}/stream.mjpg"
    frames, said = run(CameraSettings(source=source), limit=15)
    server.shutdown()
    server.server_close()
    thread.join()
    assert [frame.seq for frame in frames] == list(range(15))
    assert [status for status, _ in said] == ["streaming", "reconnecting", "streaming", "ended"]
    assert sum(frame.restarted for frame in frames) == 1
    times = [frame.monotonic_ns for frame in frames]
    assert times == sorted(times)


def test_a_stop_ends_the_wait_for_a_camera_that_is_away() -> None:
    stop, said = threading.Event(), Statuses()
    settings = CameraSettings(source="rtsp://127.0.0.1:9/none")
    thread = threading.Thread(target=lambda: list(capture("c", settings, stop, said)))
    thread.start()
    time.sleep(0.3)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


class Recorded(threading.Event):
    """A stop that never waits but records each timeout, and is set after a number of them."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._times = times

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        if len(self.waits) == self._times:
            self.set()
        return self.is_set()


def test_a_camera_that_is_away_for_long_is_tried_every_two_seconds_at_most() -> None:
    stop = Recorded(6)
    assert list(capture("c", CameraSettings(source="rtsp://127.0.0.1:9/none"), stop, Statuses())) == []
    assert len(stop.waits) == 6
    assert all(0.5 <= wait <= 2.0 for wait in stop.waits)
    assert max(stop.waits) > 1.0, "and not in haste"


def test_a_camera_that_cannot_be_opened_is_logged_once_and_without_its_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop = threading.Event()

    def end_after_two(status: str, reason: str | None) -> None:
        counted.append((status, reason))
        if len(counted) == 2:
            stop.set()

    counted: list[tuple[str, str | None]] = []
    settings = CameraSettings(source="rtsp://u:secret@127.0.0.1:9/none")
    assert list(capture("c", settings, stop, end_after_two)) == []
    assert "secret" not in caplog.text + str(counted)
    assert caplog.text.count("trying again") == 1


def test_a_film_s_picture_of_another_size_begins_anew(tmp_path: Path) -> None:
    for number, width in enumerate([64, 64, 96, 96]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((48, width, 3), np.uint8))
    frames, said = run(CameraSettings(source=str(tmp_path), pace="fast"))
    assert [frame.seq for frame in frames if frame.restarted] == [2]
    assert said == [("streaming", None), ("ended", None)]


def test_times_do_not_go_back_with_the_host_s_clock_and_ages_do_not_jump(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_ns, shift_s = time.time_ns, 0.0
    monkeypatch.setattr("time.time_ns", lambda: true_ns() + round(shift_s * 1e9))
    stop = threading.Event()
    settings = CameraSettings(source=str(video), pace="fast", loop=True)
    captured, ages_s = [], []
    for frame in capture("c", settings, stop, Statuses()):
        captured.append(frame.captured_ns)
        ages_s.append((time.monotonic_ns() - frame.born_ns) / 1e9)
        shift_s = -30.0 if frame.seq >= 10 else 0.0
        if frame.seq == 30:
            stop.set()
    assert captured == sorted(captured)
    assert max(map(abs, ages_s)) < 20, "and not the 30 s of the host's clock"


class Lends:
    """Lends ordinary memory, and keeps it to be recognised."""

    def __init__(self) -> None:
        self.lent: list[U8] = []

    def lend(self, height: int, width: int) -> U8:
        self.lent.append(np.empty((height, width, 3), np.uint8))
        return self.lent[-1]


def test_a_video_is_decoded_into_the_memory_that_the_engine_lends(video: Path) -> None:
    lender = Lends()
    settings = CameraSettings(source=str(video), pace="fast")
    lent = list(capture("c", settings, threading.Event(), Statuses(), lender=lambda: lender))
    plain = list(capture("c", settings, threading.Event(), Statuses()))
    # The first picture shows how large the others are.
    places = [[id(one) for one in lender.lent].index(id(frame.image)) for frame in lent[1:]]
    assert places == [0, 1, 2, 3]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(lent, plain, strict=True))


def test_an_engine_may_begin_to_lend_memory_and_end_it_while_a_camera_runs(video: Path) -> None:
    lender, offers = Lends(), iter([None, "lends", None, "lends", None, None])
    settings = CameraSettings(source=str(video), pace="fast")
    said = capture(
        "c", settings, threading.Event(), Statuses(), lender=lambda: lender if next(offers) else None
    )
    assert [round(float(frame.image.mean()) / 20) for frame in said] == [0, 1, 2, 3, 4]
    assert len(lender.lent) == 2
