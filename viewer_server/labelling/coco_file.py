"""Reads `annotations.json`, as far as the page has to understand it; everything else stays encoded."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from shared import typed
from shared.errors import ConfigError

BYTES = 400_000_000
"""The largest file that is read."""
NOT_JSON = (msgspec.DecodeError, ValueError, RecursionError)
"""What decoding raises; a ValueError for a number of thousands of digits, or for what is no UTF-8."""
Id = int | str
Stamp = tuple[int, int, int]
"""Inode, size and time of change: what is different when somebody else has written the file."""


class Image(msgspec.Struct):
    """A row of `images`."""

    id: Id
    file_name: str
    darner: Any = None


class _Object(msgspec.Struct):
    image_id: Id


class _WithId(msgspec.Struct):
    id: Any = None


class Category(msgspec.Struct):
    """A row of `categories`."""

    id: Id
    name: str


class _File(msgspec.Struct):
    images: list[msgspec.Raw]
    annotations: list[msgspec.Raw] = []
    categories: list[msgspec.Raw] = []


class Parsed(NamedTuple):
    """What a file holds.

    Attributes:
        images: Rows of `images`, decoded in part, and as they stand there.
        objects: The picture's id of each row of `annotations`, and the row as it stands there.
        object_ids: The ids of these rows, which other programs may have made of anything.
        categories: Rows of `categories`, decoded, and as they stand there.
        rest: Everything else.
    """

    images: list[tuple[Image, bytes]]
    objects: list[tuple[Id, bytes]]
    object_ids: list[Any]
    categories: list[tuple[Category, bytes]]
    rest: dict[str, msgspec.Raw]


def stamp_of(path: Path) -> Stamp | None:
    """The file's stamp; None where there is no file.

    Raises:
        ConfigError: It is no regular file, or cannot be found out about.
    """
    try:
        about = path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(about.st_mode):
        raise ConfigError(f"{path}: is no regular file; put the file itself there")
    return about.st_ino, about.st_size, about.st_mtime_ns


def content_of(path: Path) -> bytes:
    """The file's content.

    Raises:
        ConfigError: It cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > BYTES:
        raise ConfigError(
            f"{path}: has more than {BYTES // 10**6} MB; split the pictures into several folders"
        )
    return content


def parsed(content: bytes, path: Path) -> Parsed:
    """What the content says.

    Raises:
        ConfigError: It is no COCO file; the text names `path`.
    """
    try:
        rest = typed.decode(content, dict[str, msgspec.Raw])
        file = typed.decode(content, _File)
        return Parsed(
            [(typed.decode(row, Image), bytes(row)) for row in file.images],
            [(typed.decode(row, _Object).image_id, bytes(row)) for row in file.annotations],
            [typed.decode(row, _WithId).id for row in file.annotations],
            [(typed.decode(row, Category), bytes(row)) for row in file.categories],
            {
                name: msgspec.Raw(bytes(value))
                for name, value in rest.items()
                if name not in ("images", "annotations", "categories")
            },
        )
    except NOT_JSON as error:
        raise unusable(path, error) from None


def unusable(path: Path, error: Exception) -> ConfigError:
    """Says that a file is no COCO file, and why."""
    return ConfigError(
        f"{path}: is not a COCO annotation file ({error}); mend it, or move it away to begin anew"
    )
