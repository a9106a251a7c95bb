"""Files of annotations as text: bounded in size, in UTF-8, and shown without surprises."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from shared.errors import SourceError

TEXT_BYTES = 16_000_000
"""The largest file about one picture, or of one list; a line in it takes about 40 bytes."""


def shown(text: str | Path) -> str:
    """A name from a stranger's file as a terminal may show it: no control characters, no broken Unicode."""
    decoded = os.fsencode(str(text)).decode("utf-8", "replace") if isinstance(text, Path) else text
    return "".join(one if one.isprintable() else "�" for one in decoded)


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file.

    Args:
        path: The file; links are followed, devices and pipes are refused.
        most: Bytes that it may have.

    Raises:
        SourceError: It is missing, no regular file, too large, or cannot be read.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise SourceError(f"{shown(path)}: is no regular file")
            if about.st_size > most:
                raise SourceError(
                    f"{shown(path)}: has {about.st_size / 1e6:.0f} MB; at most {most / 1e6:.0f} MB are "
                    "read, so split it into several files"
                )
            return file.read()
    except OSError as error:
        raise SourceError(f"{shown(path)}: cannot be read ({error.strerror})") from None


def read_text(path: Path, most: int = TEXT_BYTES) -> str:
    """The content of a text file, in UTF-8 with or without a byte order mark.

    Raises:
        SourceError: It cannot be read, or is not UTF-8.
    """
    content = read_bytes(path, most)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(f"{shown(path)}: line {line} is not UTF-8 text; save the file as UTF-8") from None
