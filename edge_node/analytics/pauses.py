"""What pauses the zones and lines of a camera.

A schedule pauses those that name it, and a problem of the camera's picture pauses all. What is paused for
both reasons says the problem, because that is what somebody has to see to.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Literal

from edge_node.analytics.paused import NOTHING, Paused
from shared.wire.messages import PauseReason

PauseSource = Literal["schedule", "health"]
"""Who pauses: the calendar, or the check of the camera's picture."""


class Pauses:
    """What pauses the zones and lines of one camera, from several sources. Any thread may call all of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_source: dict[PauseSource, Paused] = {}
        self._now = self._since = NOTHING
        self.changed = False

    @property
    def now(self) -> Paused:
        """What is paused now."""
        return self._now

    def set(self, source: PauseSource, reasons: Mapping[str, PauseReason] | PauseReason | None) -> None:
        """Say what a source pauses from the next frame on, in the place of what it said before.

        Args:
            source: Who pauses.
            reasons: Why, by name of the zone or line; one reason: every zone and line, also those to come;
                None: the source pauses nothing.
        """
        with self._lock:
            self._by_source[source] = (
                Paused(reasons) if isinstance(reasons, str) else Paused(None, dict(reasons or {}))
            )
            health, schedule = (self._by_source.get(one, NOTHING) for one in ("health", "schedule"))
            now = health.over(schedule)
            if now != self._now:
                self._now, self._since, self.changed = now, now.over(self._since), True

    def take(self) -> tuple[Paused, Paused]:
        """What was paused at any time since the last call, and what is paused now."""
        with self._lock:
            since, self._since, self.changed = self._since, self._now, False
            return since, self._now
