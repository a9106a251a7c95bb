"""Starting again with changed cameras: the run ends soon, and the program begins another one."""

from __future__ import annotations

import threading
import time

AFTER_S = 0.5
"""How long a change of cameras waits for its answer to be sent, and for further changes, seconds."""


class Restart:
    """Ends the run some time after somebody has asked.

    Args:
        stop: Ends the run; set by anybody.

    Attributes:
        begun: Whether the run ends in order to start again.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._due_at: float | None = None
        self.begun = False

    def ask(self) -> None:
        """Have the node start again soon. Any thread may call this."""
        if self._due_at is None:  # else somebody who goes on changing cameras would put it off for ever
            self._due_at = time.monotonic() + AFTER_S

    def attend(self) -> None:
        """End the run if it is time. Call this often."""
        if self._due_at is not None and time.monotonic() >= self._due_at:
            self.begun = not self._stop.is_set()
            self._stop.set()
