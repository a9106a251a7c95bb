"""How far the events of one boot of a node are stored: the number that the viewer acknowledges.

Numbers arrive late, repeated and with holes. The acknowledged number is the last one before the first hole. A
late event fills a hole, and so does a gap that the node reports. After a minute of newer events the viewer
gives the hole up.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.wire.messages import Gap

HOLE_S = 60.0
"""Seconds of newer events after which a hole is given up. Silence does not count: the node may be away."""
MAX_ABOVE = 100_000
"""Maximum stored numbers above a hole; beyond that, the hole is given up at once."""
MAX_GAPS = 100


@dataclass
class Progress:
    """Progress of one boot.

    Attributes:
        number: All numbers up to this one are stored, or will never come.
        heard_s: When the last event came, by a monotonic clock.
        above: Stored numbers above the first hole.
        gaps: Reported gaps above the first hole.
        waited_s: How long newer events have come while the first hole stayed.
    """

    number: int
    heard_s: float
    above: set[int] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    waited_s: float = 0.0

    def take(self, number: int, oldest: int) -> None:
        """Note a stored number.

        Args:
            number: The event's.
            oldest: The lowest number that the node can still send.
        """
        self.reach(min(oldest, number) - 1)
        if number > self.number:
            self.above.add(number)
        self.reach(self.number)

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
                self.number += 1
                self.above.discard(self.number)
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
        self.waited_s += min(now_s - self.heard_s, 1.0)
        self.heard_s = now_s
        if not self.above or (self.waited_s <= HOLE_S and len(self.above) <= MAX_ABOVE):
            return None
        missing = self.number + 1, min(self.above) - 1
        self.reach(missing[1] + 1)
        return missing

    def _jump(self, number: int) -> None:
        if number > self.number:
            self.number = number
            self.above = {above for above in self.above if above > number}
