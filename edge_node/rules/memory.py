"""What the rules have told, kept over a restart."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import orjson

from shared import typed
from shared.files import PRIVATE, make_private, set_aside, write_whole
from shared.log import Once
from shared.rules.state import State
from shared.wire.messages import Id

log = logging.getLogger("darner.rules")

BETWEEN_S = 1.0
"""The least time between two writes, seconds: what a kill may make the rules forget."""


@dataclass(frozen=True, kw_only=True)
class _File:
    cameras: dict[Id, State] = field(default_factory=dict)


class Memory:
    """A file with what each camera's rules remember. For one thread.

    Args:
        path: The file; None: nothing is kept.
        clock: Monotonic seconds.

    Attributes:
        cameras: What an earlier run has left, by camera.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._written: object = None
        self._at_s = -math.inf
        self._once = Once()
        self.cameras = _read(path).cameras

    def keep(
        self, changes: object, states: Callable[[], Mapping[str, State]], *, at_once: bool = False
    ) -> None:
        """Write what the rules remember, if it has changed and the last write is a while ago.

        Args:
            changes: Differs from the last one when there is something new.
            states: Gives it, by camera.
            at_once: Do not wait.
        """
        now_s = self._clock()
        if self._path is None or changes == self._written or (not at_once and now_s < self._at_s + BETWEEN_S):
            return
        self._written, self._at_s = changes, now_s
        kept = {name: state for name, state in states().items() if state.rules}
        try:
            write_whole(self._path, orjson.dumps({"cameras": kept}), PRIVATE)
        except OSError as error:
            if self._once("write"):
                log.warning(
                    "%s: cannot be written (%s); after a restart, rules may repeat themselves (said once)",
                    self._path,
                    error.strerror,
                )


def _read(path: Path | None) -> _File:
    if path is None:
        return _File()
    make_private(path)
    try:
        return typed.decode(path.read_bytes(), _File)
    except (FileNotFoundError, NotADirectoryError):
        return _File()
    except (OSError, ValueError, RecursionError, msgspec.DecodeError) as error:
        log.warning("%s: cannot be read (%s), %s; rules begin anew", path, error, set_aside(path))
        return _File()
