"""Every kind of source, in every container: the right pictures, at the right times, to the right end."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from edge_node.capture.camera import capture
from edge_node.config.camera_settings import CameraSettings
from edge_node.frames import Frame
from shared.errors import SourceError
from tests.sources import truth
from tests.sources.server import Server, made, serving

CONTAINERS = [
    "h264.mp4", "fragments.mp4", "h264.mov", "h264.mkv", "endless.mkv", "h264.ts", "h264.flv", "jpegs.avi",
    "vp8.webm", "vp9.webm", "hevc.mp4", "raw.h264", "raw.hevc", "raw.mjpeg", "varying.mkv", "gap.mkv",
    "late.mkv", "film.m3u8",
]  # fmt: skip
# Over HTTP without a length, a TS file or a raw stream has neither an end nor a duration: it is live.
WITHOUT_A_LENGTH = ["h264.mp4", "h264.mov", "h264.mkv", "jpegs.avi", "vp8.webm", "h264.flv", "film.m3u8"]


@pytest.fixture(scope="module")
def films() -> Path:
    folder, names, _ = made()
    if not names:
        pytest.skip("no films: apt install python3-gi gstreamer1.0-plugins-good gstreamer1.0-plugins-bad")
    return folder


@pytest.fixture(scope="module")
def server(films: Path) -> Iterator[Server]:
    with serving(films) as running:
        yield running


class Played:
    """What came of a source until it ended, or until there were `limit` frames."""

    def __init__(self, source: str, limit: int | None = None, **settings: object) -> None:
        self.frames: list[Frame] = []
        self.said: list[tuple[str, str | None]] = []
        stop = threading.Event()
        wanted = CameraSettings(source=source, **settings)  # type: ignore[arg-type]  # a table's row
        began = time.monotonic()
        for frame in capture("c", wanted, stop, lambda *said: self.said.append(said)):
            self.frames.append(frame)
            if len(self.frames) == limit:
                stop.set()
        self.took_s = time.monotonic() - began

    @property
    def times_s(self) -> list[float]:
        return [frame.monotonic_ns / 1e9 for frame in self.frames]

    @property
    def states(self) -> list[str]:
        return [state for state, _ in self.said]


def side_by_side(*sources: str, limit: int | None = None) -> list[Played]:
    """What came of several sources that were played at the same time."""
    with ThreadPoolExecutor(len(sources)) as players:
        return list(players.map(lambda source: Played(source, limit), sources))


def of(name: str) -> str:
    if name not in made()[1]:
        pytest.skip(f"GStreamer cannot make {name} here")
    return name


def check(played: Played, name: str) -> None:
    """Compare with what the maker of the films has written."""
    expected = truth.times_s(name)
    assert len(played.frames) == len(expected)
    assert np.abs(np.subtract(played.times_s, expected)).max() < 0.002
    shown = [float(frame.image[:, :, 1].mean()) for frame in played.frames]
    assert np.abs(np.subtract(shown, truth.greys(name))).max() < 8, "each picture in its place"
    assert {frame.clock for frame in played.frames} == {"media"}
    assert not any(frame.restarted for frame in played.frames)
    assert played.states == ["streaming", "ended"]


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("spelt", ["path", "file URL"])
def test_a_file_gives_every_picture_at_its_time(films: Path, name: str, spelt: str) -> None:
    path = str(films / of(name))
    check(Played(path if spelt == "path" else f"file://{path}", pace="fast"), name)


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("manner", ["ranges", "plain", "away", "closes"])
def test_a_film_over_http_is_played_like_a_file(server: Server, name: str, manner: str) -> None:
    check(Played(f"{server.url}/{manner}/{of(name)}", pace="fast"), name)


@pytest.mark.parametrize("name", WITHOUT_A_LENGTH)
def test_a_duration_tells_a_film_where_the_server_names_no_length(server: Server, name: str) -> None:
    check(Played(f"{server.url}/chunks/{of(name)}", pace="fast"), name)


@pytest.mark.parametrize("reader", ["auto", "ffmpeg", "gstreamer"])
@pytest.mark.parametrize("kind", ["path", "http", "hls"])
def test_the_choice_of_a_reader_for_rtsp_changes_no_film(
    films: Path, server: Server, reader: Literal["auto", "ffmpeg", "gstreamer"], kind: str
) -> None:
    sources = {
        "path": ("h264.mkv", str(films / "h264.mkv")),
        "http": ("h264.mkv", f"{server.url}/ranges/h264.mkv"),
        "hls": ("film.m3u8", f"{server.url}/plain/film.m3u8"),
    }
    name, source = sources[kind]
    check(Played(source, pace="fast", reader=reader), of(name))


@pytest.mark.timing
def test_a_film_takes_as_long_as_it_was_filmed_from_wherever_it_comes(films: Path, server: Server) -> None:
    sources = str(films / of("h264.mp4")), f"{server.url}/plain/h264.mp4"
    for played in side_by_side(*sources):
        assert 1.1 < played.took_s < 2.5


def test_a_looped_film_over_http_goes_on_counting(server: Server) -> None:
    played = Played(f"{server.url}/ranges/{of('h264.mp4')}", limit=70, pace="fast", loop=True)
    assert played.times_s == pytest.approx([i * 0.04 for i in range(70)])
    assert [frame.seq for frame in played.frames if frame.restarted] == [30, 60]
    assert "reconnecting" not in played.states


def test_a_film_over_http_that_breaks_off_is_played_to_its_end(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_node.capture.attempts.random.uniform", lambda *_: 0.01)
    played = Played(f"{server.url}/cut/{of('jpegs.avi')}", pace="fast")
    assert played.times_s == pytest.approx(truth.times_s("jpegs.avi"))
    assert "reconnecting" in played.states
    assert played.states[-1] == "ended"


def test_live_hls_is_read_at_its_own_pace_without_bursts_and_holes(server: Server) -> None:
    of("film.m3u8")
    played = Played(f"{server.url}/plain/live.m3u8", limit=55)
    apart = np.diff(played.times_s)
    assert apart.min() > 0.036
    assert apart.max() < 0.044
    assert 1.7 < played.took_s < 20
    ages_s = [(frame.born_ns - frame.monotonic_ns) / 1e9 for frame in played.frames]
    assert max(ages_s) < 0.01, "the age of a frame counts from when it was filmed"
    assert {frame.clock for frame in played.frames} == {"stream"}
    assert played.states == ["streaming", "ended"]


@pytest.mark.parametrize("name", ["h264.ts", "endless.mkv"])
def test_an_endless_stream_over_http_and_a_pipe_are_read_at_their_own_pace(
    films: Path, server: Server, tmp_path: Path, name: str
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes((films / of(name)).read_bytes()))
    writer.start()
    for played in side_by_side(str(pipe), f"{server.url}/chunks/{name}", limit=25):
        apart = np.diff(played.times_s)
        assert apart.min() > 0.036
        assert apart.max() < 0.044
        assert {frame.clock for frame in played.frames} == {"stream"}
    writer.join(30)


def test_a_live_source_is_no_batch_job_and_an_absent_one_is_not_waited_for(server: Server) -> None:
    of("film.m3u8")
    for source, says in (
        (f"{server.url}/plain/live.m3u8", "is live"),
        (f"{server.url}/ranges/none.mp4", "404"),
        ("http://127.0.0.1:9/a.mp4", "refused"),
    ):
        frames = capture(
            "c", CameraSettings(source=source, pace="fast"), threading.Event(), lambda *_: None, must_end=True
        )
        with pytest.raises(SourceError, match=says):
            list(frames)


NAMES = [
    "2026-05-01T08:15:00.mp4", "-x.mp4", "%d.mp4", "50%03d.mp4", "a b.mp4", "a#b?c.mp4", "new\nline.mp4",
    "http:x.mp4", "käse-動画.mp4", "'quoted\".mp4", "no extension",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("relative", [True, False])
def test_a_file_is_found_whatever_its_name_is(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, relative: bool
) -> None:
    (tmp_path / name).write_bytes((films / of("h264.mp4")).read_bytes())
    monkeypatch.chdir(tmp_path)
    check(Played(name if relative else str(tmp_path / name), pace="fast"), "h264.mp4")


def test_a_file_below_dev_and_a_link_to_one_are_files(films: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.mp4"
    link.symlink_to(films / of("h264.mp4"))
    check(Played(str(link), pace="fast"), "h264.mp4")
    shared = Path(f"/dev/shm/darner-test-{os.getpid()}.mp4")  # noqa: S108 - a name of its own
    if not os.access(shared.parent, os.W_OK):
        pytest.skip("no /dev/shm to write to")
    try:
        shared.write_bytes((films / "h264.mp4").read_bytes())
        check(Played(str(shared), pace="fast"), "h264.mp4")
    finally:
        shared.unlink(missing_ok=True)


def test_a_name_that_is_not_utf_8_is_one_clear_error(films: Path, tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.mp4")
    Path(name).write_bytes((films / of("h264.mp4")).read_bytes())
    with pytest.raises(SourceError, match=r"\\xe9.mp4.*not UTF-8"):
        Played(name)


def test_a_gap_in_a_film_is_said_and_not_waited_out(
    films: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edge_node.capture.film._LONGEST_WAIT_S", 0.2)
    played = Played(str(films / of("gap.mkv")), limit=15)
    assert played.took_s < 9, "10 s is the longest wait but here"
    assert played.times_s == pytest.approx(truth.times_s("gap.mkv")[:15], abs=0.002)
    assert "a gap of 600 s" in caplog.text


def test_times_that_are_guessed_are_said_to_be(films: Path, caplog: pytest.LogCaptureFixture) -> None:
    Played(str(films / of("raw.h264")), limit=70, pace="fast", loop=True)
    assert caplog.text.count("lacks time stamps; its times are guessed from 25 frames a second") == 1
    caplog.clear()
    Played(str(films / of("h264.mkv")), pace="fast")
    assert "guessed" not in caplog.text


def test_intervals_of_a_restarted_film_stay_even(films: Path) -> None:
    played = Played(str(films / of("late.mkv")), limit=65, pace="fast", loop=True)
    assert [b - a for a, b in itertools.pairwise(played.times_s)] == pytest.approx([0.04] * 64, abs=0.002)
