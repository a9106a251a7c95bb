"""JSON files with what a program must still know after a restart; only their owner may read them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import orjson

from shared import typed
from shared.errors import ConfigError, OutputError
from shared.files import PRIVATE, make_private, set_aside, write_whole

log = logging.getLogger("darner.storage")

T = TypeVar("T")


class StateFile(Generic[T]):
    """A file with one object. For one thread at a time.

    Args:
        path: The file; None: nothing is kept.
        kind: The object's type: a dataclass, or what else msgspec reads and orjson writes.
        instead: What the program does without the file, as the end of the log line about one that is damaged.
        check: Raises ConfigError for an object that nobody can use.
        decode: Reads the bytes; it may raise what `typed.decode` raises, and ValueError.
        indent: Whether people may want to look into the file.
    """

    def __init__(
        self,
        path: Path | None,
        kind: type[T],
        instead: str,
        *,
        check: Callable[[T], object] = lambda _: None,
        decode: Callable[[bytes, type[T]], T] = typed.decode,
        indent: bool = True,
    ) -> None:
        self._path, self._kind, self._instead = path, kind, instead
        self._check, self._decode, self._indent = check, decode, indent

    def read(self) -> T | None:
        """What the file holds; None: nothing. One that cannot be used is renamed, and the log says so."""
        if self._path is None:
            return None
        make_private(self._path)
        try:
            found = self._decode(self._path.read_bytes(), self._kind)
            self._check(found)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, RecursionError, msgspec.DecodeError, ConfigError) as error:
            aside = set_aside(self._path)
            log.warning("%s: cannot be read (%s), %s; %s", self._path, error, aside, self._instead)
            return None
        return found

    def write(self, content: T, otherwise: str = "nothing was changed") -> None:
        """Replace the file; without a path, do nothing.

        Args:
            content: The whole object.
            otherwise: What it means that the file cannot be written, as the end of the error.

        Raises:
            OutputError: The file cannot be written; it holds what it held before.
        """
        if self._path is None:
            return
        try:
            write_whole(self._path, orjson.dumps(content, option=orjson.OPT_INDENT_2 * self._indent), PRIVATE)
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written ({error.strerror}); {otherwise}") from None
