from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_node.batch.video_file import LONGEST_S, VideoFile
from shared.errors import OutputError

FPS = 10.0
SHADES = 12
"""Pictures that can still be told apart by their grey after encoding."""


def grey(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((48, 64, 3), 20 * (number % SHADES + 1), np.uint8)


def written(path: Path, times: list[float], fps: float = FPS) -> list[int]:
    """The number of the picture that each frame of the file shows."""
    with VideoFile(path, fps) as video:
        for number, at_s in enumerate(times):
            video.write(grey(number), at_s)
        video.finish()
    reader = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    assert reader.get(cv2.CAP_PROP_FPS) == pytest.approx(fps)
    frames = [image for good, image in iter(reader.read, (False, None)) if good]
    return [round(float(frame.mean()) / 20) - 1 for frame in frames]


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        pytest.param([0, 0.1, 0.2, 0.3], [0, 1, 2, 3], id="steady"),
        pytest.param([0, 0.4, 0.5], [0, 0, 0, 0, 1, 2], id="slower for a while: repeated"),
        pytest.param([0, 0.02, 0.04, 0.1], [2, 3], id="faster for a while: the last one"),
        pytest.param([0.3, 0.4], [0, 0, 0, 0, 1], id="begins late"),
        pytest.param([0, 0.1, 0.1, 0.1, 0.4], [0, 3, 3, 3, 4], id="times that stand still"),
        pytest.param([0, 0.3, 0.2, 0.5], [0, 0, 0, 2, 2, 3], id="a time that goes back"),
    ],
)
def test_a_picture_is_shown_from_its_time_until_that_of_the_next(
    times: list[float], shown: list[int], tmp_path: Path
) -> None:
    assert written(tmp_path / "out.mp4", times) == shown


def test_pictures_stay_in_their_place_however_long_the_video(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    times = np.cumsum(random.choice([0.033, 0.034, 0.2, 0.71], size=400)).tolist()
    shown = written(tmp_path / "out.mp4", times, 30.0)
    for number, (at_s, next_s) in enumerate(itertools.pairwise(times)):
        if round(next_s * 30) > round(at_s * 30):
            assert shown[round(at_s * 30)] == number % SHADES
    assert len(shown) == round(times[-1] * 30) + 1


def test_a_long_gap_is_shortened_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shown = written(tmp_path / "out.mp4", [0, 0.1, 3600.0, 3600.1])
    assert shown == [0, *[1] * int(LONGEST_S * FPS), 2, 3]
    assert "a gap of 3600 s before 3600.0 s is shortened to 10 s" in caplog.text


def test_frames_that_are_always_far_apart_are_no_gaps(tmp_path: Path) -> None:
    assert written(tmp_path / "out.mp4", [0.0, 20.0, 40.0], 0.05) == [0, 1, 2]


def test_a_video_keeps_its_first_size_and_is_looked_at_when_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoFile(path, FPS) as video:
        for number, size in enumerate(((48, 64), (48, 64), (96, 128))):
            video.write(np.full((*size, 3), 99, np.uint8), number / FPS)
        video.finish()
    reader = cv2.VideoCapture(str(path))
    shapes = [image.shape for good, image in iter(reader.read, (False, None)) if good]
    assert shapes == [(48, 64, 3)] * 3


@pytest.mark.parametrize("name", ["08:15:00.mp4", "%d.mp4", "-x.mp4", "a b#c?.mp4", "line\nfeed.mp4"])
def test_a_file_may_have_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert written(Path(name), [0, 0.1]) == [0, 1]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with (
        VideoFile(tmp_path / "none" / "out.mp4", FPS) as video,
        pytest.raises(OutputError, match="cannot write"),
    ):
        video.write(grey(0), 0.0)
