"""A file with the state of a program: what it holds after a restart, a full disk, and damage."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.errors import ConfigError, OutputError
from shared.storage.state_file import StateFile


@dataclass(frozen=True)
class Kept:
    number: int


def positive(kept: Kept) -> None:
    if kept.number < 1:
        raise ConfigError("number: is below 1")


def file(path: Path | None) -> StateFile[Kept]:
    return StateFile(path, Kept, "the program begins anew", check=positive)


def test_what_was_written_is_read_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "kept.json"
    assert file(path).read() is None
    file(path).write(Kept(3))
    path.chmod(0o644)  # as a backup may have brought it back
    assert file(path).read() == Kept(3)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_path_nothing_is_kept() -> None:
    file(None).write(Kept(3))
    assert file(None).read() is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 2000, b'{"number": "3"}', b'{"number": 0}'])
def test_a_file_that_cannot_be_used_is_set_aside(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "kept.json"
    path.write_bytes(content)
    assert file(path).read() is None
    assert (tmp_path / "kept.damaged").read_bytes() == content
    assert "renamed to kept.damaged; the program begins anew" in caplog.text


def test_a_disk_that_does_not_take_it_is_an_error_and_the_old_content_stays(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    file(path).write(Kept(3))
    path.with_name("there").write_text("")
    with pytest.raises(OutputError, match=r"kept\.json: cannot be written \(.+\); nothing was changed"):
        file(tmp_path / "there" / "kept.json").write(Kept(4))
    assert file(path).read() == Kept(3)
