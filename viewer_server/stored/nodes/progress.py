"""How far the events of one boot of a node are stored: the number that the viewer acknowledges.

Numbers arrive late, repeated and with holes. The acknowledged number is the last one before the first hole. A
late event fills a hole, and so does a gap that the node reports. After a minute of newer events the viewer
gives the hole up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush

from shared.wire.messages import Gap

HOLE_S = 60.0
"""Seconds of newer events after which a hole is given up. Silence does not count: the node may be away."""
MAX_ABOVE = 100_000
"""Maximum stored numbers above the holes of one node; beyond that, holes are given up at once."""
MAX_GAPS = 100
_NONE_ABOVE: set[int] = set()
_NO_GAPS: list[Gap] = []
_NONE_LOWEST: list[int] = []
"""Shared by all boots that have no hole, which are nearly all of up to 64 boots of each node: `add` gives a
boot its own before it changes them."""


@dataclass(slots=True)
class Progress:
    """Progress of one boot.

    Attributes:
        number: All numbers up to this one are stored, or will never come.
        heard_s: When the last event came, by a monotonic clock.
        above: Stored numbers above the first hole.
        gaps: Reported gaps above the first hole.
        waited_s: How long newer events have come while the first hole stayed.
        lowest: The numbers above as a heap, some of which may be gone from `above`: a node may send numbers
            in any order, and no order may make an event cost more than another.
    """

    number: int
    heard_s: float
    above: set[int] = field(default_factory=lambda: _NONE_ABOVE)
    gaps: list[Gap] = field(default_factory=lambda: _NO_GAPS)
    waited_s: float = 0.0
    lowest: list[int] = field(default_factory=lambda: _NONE_LOWEST, repr=False)

    def take(self, number: int, oldest: int) -> None:
        """Note a stored number.

        Args:
            number: The event's.
            oldest: The lowest number that the node can still send.
        """
        if number == self.number + 1 and not self.above and not self.gaps:  # as nearly always
            self.number, self.waited_s = number, 0.0
            return
        self.reach(min(oldest, number) - 1)
        self.add(number)
        self.reach(self.number)

    def add(self, number: int) -> None:
        """Note a stored number, without looking what it completes."""
        if number > self.number and number not in self.above:
            if not self.lowest:
                self.above, self.lowest = set(), []
            self.above.add(number)
            heappush(self.lowest, number)

    def skip(self, gap: Gap) -> None:
        """Note numbers that will never come."""
        self.gaps = [*self.gaps, gap][-MAX_GAPS:]
        self.reach(self.number)

    def reach(self, number: int) -> None:
        """Move up to `number` at least, and on to the next hole."""
        before = self.number
        self._jump(number)
        while True:
            while self.number + 1 in self.above:
                self._jump(self.number + 1)
            over = [gap for gap in self.gaps if gap.first <= self.number + 1]
            if not over:
                break
            self.gaps = [gap for gap in self.gaps if gap not in over]
            self._jump(max(gap.last for gap in over))
        if self.number > before:
            self.waited_s = 0.0

    def give_up(self, now_s: float) -> tuple[int, int] | None:
        """Give up the first hole if it has been waited for long enough; called with every event.

        Returns:
            The first and the last number that are missing; None while there is no hole, or it may be filled.
        """
        if not self.above:
            self.heard_s = now_s
            return None
        self.waited_s += min(now_s - self.heard_s, 1.0)
        self.heard_s = now_s
        if self.waited_s <= HOLE_S:
            return None
        missing = self.number + 1, self.lowest[0] - 1
        self.reach(missing[1] + 1)
        return missing

    def settle(self) -> int:
        """Give up every hole below the half of the stored numbers; returns how many numbers are missing."""
        half = sorted(self.above)[len(self.above) // 2]
        missing = half - self.number - sum(above <= half for above in self.above)
        self.reach(half)
        return missing

    def _jump(self, number: int) -> None:
        self.number = max(self.number, number)
        while self.lowest and self.lowest[0] <= self.number:
            self.above.discard(heappop(self.lowest))
        if not self.lowest:
            self.above, self.lowest = _NONE_ABOVE, _NONE_LOWEST
