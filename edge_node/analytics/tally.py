"""What a zone or line has counted: flows per class, completed stays, queue and crowd."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from edge_node.analytics.happenings import Happening
from edge_node.analytics.levels import Crowding, SomebodyThere
from shared import limits
from shared.geometry import Bool
from shared.wire.messages import Dwell, Flow, PauseReason, Queue, ZoneNumbers

WINDOW = 1000
"""The 90th percentile is taken over this many of the latest completed stays."""


def allowed_classes(filters: Sequence[Sequence[str]], class_names: Sequence[str]) -> Bool:
    """Which classes pass each filter. An empty filter passes all.

    Args:
        filters: Class names, for each zone or line.
        class_names: Names by class id.

    Returns:
        Mask ``(Z, K + 1)``. The last column is for class ids without a name.
    """
    return np.array(
        [[not wanted or name in wanted for name in (*class_names, None)] for wanted in filters], np.bool_
    ).reshape(len(filters), len(class_names) + 1)


class CompletedStays:
    """Completed stays: count, average and maximum of all, 90th percentile of the latest `WINDOW`."""

    def __init__(self) -> None:
        self.count = 0
        self._total_s = 0.0
        self._max_s = 0.0
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, dwell_s: float) -> None:
        """Add a stay that ended."""
        self.count += 1
        self._total_s += dwell_s
        self._max_s = max(self._max_s, dwell_s)
        if len(self._latest) == WINDOW:
            del self._sorted[bisect_left(self._sorted, self._latest.popleft())]
        self._latest.append(dwell_s)
        insort(self._sorted, dwell_s)

    @property
    def average_s(self) -> float:
        """Average of all completed stays; 0 when there were none."""
        return self._total_s / self.count if self.count else 0.0

    @property
    def p90_s(self) -> float:
        """The 90th percentile of the latest completed stays (nearest rank); 0 when there were none."""
        return self._sorted[-(-9 * len(self._sorted) // 10) - 1] if self._sorted else 0.0

    def dwell(self, ongoing_average_s: float, ongoing_max_s: float) -> Dwell:
        """The message about completed stays, with average and maximum of the ongoing ones."""
        return Dwell(
            ongoing_average_s=ongoing_average_s,
            ongoing_max_s=ongoing_max_s,
            completed=self.count,
            average_s=self.average_s,
            max_s=self._max_s,
            p90_s=self.p90_s,
        )


class Flows:
    """Counts in and out, in total and per class.

    Args:
        class_names: Names by class id. A class without a name is called by its id.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self._names = class_names
        self.total = Flow()
        self.by_class: dict[str, Flow] = {}

    def add(self, class_id: int, direction: Literal["in", "out"]) -> None:
        """Count one more object."""
        label = self._names[class_id] if class_id < len(self._names) else str(class_id)
        entered, exited = (1, 0) if direction == "in" else (0, 1)
        # Reported numbers share these objects: replace them instead of changing them.
        old = self.by_class.get(label, Flow())
        self.by_class = {
            **self.by_class,
            label: Flow(entered=old.entered + entered, exited=old.exited + exited),
        }
        self.total = Flow(entered=self.total.entered + entered, exited=self.total.exited + exited)


