from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_node.batch.jobs import names
from shared.errors import ConfigError


@pytest.mark.parametrize(
    ("videos", "called"),
    [
        (["a/day.mp4", "b/night.mp4"], ["day", "night"]),
        (["a/day.mp4", "a/day.avi", "c.mp4"], ["day.mp4", "day.avi", "c"]),
        (["a/day.mp4", "b/day.mp4", "b/c.mp4"], ["a-day.mp4", "b-day.mp4", "c"]),
        (["x/a/day.mp4", "y/a/day.mp4"], ["x-a-day.mp4", "y-a-day.mp4"]),
        (["a/b-day.mp4", "a-b/day.mp4", "b/day.mp4"], ["b-day", "a-b-day.mp4", "b-day.mp4"]),
        (["Day.mp4", "day.MP4"], ["Day.mp4-1", "day.MP4-2"]),
        (["/Day.mp4", "/x/Day.mp4-1", "/day.MP4"], ["Day.mp4-2", "Day.mp4-1", "day.MP4-3"]),
        (["2026-05-01T08:15:00.mp4"], ["2026-05-01T08:15:00"]),
        (["http://h/v/clip.mp4?user=me&password=secret"], ["clip"]),
        (["http://me:secret@h/?token=secret"], ["h"]),
        (["/"], ["video"]),
        (["//"], ["video"]),
        (["sst://[::"], ["video"]),
        (["http://h/a%2Fb/..%2f..%2fx%00.mp4"], ["x-"]),
    ],
)
def test_results_are_called_like_their_videos_and_can_be_told_apart(
    videos: list[str], called: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = names(videos)
    assert [name.replace(f"{'-'.join(tmp_path.parts[1:])}-", "") for name in found] == called
    assert len({name.casefold() for name in found}) == len(videos)
    assert not any("/" in name or "secret" in name for name in found)


def test_a_folder_has_no_extension(tmp_path: Path) -> None:
    for day in ("2026.05.01", "2026.05.02"):
        (tmp_path / day).mkdir()
    assert names([str(tmp_path / "2026.05.01"), str(tmp_path / "2026.05.02")]) == ["2026.05.01", "2026.05.02"]


def test_a_name_of_any_bytes_is_a_name() -> None:
    assert names([os.fsdecode(b"caf\xe9.mp4"), "~nobody-has-this-name/x.mp4"]) == ["caf\udce9", "x"]


def test_a_video_that_is_named_twice_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"day\.mp4: is named twice"):
        names([f"{tmp_path}/day.mp4", f"{tmp_path}/./day.mp4"])
