"""Whether frames come far less often than usual."""

from __future__ import annotations

from collections import deque

_LOW = 0.22
"""Of the usual rate, below which it is low: cameras that expose longer at night give half or a quarter."""
_WINDOW_S = 3.5
_FEWEST = 8  # frames that usually come in the time that is looked at
_LEARNT_S = 10.0  # seconds until a rate is usual
_FOLLOWS = 0.05  # of the difference, each second


class Rate:
    """The rate of one camera's frames. One thread counts `frames`, another asks.

    Attributes:
        frames: How many came so far.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._usual: float | None = None
        self._counted: deque[tuple[float, int]] = deque(maxlen=256)

    def forget(self) -> None:
        """Learn anew what is usual."""
        self._usual = None
        self._counted.clear()

    def low(self, now_s: float) -> bool | None:
        """Whether the rate is low; None: what is usual is not known yet. Ask about twice a second.

        Args:
            now_s: Monotonic seconds.
        """
        frames = self.frames
        if not self._counted and not frames:
            return None  # a camera that has never been there
        self._counted.append((now_s, frames))
        begun_s = self._counted[0][0]
        if self._usual is None:
            if now_s - begun_s >= _LEARNT_S:
                self._usual = (frames - self._counted[0][1]) / (now_s - begun_s) or None
            return None
        window_s = max(_WINDOW_S, _FEWEST / self._usual)
        since_s, before = next(
            (one for one in reversed(self._counted) if now_s - one[0] >= window_s), self._counted[0]
        )
        passed_s = now_s - since_s
        if passed_s < window_s / 2:
            return None
        rate = (frames - before) / passed_s
        low = rate < _LOW * self._usual
        if not low and rate > 0.5 * self._usual:
            self._usual += _FOLLOWS * (rate - self._usual)
        return low