@dataclass
class Tally:
    """Everything one zone has counted.

    Attributes:
        name: Name of the zone.
        flows: Numbers of stays that began and that were exited.
        crowding: Whether the zone is crowded; None when it has no limit.
        queue: Whether the zone is a queue.
        presence: Whether somebody is present; None when nobody asks.
        stays: Completed stays, exited and lost.
        lost: Number of stays that were closed because the track was lost.
        linked: Number of stays that a new track id took over.
        waiting: Whether somebody is in the queue.
        paused: Why the zone counts nothing now; None: it counts.
    """

    name: str
    flows: Flows
    crowding: Crowding | None
    queue: bool
    presence: SomebodyThere | None
    stays: CompletedStays = field(default_factory=CompletedStays)
    lost: int = 0
    linked: int = 0
    waiting: bool = False
    paused: PauseReason | None = None

    def close(self, class_id: int, dwell_s: float, *, lost: bool) -> None:
        """Add a stay that ended."""
        self.stays.add(dwell_s)
        if lost:
            self.lost += 1
        else:
            self.flows.add(class_id, "out")

    def levels(self, occupancy: int, now_s: float, began_s: float, ended_s: float) -> Iterator[Happening]:
        """Report the queue, crowd and presence events of one frame.

        Args:
            occupancy: Number of objects inside.
            now_s: The frame's time.
            began_s: When the longest ongoing stay began.
            ended_s: The latest end of the stays that this frame closed.
        """
        if self.queue and self.waiting != (occupancy > 0):
            self.waiting = occupancy > 0
            yield Happening(
                type="queue_started" if self.waiting else "queue_ended",
                occurred_s=began_s if self.waiting else ended_s,
                zone=self.name,
                count=occupancy,
            )
        if self.crowding is not None:
            since = self.crowding.update(occupancy, now_s)
            if since is not None:
                yield self._crowd_event(since, occupancy)
        if self.presence is not None:
            for at_s in self.presence.update(occupancy > 0, now_s, began_s, ended_s):
                yield self._presence_event(at_s)

    def interrupt(self, last_s: float, ended_s: float, *, goes_on: bool) -> Iterator[Happening]:
        """End queue and crowd at once, because all objects are gone.

        Args:
            last_s: The last frame's time.
            ended_s: When the last stay ended.
            goes_on: Whether the zone counts with the next frame. Then presence may outlast a short gap;
                otherwise it ends, too.
        """
        if self.waiting:
            self.waiting = False
            yield Happening(type="queue_ended", occurred_s=ended_s, zone=self.name, count=0)
        if self.crowding is not None:
            was_crowded = self.crowding.crowded
            self.crowding = Crowding(self.crowding.limit)
            if was_crowded:
                yield self._crowd_event(last_s, 0)
        if self.presence is not None:
            for at_s in self.presence.update(False, last_s, last_s, ended_s):
                yield self._presence_event(at_s)
            if not goes_on:
                was_present, self.presence = self.presence.present, SomebodyThere(self.presence.delays)
                if was_present:
                    yield self._presence_event(last_s)

    def numbers(
        self, occupancy: int, total_s: float, longest_s: float, loitering: Sequence[int]
    ) -> ZoneNumbers:
        """The message about this zone.

        Args:
            occupancy: Objects in it.
            total_s: Of their stays until now.
            longest_s: The longest of these.
            loitering: Track ids of the objects that loiter, longest stay first.
        """
        average_s = total_s / occupancy if occupancy else 0.0
        return ZoneNumbers(
            zone=self.name,
            kind="zone",
            occupancy=occupancy,
            entered=self.flows.total.entered,
            exited=self.flows.total.exited,
            lost=self.lost,
            linked=self.linked,
            by_class=self.flows.by_class,
            dwell=self.stays.dwell(average_s, longest_s),
            queue=self._queue(occupancy, average_s, longest_s) if self.queue else None,
            loitering=len(loitering),
            loitering_ids=tuple(loitering[: limits.LOITERING]),
            crowded=self.crowding is not None and self.crowding.crowded,
            present=None if self.presence is None else self.presence.present,
            paused=self.paused,
        )

    def _queue(self, length: int, average_s: float, longest_s: float) -> Queue:
        return Queue(
            length=length,
            wait_average_s=average_s,
            wait_longest_s=longest_s,
            completed=self.stays.count,
            completed_average_s=self.stays.average_s,
        )

    def _presence_event(self, occurred_s: float) -> Happening:
        present = self.presence is not None and self.presence.present
        kind: Literal["presence_started", "presence_ended"] = (
            "presence_started" if present else "presence_ended"
        )
        return Happening(type=kind, occurred_s=occurred_s, zone=self.name)

    def _crowd_event(self, occurred_s: float, occupancy: int) -> Happening:
        crowded = self.crowding is not None and self.crowding.crowded
        kind: Literal["crowd_started", "crowd_ended"] = "crowd_started" if crowded else "crowd_ended"
        return Happening(type=kind, occurred_s=occurred_s, zone=self.name, count=occupancy)
