"""What waits for one target: a lane for each rule of each node, in which the first holds up the others.

Nodes have turns, and within each its lanes: whoever invents a thousand rules delays nobody but himself.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

Lane = tuple[str, str]
"""Node and rule."""
MOST_TOGETHER = 50
"""Maximum alerts that one message carries."""


@dataclass(slots=True)
class _Waiting:
    alerts: list[int] = field(default_factory=list)
    heads: dict[int, int] = field(default_factory=dict)
    due_s: float = 0.0
    attempts: int = 0
    receivers_fault: bool = False


class Queue:
    """Not thread-safe: its courier guards it.

    Args:
        ready: Whether an alert may be sent already.
    """

    def __init__(self, ready: Callable[[int], bool] = lambda _: True) -> None:
        self._ready = ready
        self._nodes: OrderedDict[str, OrderedDict[Lane, _Waiting]] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(lane.alerts) for lane in self._lanes())

    def put(self, lane: Lane, alert: int, attempts: int = 0, head: int | None = None) -> None:
        """Let an alert wait behind the older ones of its lane.

        Args:
            lane: Its node and rule.
            alert: Its number; one that waits already does not wait twice.
            attempts: How often it was tried.
            head: The first alert of the message that it was put into.
        """
        waits = self._nodes.setdefault(lane[0], OrderedDict()).setdefault(lane, _Waiting())
        at = bisect.bisect_left(waits.alerts, alert)
        if waits.alerts[at : at + 1] == [alert]:
            return
        waits.alerts.insert(at, alert)
        if at == 0:
            waits.attempts = attempts
        if head is not None:
            waits.heads[alert] = head

    def next(self, now_s: float) -> tuple[Lane, list[int], int] | None:
        """What may be sent now; None where there is nothing. No flood delays others.

        Returns:
            The lane, its alerts that go in one message, and how often that was tried.
        """
        every = (one for lanes in self._nodes.values() for one in lanes.items())
        may = (one for one in every if one[1].due_s <= now_s and self._ready(one[1].alerts[0]))
        name, lane = next(may, (None, None))
        if name is None or lane is None:
            return None
        first = lane.alerts[0]
        head = lane.heads.get(first)
        if head is None:
            return name, [first], lane.attempts
        together = [alert for alert in lane.alerts[:MOST_TOGETHER] if lane.heads.get(alert) == head]
        return name, together, lane.attempts

    def together(self, name: Lane) -> list[int]:
        """The alerts at the front of a lane that one message can carry."""
        lane = self._nodes[name[0]][name]
        found = []
        for alert in lane.alerts[:MOST_TOGETHER]:
            if alert in lane.heads or not self._ready(alert):
                break
            found.append(alert)
        return found

    def bind(self, name: Lane, alerts: Sequence[int]) -> None:
        """Put alerts into one message."""
        self._nodes[name[0]][name].heads |= dict.fromkeys(alerts, alerts[0])

    def wait_s(self, now_s: float) -> float:
        """Seconds until a lane is due that is not due now; an hour where there is none."""
        later = (lane.due_s - now_s for lane in self._lanes() if lane.due_s > now_s)
        return min(later, default=3600.0)

    def later(self, name: Lane, due_s: float, *, receivers_fault: bool) -> None:
        """Let a lane wait after an attempt that has failed."""
        lanes = self._nodes.get(name[0])
        lane = None if lanes is None else lanes.get(name)
        if lane is not None:
            lane.due_s, lane.receivers_fault = due_s, receivers_fault
            lane.attempts += 1
            self._turn_over(name)

    def hasten(self, *, all_of_them: bool) -> None:
        """Let lanes wait no longer: all, or those that wait because the receiver could not be reached."""
        for lane in self._lanes():
            if all_of_them or lane.receivers_fault:
                lane.due_s = 0.0

    def remove(self, alerts: Collection[int]) -> None:
        """Take alerts out, wherever they wait."""
        gone = set(alerts)
        for name, lane in [one for lanes in self._nodes.values() for one in lanes.items()]:
            if lane.alerts[0] in gone:
                lane.attempts, lane.due_s, lane.receivers_fault = 0, 0.0, False
            if not gone.isdisjoint(lane.alerts):
                self._turn_over(name)
                lane.alerts = [alert for alert in lane.alerts if alert not in gone]
                for alert in gone & lane.heads.keys():
                    del lane.heads[alert]
            if not lane.alerts:
                del self._nodes[name[0]][name]
                if not self._nodes[name[0]]:
                    del self._nodes[name[0]]

    def _lanes(self) -> Iterator[_Waiting]:
        return (lane for lanes in self._nodes.values() for lane in lanes.values())

    def _turn_over(self, name: Lane) -> None:
        """Let the others have their turns."""
        self._nodes[name[0]].move_to_end(name)
        self._nodes.move_to_end(name[0])
