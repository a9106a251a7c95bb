"""The folder of one camera's kept pictures: bounded, whole after a crash, and open to people's edits."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
from bisect import insort
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np

from edge_node.collect.spread import Crowd, least
from edge_node.config.collecting import REASONS
from shared import collected, typed
from shared.collected import Collected
from shared.errors import MessageError
from shared.files import PRIVATE, private_folder, write_whole
from shared.log import Once

log = logging.getLogger("darner.collect")

RESERVE_BYTES = 100_000_000
"""Bytes of the disk that are left free, because events are kept there, too."""
_AT_ONCE = 1000
"""Most pictures that make room for one, which bounds the work when a limit was lowered."""
_LEFT_OVER = re.compile(r"\.\d{1,16}-\d{1,16}\.[0-9a-f]{8}\.part\.(jpg|json)")
"""The name of a file that was being written when the process died."""
_ORPHAN = re.compile(r"\d{1,16}-\d{1,16}\.json")
_LABELS_BYTES = 200_000_000
_UNKNOWN = len(REASONS)


class NoRoom(Exception):  # noqa: N818 - a state, not a failure: what is labelled stays
    """A picture is not kept, because those that are there may not go."""


@dataclass(frozen=True, slots=True, order=True)
class _Kept:
    """A picture on the shelf, and what is known of it."""

    captured_us: int
    seq: int
    size: int
    light: float
    reason: int

    @property
    def name(self) -> str:
        return collected.file_name(self.captured_us, self.seq)


class _Image(msgspec.Struct):
    file_name: str


class _Labels(msgspec.Struct):
    images: list[_Image]


class Shelf:
    """The pictures of one camera. One thread uses it.

    Args:
        folder: Where they are; it is made when the first one comes.
        reserve_bytes: What is left free of the disk.
        free: Gives the free bytes of the disk that a folder is on.
    """

    def __init__(
        self,
        folder: Path,
        reserve_bytes: int = RESERVE_BYTES,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self.folder = folder
        self._reserve, self._free = reserve_bytes, free
        self._kept: list[_Kept] = []
        self._labelled: tuple[object, frozenset[str]] = (None, frozenset())
        self._once = Once()

    def __len__(self) -> int:
        """How many pictures there are."""
        return len(self._kept)

    @property
    def size(self) -> int:
        """Bytes of them all, with what is said of them."""
        return sum(one.size for one in list(self._kept))

    def within(self, captured_us: int, span_us: int) -> list[int]:
        """When the pictures were captured that are up to `span_us` older than a time, oldest first."""
        return [one.captured_us for one in self._kept if 0 <= captured_us - one.captured_us < span_us]

    def newest(self, count: int) -> list[Path]:
        """The newest pictures, oldest first."""
        return [self.folder / one.name for one in self._kept[-count:]]

    def tidy(self) -> None:
        """Take away what a crash has left: files that are not complete, and sidecars without a picture.

        Raises:
            OSError: The folder cannot be read or changed.
        """
        names = self._names()
        for name in names:
            orphan = _ORPHAN.fullmatch(name) and name.replace(".json", ".jpg") not in names
            if orphan or _LEFT_OVER.fullmatch(name):
                (self.folder / name).unlink(missing_ok=True)

    def look(self) -> None:
        """See which pictures are there: people label, add and delete them meanwhile.

        Raises:
            OSError: The folder cannot be read.
        """
        names = self._names()
        known = {one.name: one for one in self._kept}
        there = [name for name in names if name.endswith(".jpg") and f"{name[:-4]}.json" in names]
        if known.keys() != set(there):
            found = [known.get(name) or self._read(name) for name in there]
            self._kept = sorted(one for one in found if one is not None)

    def add(self, picture: bytes, said: Collected, most: int, most_bytes: int) -> None:
        """Keep a picture, and give up what adds least where there is no room for it.

        Args:
            picture: The JPEG.
            said: What is said of it.
            most: Most pictures.
            most_bytes: Most bytes.

        Raises:
            NoRoom: All others are labelled, or it is larger than all may be together.
            OSError: The folder cannot be read or written, or its disk is full.
        """
        text = collected.serialise(said)
        size = len(picture) + len(text)
        one = _Kept(said.captured_us, said.seq, size, said.light, REASONS.index(said.reasons[0]))
        self.look()
        self._kept = [other for other in self._kept if other.name != one.name]
        self.make_room(one, most, most_bytes)
        path = self.folder / one.name
        private_folder(self.folder)
        if self._free(self.folder) - size < self._reserve:
            mb = self._reserve // 1_000_000
            raise OSError(errno.ENOSPC, f"less than {mb} MB are free on the disk", str(self.folder))
        beside = collected.sidecar(path)
        try:
            write_whole(beside, text, PRIVATE)
            write_whole(path, picture, PRIVATE)
        except OSError:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
        insort(self._kept, one)

    def make_room(self, one: _Kept | None, most: int, most_bytes: int) -> None:
        """Give up pictures until the limits hold, also with one more.

        Raises:
            NoRoom: What is left may not go.
            OSError: A picture cannot be deleted.
        """
        more, size = (0, 0) if one is None else (1, one.size)
        if size > most_bytes:
            raise NoRoom(f"a picture has {size} bytes, and all may have {most_bytes}; raise megabytes")
        held = self.size
        for _ in range(_AT_ONCE):
            if len(self._kept) + more <= most and held + size <= most_bytes:
                return
            going = self._least(one)
            if going is None:
                raise NoRoom("all pictures that are kept are labelled; move some away, or raise the limits")
            self._delete(going)
            self._kept.remove(going)
            held -= going.size
        raise NoRoom("the limits were lowered by much; the next pictures make more room")

    def _least(self, one: _Kept | None) -> _Kept | None:
        """The picture that adds least to the others."""
        labelled = self._labels()
        all_ = list(self._kept)
        if one is not None:
            insort(all_, one)
        crowd = Crowd(
            np.array([each.captured_us for each in all_], np.int64),
            np.array([each.light for each in all_], np.float32),
            np.array([each.reason for each in all_], np.int32),
            np.array([each is one or each.name in labelled for each in all_], np.bool_),
        )
        at = least(crowd) if all_ else None
        return None if at is None else all_[at]

    def _delete(self, one: _Kept) -> None:
        """Delete a picture, and then what is said of it: alone, that is an orphan, which `tidy` finds."""
        path = self.folder / one.name
        path.unlink(missing_ok=True)
        collected.sidecar(path).unlink(missing_ok=True)

    def _names(self) -> set[str]:
        try:
            return {entry.name for entry in os.scandir(self.folder)}
        except FileNotFoundError:
            return set()

    def _read(self, name: str) -> _Kept | None:
        """What is known of a picture; None if it is not one of ours."""
        path = self.folder / name
        when = collected.when(path)
        if when is None or path.is_symlink():
            return None
        light, reason = 0.5, _UNKNOWN
        try:
            said = collected.read(path)
            light, reason = said.light, REASONS.index(said.reasons[0])
        except (MessageError, OSError) as error:
            if self._once("damaged"):
                log.warning("%s; it is kept, but whoever labels it will not see it (said once)", error)
        try:
            size = path.stat().st_size + collected.sidecar(path).stat().st_size
        except OSError:  # it has just been deleted
            return None
        return _Kept(*when, size, light, reason)

    def _labels(self) -> frozenset[str]:
        """The names of the pictures that are labelled.

        Raises:
            NoRoom: The labels cannot be read, so that any picture might be labelled.
        """
        files = [self.folder / collected.ANNOTATIONS, self.folder.parent / collected.ANNOTATIONS]
        marks = [_mark(file) for file in files]
        if marks != self._labelled[0]:
            names = [_labelled(file) for file, mark in zip(files, marks, strict=True) if mark]
            self._labelled = marks, frozenset().union(*names)
        return self._labelled[1]


def _mark(file: Path) -> tuple[int, ...] | None:
    """What changes when a file does; None where there is none."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _labelled(file: Path) -> frozenset[str]:
    """The names of the pictures in a file of labels, without their folders."""
    try:
        if file.stat().st_size > _LABELS_BYTES:
            raise NoRoom(f"{file}: is larger than {_LABELS_BYTES} bytes, so nothing makes room")
        labels = typed.decode(file.read_bytes(), _Labels)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NoRoom(f"{file}: cannot be read ({error}), so nothing makes room; mend or move it") from None
    return frozenset(PurePosixPath(image.file_name).name for image in labels.images)
