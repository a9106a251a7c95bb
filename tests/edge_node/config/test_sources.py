from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from edge_node.config.camera_settings import CameraSettings
from edge_node.config.sources import are_read_fast, check_source, describe, is_read_fast, may_come_later
from shared.errors import SourceError


@pytest.mark.parametrize(
    ("source", "live"),
    [(0, True), ("0", True), ("/dev/video2", True), ("rtsp://x", True), ("a.mp4", False), (".", False)],
)
def test_webcams_and_addresses_may_come_later_and_paths_must_be_there(source: int | str, live: bool) -> None:
    assert may_come_later(source) is live


@pytest.mark.parametrize(
    ("source", "pace", "fast"),
    [("a.mp4", "fast", True), ("a.mp4", "realtime", False), ("rtsp://x", "fast", False), (0, "fast", False)],
)
def test_only_files_can_be_read_faster_than_they_were_filmed(
    source: int | str, pace: Literal["realtime", "fast"], fast: bool
) -> None:
    camera = CameraSettings(source=source, pace=pace)
    assert is_read_fast(camera) is fast
    film = CameraSettings(source="film.mp4", pace="fast")
    assert are_read_fast({"one": film, "other": camera}) is fast


def test_a_source_is_shown_without_its_password_and_folder() -> None:
    assert describe("rtsp://u:p@cam/1") == "rtsp://cam/1"
    assert describe("/home/me/holiday.mp4") == "holiday.mp4"


@pytest.mark.parametrize("name", ["nothing.avi", "no/such/dir"])
def test_a_missing_file_is_refused_at_start(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="no such file"):
        check_source("c", str(tmp_path / name))


def test_a_folder_without_pictures_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no pictures"):
        check_source("c", str(tmp_path))


def test_a_file_a_folder_with_pictures_and_a_camera_that_is_away_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "a.PNG").touch()
    for source in (str(tmp_path), str(tmp_path / "a.PNG"), "rtsp://127.0.0.1:9/away", 7):
        check_source("c", source)
