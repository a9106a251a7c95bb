"""Pauses what is off schedule: cameras, zones and lines, and masks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from edge_node.analytics.watch import Watch
from edge_node.calendar.keeper import Now
from edge_node.config.live import LiveStore
from edge_node.config.saved.definitions import DefinitionStore
from shared.wire.messages import PauseReason

_OFF: PauseReason = "schedule"


class Applying:
    """Tells the cameras what is off schedule. They follow from their next frame on.

    Args:
        watches: Tracker and analytics, by camera.
        definitions: The zones, lines and masks of each camera.
        live: Pauses cameras.
        camera_schedule: Gives the schedule of a camera; None: it has none.
    """

    def __init__(
        self,
        watches: Mapping[str, Watch],
        definitions: DefinitionStore,
        live: LiveStore,
        camera_schedule: Callable[[str], str | None],
    ) -> None:
        self._watches, self._definitions, self._live = watches, definitions, live
        self._camera_schedule = camera_schedule
        self._lock = threading.Lock()
        self._now: Now | None = None

    def apply(self, now: Now) -> None:
        """Pause and resume what the schedules say. Any thread may call this."""
        with self._lock:
            self._now = now
            for camera, watch in self._watches.items():
                self._apply(camera, watch, now)

    def again(self) -> None:
        """Do the same again, after zones or settings have changed."""
        with self._lock:
            if self._now is not None:
                for camera, watch in self._watches.items():
                    self._apply(camera, watch, self._now)

    def _apply(self, camera: str, watch: Watch, now: Now) -> None:
        current, schedule = self._definitions[camera], self._camera_schedule(camera)
        resting = schedule is not None and not now.active(schedule)
        self._live.rest(camera, schedule if resting else None)
        off: dict[str, PauseReason] = {
            name: _OFF
            for kind in (current.zones, current.lines)
            for name, one in kind.items()
            if not now.active(one.schedule)
        }
        watch.pauses.set("schedule", _OFF if resting else off)
        watch.rest(frozenset(name for name, one in current.masks.items() if not now.active(one.schedule)))
