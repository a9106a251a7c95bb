from __future__ import annotations

import errno
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_node.collect.shelf import NoRoom, Shelf
from shared import collected
from tests.edge_node.collect.shown import said

MINUTE = 60_000_000
JPEG = b"\xff\xd8" + b"x" * 5000 + b"\xff\xd9"
PLENTY = 10**9


def shelf(folder: Path) -> Shelf:
    one = Shelf(folder, reserve_bytes=0)
    one.tidy()
    one.look()
    return one


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def filled(folder: Path, count: int, most: int = 100) -> Shelf:
    one = shelf(folder)
    for minute in range(count):
        one.add(JPEG, said(minute * MINUTE), most, PLENTY)
    return one


def test_a_picture_is_kept_with_what_is_said_of_it_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "node" / "street"
    shelf(folder).add(JPEG, said(MINUTE), 10, PLENTY)
    [picture] = collected.pictures(folder)
    assert picture.read_bytes() == JPEG
    assert collected.read(picture) == said(MINUTE)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, picture)] == [0o700, 0o600]
    assert names(folder) == {f"{MINUTE}-0.jpg", f"{MINUTE}-0.json"}


def test_there_are_never_more_than_the_limits_allow(tmp_path: Path) -> None:
    one = filled(tmp_path, 12, most=5)
    assert len(one) == len(list(collected.pictures(tmp_path))) == 5
    assert collected.when(one.newest(1)[0]) == (11 * MINUTE, 0)
    one.add(JPEG, said(100 * MINUTE), 5, 3 * (one.size // 5) + 100)
    assert len(one) == 3
    there = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert one.size == there


def test_the_limits_hold_over_restarts(tmp_path: Path) -> None:
    filled(tmp_path, 5)
    again = shelf(tmp_path)
    assert len(again) == 5
    again.add(JPEG, said(50 * MINUTE), 4, PLENTY)
    assert len(list(collected.pictures(tmp_path))) == 4


def test_a_lowered_limit_takes_effect_at_once(tmp_path: Path) -> None:
    one = filled(tmp_path, 8)
    one.make_room(None, 3, PLENTY)
    assert len(list(collected.pictures(tmp_path))) == 3


def test_what_a_crash_left_is_taken_away_and_nothing_else(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    kept = names(tmp_path)
    (tmp_path / "77-1.json").write_bytes(collected.serialise(said(77)))
    (tmp_path / ".77-1.0123abcd.part.jpg").write_bytes(b"half")
    (tmp_path / ".78-1.0123abcd.part.json").write_bytes(b"half")
    others = {".annotations.0123abcd.part.json", "annotations.json", "notes.json", "99-1.jpg", "88-1.txt"}
    for name in others:
        (tmp_path / name).write_text("mine")
    one = shelf(tmp_path)
    assert names(tmp_path) == kept | others
    assert len(one) == 1


@pytest.mark.parametrize("above", [False, True])
def test_labelled_pictures_are_never_given_up(tmp_path: Path, above: bool) -> None:
    folder = tmp_path / "street"
    one = filled(folder, 5)
    wanted = [f"{minute * MINUTE}-0.jpg" for minute in (0, 1, 2)]
    images = [{"id": i, "file_name": f"street/{name}" if above else name} for i, name in enumerate(wanted)]
    place = tmp_path if above else folder
    (place / collected.ANNOTATIONS).write_text(json.dumps({"images": images, "annotations": []}))
    for minute in range(5, 12):
        one.add(JPEG, said(minute * MINUTE), 5, PLENTY)
    assert set(wanted) <= names(folder)
    assert len(one) == 5
    images += [{"id": 9, "file_name": path.name} for path in collected.pictures(folder)]
    (place / collected.ANNOTATIONS).write_text(json.dumps({"images": images}))
    with pytest.raises(NoRoom, match="labelled"):
        one.add(JPEG, said(99 * MINUTE), 5, PLENTY)
    assert len(list(collected.pictures(folder))) == 5


@pytest.mark.parametrize("content", ["{", '{"images": 1}', '{"images": [{"file_name": 1}]}', "[" * 100_000])
def test_labels_that_cannot_be_read_keep_every_picture(tmp_path: Path, content: str) -> None:
    one = filled(tmp_path, 3)
    (tmp_path / collected.ANNOTATIONS).write_text(content)
    with pytest.raises(NoRoom, match=r"annotations\.json: cannot be read"):
        one.add(JPEG, said(9 * MINUTE), 3, PLENTY)
    assert len(list(collected.pictures(tmp_path))) == 3


def test_what_people_delete_and_add_meanwhile_is_respected(tmp_path: Path) -> None:
    one = filled(tmp_path, 4)
    (tmp_path / f"{MINUTE}-0.jpg").unlink()
    (tmp_path / f"{MINUTE}-0.json").unlink()
    (tmp_path / "holiday.jpg").write_bytes(b"not ours")
    (tmp_path / "holiday.json").write_bytes(b"not ours")
    one.add(JPEG, said(9 * MINUTE), 4, PLENTY)
    assert len(one) == 4
    assert "holiday.jpg" in names(tmp_path)


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "street"
    one = filled(folder, 3)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    one.add(JPEG, said(9 * MINUTE), 4, PLENTY)
    assert len(one) == len(list(collected.pictures(folder))) == 1


def test_a_damaged_sidecar_counts_and_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    filled(tmp_path, 3)
    for minute in (0, 1):
        (tmp_path / f"{minute * MINUTE}-0.json").write_text("{")
    one = shelf(tmp_path)
    assert len(one) == 3
    assert caplog.text.count("0.json: not JSON") == 1
    one.add(JPEG, said(9 * MINUTE), 3, PLENTY)
    assert len(one) == 3


def test_a_picture_that_is_larger_than_all_may_be_gives_up_nothing(tmp_path: Path) -> None:
    one = filled(tmp_path, 2)
    with pytest.raises(NoRoom, match="raise megabytes"):
        one.add(JPEG, said(9 * MINUTE), 10, 1000)
    assert len(one) == 2


def test_some_of_the_disk_is_left_to_the_events(tmp_path: Path) -> None:
    one = Shelf(tmp_path / "street", free=lambda _: 100_004_000)
    with pytest.raises(OSError, match="less than 100 MB are free") as full:
        one.add(JPEG, said(MINUTE), 10, PLENTY)
    assert full.value.errno == errno.ENOSPC
    assert not list(collected.pictures(tmp_path / "street"))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let the kernel refuse larger files, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("room", [100, 2000], ids=["not even its sidecar", "only its sidecar"])
def test_a_full_disk_leaves_no_half_picture(tmp_path: Path, room: int) -> None:
    one = filled(tmp_path, 2)
    before = names(tmp_path)
    with files_of_at_most(room), pytest.raises(OSError, match="File too large"):
        one.add(JPEG, said(9 * MINUTE), 10, PLENTY)
    assert names(tmp_path) == before
    one.add(JPEG, said(9 * MINUTE), 10, PLENTY)
    assert len(one) == 3


WRITES = """
import sys
from pathlib import Path
from edge_node.collect.shelf import Shelf
from tests.edge_node.collect.shown import said
shelf, count = Shelf(Path(sys.argv[1]), reserve_bytes=0), 0
while True:
    shelf.add(b"\\xff\\xd8" + b"x" * 400_000 + b"\\xff\\xd9", said(count * 60_000_000), 6, 10**9)
    count += 1
    print(count, flush=True)
"""


def test_a_kill_in_the_middle_of_a_write_leaves_whole_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "street"
    for wait_s in (0.0, 0.007):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITES, str(folder)], stdout=subprocess.PIPE, env={**os.environ}
        )
        assert writer.stdout is not None
        while int(writer.stdout.readline()) < 8:  # some were given up already
            pass
        time.sleep(wait_s)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        one = shelf(folder)
        pictures = list(collected.pictures(folder))
        assert 4 <= len(pictures) == len(one) <= 7
        for picture in pictures:
            assert picture.stat().st_size == 400_004
            collected.read(picture)
        assert len(names(folder)) == 2 * len(pictures)
