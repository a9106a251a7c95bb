"""What a zone or line has counted: flows per class, completed stays, queue and crowd."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edge_node.analytics.happenings import TICK_S, Happening
from shared.wire.messages import Crowd, Dwell, Flow, Queue, ZoneNumbers

WINDOW = 1000
"""Completed stays that the 90th percentile is taken over: the latest ones."""


class CompletedStays:
    """Completed stays: count, average and maximum of all, 90th percentile of the latest `WINDOW`."""

    def __init__(self) -> None:
        self.count = 0
        self._total_s = 0.0
        self._max_s = 0.0
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, dwell_s: float) -> None:
        """A stay ended."""
        self.count += 1
        self._total_s += dwell_s
        self._max_s = max(self._max_s, dwell_s)
        if len(self._latest) == WINDOW:
            del self._sorted[bisect_left(self._sorted, self._latest.popleft())]
        self._latest.append(dwell_s)
        insort(self._sorted, dwell_s)

    @property
    def average_s(self) -> float:
        """Of all stays; 0 when there were none."""
        return self._total_s / self.count if self.count else 0.0

    @property
    def p90_s(self) -> float:
        """The shortest stay that 90 % of the latest ones do not exceed (nearest rank)."""
        return self._sorted[-(-9 * len(self._sorted) // 10) - 1] if self._sorted else 0.0

    def dwell(self, ongoing_average_s: float, ongoing_max_s: float) -> Dwell:
        """As a message, beside the stays that go on."""
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
        class_names: By class id; an id beyond them is called by its number.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self._names = class_names
        self.total = Flow()
        self.by_class: dict[str, Flow] = {}

    def add(self, class_id: int, direction: Literal["in", "out"]) -> None:
        """One more."""
        label = self._names[class_id] if class_id < len(self._names) else str(class_id)
        entered, exited = (1, 0) if direction == "in" else (0, 1)
        # A new dict and new values: numbers that were reported already keep what they said.
        old = self.by_class.get(label, Flow())
        self.by_class = {
            **self.by_class,
            label: Flow(entered=old.entered + entered, exited=old.exited + exited),
        }
        self.total = Flow(entered=self.total.entered + entered, exited=self.total.exited + exited)


@dataclass
class Crowding:
    """Occupancy at or over a limit, with the same hysteresis to start as to end."""

    limit: Crowd
    crowded: bool = False
    _since: float | None = None

    def update(self, occupancy: int, now_s: float) -> float | None:
        """When the crowd started or ended, once that is certain; `crowded` then says which."""
        if (occupancy >= self.limit.count) == self.crowded:
            self._since = None
            return None
        self._since = now_s if self._since is None else self._since
        if now_s - self._since < self.limit.after_s - TICK_S:
            return None
        self.crowded = not self.crowded
        since, self._since = self._since, None
        return since


@dataclass
class Tally:
    """Everything one zone has counted.

    Attributes:
        name: Of the zone.
        flows: Stays begun and exited.
        crowding: None when no limit is set.
        queue: Whether the zone is a queue.
        stays: The completed ones, exited and lost.
        lost: Stays closed because the track was lost.
        linked: Stays carried over to a new track id.
        waiting: Whether the queue is not empty.
    """

    name: str
    flows: Flows
    crowding: Crowding | None
    queue: bool
    stays: CompletedStays = field(default_factory=CompletedStays)
    lost: int = 0
    linked: int = 0
    waiting: bool = False

    def close(self, class_id: int, dwell_s: float, *, lost: bool) -> None:
        """A stay ended."""
        self.stays.add(dwell_s)
        if lost:
            self.lost += 1
        else:
            self.flows.add(class_id, "out")

    def levels(self, occupancy: int, now_s: float, began_s: float, ended_s: float) -> Iterator[Happening]:
        """Queue and crowd events.

        Args:
            occupancy: Objects inside.
            now_s: The frame's time.
            began_s: When the longest of the stays that go on began.
            ended_s: When the last of the stays closed in this frame ended.
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

    def interrupt(self, last_s: float, ended_s: float) -> Iterator[Happening]:
        """Everybody is gone at once: end queue and crowd without hysteresis.

        Args:
            last_s: The last frame's time.
            ended_s: When the last stay ended.
        """
        if self.waiting:
            self.waiting = False
            yield Happening(type="queue_ended", occurred_s=ended_s, zone=self.name, count=0)
        if self.crowding is not None:
            was_crowded = self.crowding.crowded
            self.crowding = Crowding(self.crowding.limit)
            if was_crowded:
                yield self._crowd_event(last_s, 0)

    def numbers(self, occupancy: int, loitering: int, total_s: float, longest_s: float) -> ZoneNumbers:
        """As a message; `total_s` and `longest_s` are over the stays that go on."""
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
            loitering=loitering,
            crowded=self.crowding is not None and self.crowding.crowded,
        )

    def _queue(self, length: int, average_s: float, longest_s: float) -> Queue:
        return Queue(
            length=length,
            wait_average_s=average_s,
            wait_longest_s=longest_s,
            completed=self.stays.count,
            completed_average_s=self.stays.average_s,
        )

    def _crowd_event(self, occurred_s: float, occupancy: int) -> Happening:
        crowded = self.crowding is not None and self.crowding.crowded
        kind: Literal["crowd_started", "crowd_ended"] = "crowd_started" if crowded else "crowd_ended"
        return Happening(type=kind, occurred_s=occurred_s, zone=self.name, count=occupancy)
