"""Says in the node's retained messages which stages are late, and which get on again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from shared.service.watchdog import says

log = logging.getLogger("darner.edge")

CAMERA = "capture "
"""The names of the cameras' stages begin with this; a camera has a status of its own."""


class LateStages:
    """Passes on what a watchdog sees.

    Args:
        node: The node's name.
        say: Publishes what is wrong with the node, or None when nothing is.
        say_cameras: Publishes which cameras are late, given the seconds of each late stage by name.
    """

    def __init__(
        self,
        node: str,
        say: Callable[[str | None], None],
        say_cameras: Callable[[Mapping[str, float]], None],
    ) -> None:
        self._node, self._say, self._say_cameras = node, say, say_cameras
        self._late: Mapping[str, float] = {}
        self._said: set[str] = set()
        self._saying = threading.Lock()
        self._closed = False

    def note(self, late: Mapping[str, float]) -> None:
        """Take what is late now, by name with its seconds; returns at once."""
        self._late = late
        # In a thread of its own, because the late stage may hold what publishing needs.
        threading.Thread(target=self._pass_on, name="late", daemon=True).start()

    @property
    def late(self) -> Mapping[str, float]:
        """Seconds of each stage that is late now, by name."""
        return self._late

    def close(self) -> None:
        """Say nothing more: the node's farewell has the last word."""
        self._closed = True

    def _pass_on(self) -> None:
        with self._saying:  # one thread at a time: an older one that was held up must not have the last word
            late = self._late
            if self._closed:
                return
            self._say_cameras(late)
            serious = {name: seconds for name, seconds in late.items() if not name.startswith(CAMERA)}
            if serious.keys() == self._said:
                return
            self._said = set(serious)
            reason = says(serious) if serious else None
            log.warning("node %s: %s", self._node, reason or "all stages get on again")
            self._say(reason)
