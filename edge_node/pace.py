"""An even rate of frames."""

from __future__ import annotations


class Pace:
    """Lets at most `fps` frames a second through, evenly, by the clock it is given.

    Args:
        fps: 0 lets none through.

    Attributes:
        fps: As given.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._interval = 1.0 / fps if fps else 0.0
        self._next = 0.0

    def ready(self, now_s: float) -> bool:
        """Whether to take the frame of time `now_s`; after True it counts as taken."""
        if not self._interval:
            return False
        # A quarter of an interval of tolerance: a 10 fps camera's jitter must not halve a 10 fps limit.
        if now_s + self._interval / 4 < self._next:
            return False
        self._next = max(self._next, now_s - self._interval / 2) + self._interval
        return True
