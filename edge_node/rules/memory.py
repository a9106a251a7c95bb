"""What the rules have told, kept over a restart."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import OutputError
from shared.log import Once
from shared.rules.state import State
from shared.storage.state_file import StateFile
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
        self._file, self._clock = StateFile(path, _File, "rules begin anew", indent=False), clock
        self._written: object = None
        self._at_s = -math.inf
        self._once = Once()
        self.cameras = (self._file.read() or _File()).cameras

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
        if changes == self._written or (not at_once and now_s < self._at_s + BETWEEN_S):
            return
        self._written, self._at_s = changes, now_s
        kept = {name: state for name, state in states().items() if state.rules}
        try:
            self._file.write(_File(cameras=kept), "after a restart, rules may repeat themselves (said once)")
        except OutputError as error:
            if self._once("write"):
                log.warning("%s", error)
