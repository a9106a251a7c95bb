"""Files that appear under their name only when they are complete, and then survive a power cut."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO

PRIVATE = 0o600
"""Permissions of files about people, and of secrets: their owner's alone."""
_NAME_BYTES = 255


def private_folder(path: Path) -> None:
    """Make a folder that only its owner may enter. One that is there already stays as it is.

    Raises:
        OSError: It cannot be made.
    """
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)


def make_private(path: Path) -> None:
    """Take a file away from everybody but its owner, and a folder from everybody but owner and group.

    What is not there, or not ours, stays as it is. Not through a descriptor: closing one of an open SQLite
    file ends its locks.
    """
    with suppress(OSError):
        found = path.lstat()
        kept = {stat.S_IFREG: 0o700, stat.S_IFDIR: 0o7770}.get(stat.S_IFMT(found.st_mode), 0o7777)
        if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & ~kept:
            path.chmod(stat.S_IMODE(found.st_mode) & kept)


def open_lock(path: Path) -> IO[bytes]:
    """Open a file that is there to be locked, and create it for its owner alone; no link is followed.

    Raises:
        OSError: It cannot be opened, or a link has its name.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, PRIVATE), "r+b", buffering=0)


def open_new(path: Path, mode: int) -> int:
    """Create a file that nobody has created before, and follow no link to it; its descriptor, for writing.

    Raises:
        FileExistsError: There is something of that name.
        OSError: It cannot be created.
    """
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_WRONLY, mode)


def create_private(path: Path) -> None:
    """Create an empty file for its owner alone, unless it is there.

    Raises:
        OSError: It cannot be created.
    """
    with suppress(FileExistsError):
        os.close(open_new(path, PRIVATE))


def is_readable(path: Path) -> bool:
    """Whether this is a file that this user may find and read; False, too, in a folder closed to the user."""
    try:
        return path.is_file() and os.access(path, os.R_OK)
    except PermissionError:
        return False


def at_home(name: str) -> Path:
    """A path with `~` as the user's home folder; unchanged for a user without one, or of an unknown user."""
    path = Path(name)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def write_whole(path: Path, data: bytes, mode: int | None = None) -> None:
    """Write a file in one step: after a crash, `path` has either its old content or all of the new.

    Args:
        path: The file to create or replace; missing parent folders are created.
        data: The file's content.
        mode: The file's permissions; see `PartFile`.

    Raises:
        OSError: The file cannot be written; what was at `path` is untouched.
    """
    with PartFile(path, mode) as part:
        # Not what stands under the name by now: in a folder of others, that could be a link of theirs.
        with os.fdopen(os.open(part.path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "wb") as file:
            file.write(data)
        part.keep()


def move_whole(path: Path, target: Path) -> None:
    """Rename a file: after a crash, `target` has either its old content or all of the new.

    Args:
        path: The file, complete.
        target: Its new place, on the same file system.

    Raises:
        OSError: The disk does not take the content, or `target` cannot be replaced.
    """
    _sync(path)
    _rename(path, target)


def set_aside(path: Path) -> str:
    """Rename a file that cannot be read, so that its program starts without it.

    Returns:
        What became of the file, for a log line.
    """
    aside = path.with_suffix(".damaged")
    try:
        path.replace(aside)
    except OSError:
        return "and cannot be renamed"
    return f"renamed to {aside.name}"


class PartFile:
    """A file that is written under a temporary name beside its place, and gets its own name when complete.

    Leaving the `with` block without a call of `keep` deletes it.

    Args:
        target: The file to create or replace; missing parent folders are created.
        mode: The file's permissions; with `PRIVATE`, a missing folder is its owner's alone, too. None keeps
            those of the file it replaces; a new file gets the process's default.

    Attributes:
        path: The temporary file: empty at first, with the extension of `target`. It can be reopened by name.

    Raises:
        OSError: The folder or the temporary file cannot be created.
    """

    def __init__(self, target: Path, mode: int | None = None) -> None:
        self._target = target
        self._mode = mode
        # The file system bounds a name in bytes, and the target may use all of them.
        room = max(0, _NAME_BYTES - len(os.fsencode(target.suffix)) - len("..12345678.part"))
        stem = os.fsdecode(os.fsencode(target.stem)[:room])
        self.path = target.with_name(f".{stem}.{secrets.token_hex(4)}.part{target.suffix}")

    def __enter__(self) -> PartFile:
        if self._mode == PRIVATE:
            private_folder(self._target.parent)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        if self._mode is None and self._target.exists():
            self._mode = stat.S_IMODE(self._target.stat().st_mode)
        mode = 0o666 if self._mode is None else self._mode | stat.S_IRUSR | stat.S_IWUSR
        os.close(open_new(self.path, mode))
        return self

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)

    def keep(self) -> None:
        """Move the file to its place, once its content is on disk.

        Raises:
            OSError: The disk does not take the content, or `target` cannot be replaced.
        """
        _sync(self.path)
        if self._mode is not None:
            self.path.chmod(self._mode)
        _rename(self.path, self._target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename(path: Path, target: Path) -> None:
    path.replace(target)
    try:
        _sync(target.parent)
    except OSError as error:
        # Some network file systems cannot sync a folder; the file is in its place all the same.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
            raise
