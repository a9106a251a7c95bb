"""The file that keeps the mode over restarts, also when somebody has set it by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.storage.state_file import StateFile
from shared.wire.messages import Id
from shared.wire.messages.fields import Micros


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


class ModeFile(StateFile[KeptMode]):
    """Keeps the mode.

    Args:
        path: The file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__(path, KeptMode, "the schedules give the mode", indent=False)
