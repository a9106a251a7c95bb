"""The pictures of a folder: found, sorted, read without leaving the folder, and put aside.

Names come from listing the folder and never from a request. Each part of a name is opened without following
links, so a link that somebody puts there later leads nowhere.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from shared import collected
from shared.collected import Collected
from shared.errors import MessageError

MOST = 100_000
"""Pictures of one folder; further ones are counted and not shown."""
PICTURE_BYTES = 32_000_000
"""The largest file that is shown."""
NAME_BYTES = 1200
"""In an address, each byte may take three, and an address has 4,094 at most."""
DEPTH = 8
"""Folders within each other; no format of datasets has more than four."""
SUFFIXES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
"""What a browser shows and `shared.pictures` can check."""
OTHERS = {".bmp", ".webp", ".tif", ".tiff", ".gif", ".heic", ".avif"}
PUT_ASIDE = ".deleted"
"""The folder of the picture that was deleted last, until the next one is."""

SETTLED_S = 2.0
"""File systems count time in steps: a folder that has just changed may change again within the same one."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_Stamp = tuple[int, int, int]


class Unreadable(Exception):  # noqa: N818 - an answer, not a failure
    """A picture that is gone or cannot be shown; the text says why."""


class About(NamedTuple):
    """What is known of a picture without opening it again.

    Attributes:
        group: Camera and hour, for a picture that a node collected; else empty.
        reasons: Why the node kept it.
        lowest: The lowest score of what the model proposes; None without proposals.
        classes: The classes that the model proposes.
        stamp: The sidecar's inode, size and time of change; None without a sidecar.
    """

    group: str = ""
    reasons: tuple[str, ...] = ()
    lowest: float | None = None
    classes: tuple[str, ...] = ()
    stamp: _Stamp | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """What a folder holds.

    Attributes:
        pictures: By name, in the order in which they are shown: camera by camera, the oldest first.
        classes: How many pictures have proposals of each class.
        skipped: Pictures of formats that are not shown, and those beyond `MOST`.
        bad: Sidecars that cannot be read, each as a sentence; the first ones.
    """

    pictures: Mapping[str, About]
    classes: Mapping[str, int]
    skipped: int
    bad: tuple[str, ...]


class Gallery:
    """The pictures of a folder and of those below it.

    Args:
        root: The folder.

    Attributes:
        known: What it held when it was last listed, less what was put aside since.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._folders: dict[Path, int] = {}
        self.known = Contents({}, {}, 0, ())

    def contents(self) -> Contents:
        """What the folder holds now; only what is new is read.

        Raises:
            OSError: The folder cannot be read.
        """
        with self._lock:
            if (
                not all(at and at == _changed(path) for path, at in self._folders.items())
                or not self._folders
            ):
                self._scan()
            return self.known

    def about(self, name: str) -> About | None:
        """What is known of a picture, which may be gone by now; None if the folder has no such picture.

        The folder is only listed for a name that it did not have: each decision changes the folder.

        Raises:
            OSError: The folder cannot be read.
        """
        return self.known.pictures.get(name) or self.contents().pictures.get(name)

    def _scan(self) -> None:
        folders: dict[Path, int] = {}
        found: list[str] = []
        skipped = self._walk(self.root, "", folders, found)
        found.sort(key=order)
        skipped += len(found[MOST:])
        pictures: dict[str, About] = {}
        classes: Counter[str] = Counter()
        bad: list[str] = []
        for name in found[:MOST]:
            pictures[name] = about = self._about(name, bad)
            classes.update(about.classes)
        self.known = Contents(pictures, classes, skipped, tuple(bad[:5]))
        self._folders = folders

    def _walk(self, folder: Path, below: str, folders: dict[Path, int], found: list[str]) -> int:
        folders[folder] = _changed(folder)  # before reading: what comes later changes it again
        skipped = 0
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if below.count("/") < DEPTH:
                        skipped += self._walk(folder / entry.name, f"{below}{entry.name}/", folders, found)
                elif entry.is_file(follow_symlinks=False):
                    suffix = Path(entry.name).suffix.lower()
                    if suffix in SUFFIXES and _is_askable(below + entry.name):
                        found.append(below + entry.name)
                    else:
                        skipped += suffix in OTHERS or suffix in SUFFIXES
        return skipped

    def _about(self, name: str, bad: list[str]) -> About:
        picture = self.root / name
        try:
            seen = collected.sidecar(picture).lstat()
        except OSError:
            return About()
        stamp = seen.st_ino, seen.st_size, seen.st_mtime_ns
        known = self.known.pictures.get(name)
        if known is not None and known.stamp == stamp:
            return known
        try:
            proposal = collected.read(picture)
        except (MessageError, OSError) as error:
            bad.append(str(error))
            return About()
        return About(
            group=group_of(proposal),
            reasons=proposal.reasons,
            lowest=min((box.score for box in proposal.boxes), default=None),
            classes=tuple(sorted({box.label for box in proposal.boxes})),
            stamp=stamp,
        )

    def proposal(self, name: str) -> Collected | None:
        """What the sidecar of a picture says; None where there is none that can be read."""
        try:
            return collected.read(self.root / name)
        except (MessageError, OSError):
            return None

    def read(self, name: str) -> bytes:
        """The file of a picture.

        Raises:
            Unreadable: It is gone, too large, or no regular file.
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
            with suppress(FileNotFoundError):
                sidecar = _sidecar(last)
                os.rename(sidecar, sidecar, src_dir_fd=folder, dst_dir_fd=aside)
        left = {one: about for one, about in self.known.pictures.items() if one != name}
        self.known = replace(self.known, pictures=left)

    def bring_back(self, name: str) -> None:
        """Bring back what `put_aside` took away.

        Raises:
            OSError: It is not there any more, or cannot be moved.
        """
        with self._above(name) as (folder, last), self._aside() as aside:
            sidecar = _sidecar(last)
            with suppress(FileNotFoundError):  # a node, too, writes the sidecar first
                os.rename(sidecar, sidecar, src_dir_fd=aside, dst_dir_fd=folder)
            os.rename(last, last, src_dir_fd=aside, dst_dir_fd=folder)
        self.empty()
        self._folders = {}
        self.contents()

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


def group_of(proposal: Collected) -> str:
    """What a split must not tear apart: the pictures of one camera in one hour, in UTC."""
    hour = datetime.fromtimestamp(proposal.captured_us // 1_000_000, timezone.utc)
    return f"{proposal.camera} {hour:%Y-%m-%dT%H}"


def _changed(folder: Path) -> int:
    """When something was last added or removed, ns; 0, which no scan believes, if that may be just now."""
    try:
        at = folder.lstat().st_mtime_ns
    except OSError:
        return 0
    return at if time.time_ns() - at > SETTLED_S * 1e9 else 0


def order(name: str) -> tuple[str, int, int, str]:
    """Folder by folder; what a node collected by time, and other pictures by name."""
    path = PurePosixPath(name)
    captured_us, seq = collected.when(Path(name)) or (0, 0)
    return str(path.parent), captured_us, seq, path.name


def _sidecar(last: str) -> str:
    return Path(last).with_suffix(".json").name


def _is_askable(name: str) -> bool:
    """Whether a name is text, for Linux allows any bytes, and fits into an address."""
    return name.isprintable() and len(name.encode()) <= NAME_BYTES
