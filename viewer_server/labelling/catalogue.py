"""Which pictures a folder and those below it hold, and what their sidecars say, kept up to date.

Each folder is listed again when something was added to it or removed from it, and only sidecars that are new
are read: a folder may have 100,000 pictures, and a node may add to it while people label.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from shared import collected
from shared.collected import Collected
from shared.errors import MessageError
from viewer_server.labelling.gallery import sidecar_of

MOST = 100_000
"""Pictures of one folder; further ones are counted and not shown."""
NAME_BYTES = 1200
"""In an address, each byte may take three, and an address has 4,094 at most."""
DEPTH = 8
"""Folders within each other; no format of datasets has more than four."""
SUFFIXES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
"""What a browser shows and `shared.pictures` can check."""
OTHERS = {".bmp", ".webp", ".tif", ".tiff", ".gif", ".heic", ".avif"}
SETTLED_S = 2.0
"""File systems count time in steps: a folder that has just changed may change again within the same one."""

_Stamp = tuple[int, int, int]


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


@dataclass(slots=True)
class _Folder:
    """One folder, without those below it, as it was when it was listed."""

    changed: int
    pictures: dict[str, About] = field(default_factory=dict)
    inner: list[str] = field(default_factory=list)
    skipped: int = 0
    bad: list[str] = field(default_factory=list)


class Catalogue:
    """The pictures of a folder and of those below it.

    Args:
        root: The folder.

    Attributes:
        known: What it held when it was last listed, less what was taken out since.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.known = Contents({}, {}, 0, ())
        self._lock = threading.Lock()
        self._folders: dict[str, _Folder] = {}

    def contents(self) -> Contents:
        """What the folder holds now; only what is new is read.

        Raises:
            OSError: The folder cannot be read.
        """
        with self._lock:
            now = dict(self._walk(""))
            if any(self._folders.get(below) is not folder for below, folder in now.items()) or len(
                now
            ) != len(self._folders):
                self._folders = now
                self.known = _joined(now.values())
            return self.known

    def about(self, name: str) -> About | None:
        """What is known of a picture, which may be gone by now; None if the folder has no such picture.

        The folder is only listed for a name that it did not have: each decision changes the folder.

        Raises:
            OSError: The folder cannot be read.
        """
        return self.known.pictures.get(name) or self.contents().pictures.get(name)

    def take_out(self, name: str) -> None:
        """Forget a picture that is not there any more."""
        with self._lock:
            left = {one: about for one, about in self.known.pictures.items() if one != name}
            self.known = replace(self.known, pictures=left)

    def _walk(self, below: str) -> Iterator[tuple[str, _Folder]]:
        """This folder and all below it, by name with a slash at its end; listed anew where it changed."""
        place = self.root / below
        folder = self._folders.get(below)
        changed = place.lstat().st_mtime_ns
        if folder is None or folder.changed != changed:
            try:
                folder = self._listed(place, below, folder)
            except PermissionError as error:  # such as lost+found on a disk of its own
                if not below:
                    raise
                folder = _Folder(
                    0, bad=[f"{place}: cannot be read ({error.strerror}); its pictures are left out"]
                )
            # What is added within the same step of the file system's clock would not be noticed.
            folder.changed = changed if time.time_ns() - changed > SETTLED_S * 1e9 else 0
        yield below, folder
        for inner in folder.inner:
            try:
                yield from self._walk(f"{below}{inner}/")
            except FileNotFoundError:  # removed just now
                continue

    def _listed(self, place: Path, below: str, before: _Folder | None) -> _Folder:
        listed = _Folder(0)
        files: dict[str, os.DirEntry[str]] = {}
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_file(follow_symlinks=False):
                    files[entry.name] = entry
                elif entry.is_dir(follow_symlinks=False) and below.count("/") < DEPTH:
                    listed.inner.append(entry.name)
        for last in files:
            kind = Path(last).suffix.lower()
            name = below + last
            if kind in SUFFIXES and _is_askable(name):
                known = before.pictures.get(name) if before else None
                listed.pictures[name] = self._about(
                    name, files.get(sidecar_of(last) or ""), known, listed.bad
                )
            else:
                listed.skipped += kind in OTHERS or kind in SUFFIXES
        listed.inner.sort()
        return listed

    def _about(
        self, name: str, sidecar: os.DirEntry[str] | None, known: About | None, bad: list[str]
    ) -> About:
        try:
            if sidecar is None:
                return About()
            seen = sidecar.stat(follow_symlinks=False)
            stamp = seen.st_ino, seen.st_size, seen.st_mtime_ns
            if known is not None and known.stamp == stamp:
                return known
            proposal = collected.read(self.root / name)
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


def group_of(proposal: Collected) -> str:
    """What a split must not tear apart: the pictures of one camera in one hour, in UTC."""
    hour = datetime.fromtimestamp(proposal.captured_us // 1_000_000, timezone.utc)
    return f"{proposal.camera} {hour:%Y-%m-%dT%H}"


def order(name: str) -> tuple[str, int, int, str]:
    """Folder by folder; what a node collected by time, and other pictures by name."""
    folder, _, last = name.rpartition("/")
    captured_us, seq = collected.when(Path(last)) or (0, 0)
    return folder, captured_us, seq, last


def _joined(folders: Iterable[_Folder]) -> Contents:
    every = list(folders)
    names = sorted((name for folder in every for name in folder.pictures), key=order)
    found = {name: about for folder in every for name, about in folder.pictures.items()}
    pictures = {name: found[name] for name in names[:MOST]}
    classes = Counter(label for about in pictures.values() for label in about.classes)
    skipped = sum(folder.skipped for folder in every) + len(names[MOST:])
    bad = [text for folder in every for text in folder.bad]
    return Contents(pictures, classes, skipped, tuple(bad[:5]))


def _is_askable(name: str) -> bool:
    """Whether a name is text, for Linux allows any bytes, and fits into an address."""
    return name.isprintable() and len(name.encode()) <= NAME_BYTES
