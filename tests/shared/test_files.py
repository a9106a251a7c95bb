"""Files that are complete or not there."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from shared.files import (
    PRIVATE,
    PartFile,
    create_private,
    make_private,
    move_whole,
    open_lock,
    private_folder,
    write_whole,
)


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


@pytest.mark.parametrize("name", ["é" * 125 + ".json", "x" * 200 + "." + "y" * 54, "." + "é" * 127])
def test_a_file_may_have_the_longest_name_that_the_file_system_takes(name: str, tmp_path: Path) -> None:
    write_whole(tmp_path / name, b"data")
    assert (tmp_path / name).read_bytes() == b"data"


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
    move_whole(tmp_path / "file", tmp_path / "place")
    assert done == 2 * ["file", "name", "folder"]


def test_a_file_system_that_cannot_sync_folders_takes_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def of_files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", of_files_only)
    write_whole(tmp_path / "file", b"data")
    move_whole(tmp_path / "file", tmp_path / "place")
    assert (tmp_path / "place").read_bytes() == b"data"


def test_a_file_about_people_and_its_folder_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "darner" / "zones.json"
    write_whole(path, b"{}", PRIVATE)
    assert permissions(path) == 0o600
    assert permissions(path.parent) == 0o700


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    private_folder(tmp_path)
    assert permissions(tmp_path) == 0o755


@pytest.mark.parametrize(
    ("before", "after"), [(0o644, 0o600), (0o640, 0o600), (0o600, 0o600), (0o400, 0o400)]
)
def test_a_file_of_before_is_made_private(tmp_path: Path, before: int, after: int) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(before)
    make_private(path)
    assert permissions(path) == after


def test_what_a_link_names_and_what_is_missing_stay_as_they_are(tmp_path: Path) -> None:
    other, link = tmp_path / "other", tmp_path / "link"
    other.touch()
    other.chmod(0o644)
    link.symlink_to(other)
    make_private(link)
    make_private(tmp_path / "missing")
    assert permissions(other) == 0o644


def test_a_folder_of_before_is_closed_to_strangers_and_stays_open_to_its_group(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o2775)
    make_private(folder)
    assert permissions(folder) == 0o2770


def test_an_empty_file_is_created_once(tmp_path: Path) -> None:
    path = tmp_path / "db"
    create_private(path)
    assert permissions(path) == 0o600
    path.write_bytes(b"data")
    create_private(path)
    assert path.read_bytes() == b"data"


def test_a_link_under_the_name_of_a_part_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"theirs")
    monkeypatch.setattr("secrets.token_hex", lambda _: "known")
    (tmp_path / ".file.known.part.json").symlink_to(other)
    with pytest.raises(FileExistsError):
        write_whole(tmp_path / "file.json", b"ours")
    assert other.read_bytes() == b"theirs"


def test_a_lock_is_its_owners_alone_and_follows_no_link(tmp_path: Path) -> None:
    lock, other = tmp_path / "db.lock", tmp_path / "other"
    for _ in range(2):
        open_lock(lock).close()
        assert permissions(lock) == 0o600
    other.write_bytes(b"theirs")
    (tmp_path / "link.lock").symlink_to(other)
    with pytest.raises(OSError, match="symbolic links"):
        open_lock(tmp_path / "link.lock")
    assert other.read_bytes() == b"theirs"
