"""What a zone's occupancy means once it has lasted: a crowd, and somebody's presence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from edge_node.analytics.happenings import TICK_S
from shared.wire.messages import Crowd, Presence


@dataclass
class Crowding:
    """Whether a zone is crowded: its occupancy reached the limit, or fell below it, for long enough."""

    limit: Crowd
    crowded: bool = False
    _since: float | None = None

    def update(self, occupancy: int, now_s: float) -> float | None:
        """Process one frame.

        Returns:
            When the crowd started or ended, once that is certain; `crowded` then says which. Else None.
        """
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
class SomebodyThere:
    """Whether somebody is present in a zone: its occupancy, less what does not last.

        nobody   -- occupied for on_after_s ---> somebody   presence_started
        somebody -- empty for off_after_s -----> nobody     presence_ended

    An event occurs when its delay has run out, also where no frame shows that moment.
    """

    delays: Presence
    present: bool = False
    _occupied: bool = False
    _since_s: float = -math.inf  # when it became occupied or empty
    _said_s: float = -math.inf  # when the last event occurred

    def update(self, occupied: bool, now_s: float, began_s: float, ended_s: float) -> Iterator[float]:
        """Process one frame.

        Args:
            occupied: Whether anybody is inside.
            now_s: The frame's time; one before the last frame's begins a delay that runs anew.
            began_s: When the longest ongoing stay began.
            ended_s: The latest end of the stays that this frame closed.

        Yields:
            When presence started or ended; `present` then says which.
        """
        self._since_s, self._said_s = min(self._since_s, now_s), min(self._said_s, now_s)
        if occupied != self._occupied:
            at_s = began_s if occupied else ended_s
            yield from self._run_out(at_s)
            self._occupied, self._since_s = occupied, at_s
        yield from self._run_out(now_s)

    def _run_out(self, until_s: float) -> Iterator[float]:
        """Let the delay run out, if it does until a time."""
        if self.present != self._occupied:
            after_s = self.delays.on_after_s if self._occupied else self.delays.off_after_s
            due_s = max(self._since_s + after_s, self._said_s)
            if due_s <= until_s + TICK_S:
                self.present, self._said_s = self._occupied, due_s
                yield due_s
