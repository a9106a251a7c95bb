"""Files that appear under their name only when they are complete, and then survive a power cut."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path


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
        part.path.write_bytes(data)
        part.keep()


class PartFile:
    """A file that is written under a temporary name beside its place, and gets its own name when complete.

    Leaving the `with` block without a call of `keep` deletes it.

    Args:
        target: The file to create or replace; missing parent folders are created.
        mode: The file's permissions. None keeps those of the file it replaces; a new file gets the process's
            default.

    Attributes:
        path: The temporary file: empty at first, with the extension of `target`. It can be reopened by name.

    Raises:
        OSError: The folder or the temporary file cannot be created.
    """

    def __init__(self, target: Path, mode: int | None = None) -> None:
        self._target = target
        self._mode = mode
        self.path = target.with_name(f".{target.stem[:200]}.{secrets.token_hex(4)}.part{target.suffix}")

    def __enter__(self) -> PartFile:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        if self._mode is None and self._target.exists():
            self._mode = stat.S_IMODE(self._target.stat().st_mode)
        mode = 0o666 if self._mode is None else self._mode | stat.S_IRUSR | stat.S_IWUSR
        os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
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
        self.path.replace(self._target)
        try:
            _sync(self._target.parent)
        except OSError as error:
            # Some network file systems cannot sync a folder; the file is in its place all the same.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
                raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
