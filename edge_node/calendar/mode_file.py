"""The file that keeps the mode over restarts, also when somebody has set it by hand."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import msgspec
import orjson

from shared import typed
from shared.errors import OutputError
from shared.files import PRIVATE, make_private, set_aside, write_whole
from shared.wire.messages import Id
from shared.wire.messages.fields import Micros

log = logging.getLogger("darner.calendar")


@dataclass(frozen=True, kw_only=True)
class KeptMode:
    """The mode that held last.

    Attributes:
        mode: Its identifier; None: there were no modes.
        since_us: When it began, microseconds since 1970 UTC.
        set_us: When somebody has set it; None: nobody has.
        until_us: When it ends, if somebody has set it until then.
    """

    mode: Id | None
    since_us: Micros
    set_us: Micros | None = None
    until_us: Micros | None = None


class ModeFile:
    """Keeps the mode.

    Args:
        path: The file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self) -> KeptMode | None:
        """The mode that held last; None: nobody knows. A file that cannot be read is renamed."""
        if self._path is None:
            return None
        make_private(self._path)
        try:
            return typed.decode(self._path.read_bytes(), KeptMode)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, RecursionError, msgspec.DecodeError) as error:
            kept = set_aside(self._path)
            log.warning("%s: cannot be read (%s), %s; the schedules give the mode", self._path, error, kept)
            return None

    def write(self, mode: KeptMode) -> None:
        """Keep the mode.

        Raises:
            OutputError: The file cannot be written.
        """
        if self._path is None:
            return
        try:
            write_whole(self._path, orjson.dumps(mode), PRIVATE)
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written ({error.strerror})") from None
