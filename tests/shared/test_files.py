"""Files that are complete or not there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from shared.files import PartFile, write_whole


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_whole_file_is_created_with_its_folders_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "file.json"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("before", "mode", "after"),
    [
        pytest.param(None, None, 0o640, id="new: the process's default"),
        pytest.param(None, 0o600, 0o600, id="new: a secret"),
        pytest.param(0o604, None, 0o604, id="replaced: as it was"),
        pytest.param(0o644, 0o600, 0o600, id="replaced: a secret"),
    ],
)
def test_permissions_of_a_whole_file(
    before: int | None, mode: int | None, after: int, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(b"")
        path.chmod(before)
    umask = os.umask(0o027)
    try:
        write_whole(path, b"data", mode)
    finally:
        os.umask(umask)
    assert permissions(path) == after


def test_a_file_that_fails_half_way_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write_whole(path, b"old")
    with pytest.raises(RuntimeError), PartFile(path) as part:
        part.path.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_not_kept_disappears(tmp_path: Path) -> None:
    with PartFile(tmp_path / "video.mp4") as part:
        part.path.write_bytes(b"frames")
        assert part.path.suffix == ".mp4"
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_replaced_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "folder", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_what_is_on_disk_is_synced_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def replaced(path: Path, target: Path) -> Path:
        done.append("name")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    write_whole(tmp_path / "file", b"data")
    assert done == ["file", "name", "folder"]
