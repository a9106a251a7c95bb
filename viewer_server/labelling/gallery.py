"""The files of pictures: read without leaving their folder, put aside, and brought back.

Names come from the catalogue and never from a request. Each part of a name is opened without following
links, so a link that somebody puts there later leads nowhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared import collected
from shared.collected import ANNOTATIONS, Collected
from shared.errors import MessageError

PICTURE_BYTES = 32_000_000
"""The largest file that is shown."""
PUT_ASIDE = ".deleted"
"""The folder of the picture that was deleted last, until the next one is."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Unreadable(Exception):  # noqa: N818 - an answer, not a failure
    """A picture that is gone or cannot be shown; the text says why."""


class Missing(Unreadable):
    """A picture that is gone."""


class Gallery:
    """The files of a folder and of those below it.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def proposal(self, name: str) -> Collected | None:
        """What the sidecar of a picture says; None where there is none that can be read."""
        try:
            return collected.read(self.root / name)
        except (MessageError, OSError):
            return None

    def read(self, name: str) -> bytes:
        """The file of a picture.

        Raises:
            Missing: It is gone.
            Unreadable: It is too large, or no regular file.
        """
        try:
            with self._above(name) as (folder, last):
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
                with os.fdopen(os.open(last, flags, dir_fd=folder), "rb") as file:
                    about = os.fstat(file.fileno())
                    if not stat.S_ISREG(about.st_mode):
                        raise Unreadable(f"{name} is no regular file")
                    if about.st_size > PICTURE_BYTES:
                        raise Unreadable(
                            f"{name} has {about.st_size / 1e6:.0f} MB; at most {PICTURE_BYTES // 10**6} are "
                            "shown: make it smaller"
                        )
                    return file.read(PICTURE_BYTES)
        except FileNotFoundError:
            raise Missing(f"{name} is not in the folder any more") from None
        except OSError as error:
            raise Unreadable(f"{name} cannot be read ({error.strerror})") from None

    def put_aside(self, name: str) -> None:
        """Take a picture and its sidecar away; what was put aside before is gone for good.

        Raises:
            OSError: They cannot be moved.
        """
        self.empty()
        (self.root / PUT_ASIDE).mkdir(mode=0o700)
        with self._above(name) as (folder, last), self._aside() as aside:
            os.rename(last, last, src_dir_fd=folder, dst_dir_fd=aside)
            _move(sidecar_of(last), folder, aside)

    def bring_back(self, name: str) -> None:
        """Bring back what `put_aside` took away.

        Raises:
            OSError: It is not there any more, or cannot be moved.
        """
        with self._above(name) as (folder, last), self._aside() as aside:
            _move(sidecar_of(last), aside, folder)  # first, as a node writes it
            os.rename(last, last, src_dir_fd=aside, dst_dir_fd=folder)
        self.empty()

    def empty(self) -> None:
        """Remove for good what was put aside.

        Raises:
            OSError: It cannot be removed.
        """
        aside = self.root / PUT_ASIDE
        if not aside.is_symlink() and aside.is_dir():
            for path in aside.iterdir():
                path.unlink()
            aside.rmdir()

    @contextmanager
    def _aside(self) -> Iterator[int]:
        descriptor = os.open(self.root / PUT_ASIDE, _FOLDER | os.O_NOFOLLOW)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _above(self, name: str) -> Iterator[tuple[int, str]]:
        """A descriptor of the folder that holds a picture, and the last part of the picture's name."""
        folder = os.open(self.root, _FOLDER)
        try:
            *parts, last = name.split("/")
            for part in parts:
                inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder, last
        finally:
            os.close(folder)


def sidecar_of(last: str) -> str | None:
    """The name of a picture's sidecar; None for a picture whose sidecar would be the labels themselves."""
    name = Path(last).with_suffix(".json").name
    return None if name == ANNOTATIONS else name


def _move(sidecar: str | None, source: int, target: int) -> None:
    """Move a sidecar, where there is one, from one folder to another."""
    if sidecar is not None:
        with suppress(FileNotFoundError):
            os.rename(sidecar, sidecar, src_dir_fd=source, dst_dir_fd=target)
