"""The wall clock as messages show it: it does not go back when the host's clock is corrected by a little."""

from __future__ import annotations

import threading
import time

FOLLOWED_NS = 60_000_000_000
"""A clock that was set back by more than this, nanoseconds, is followed at once."""


class SteadyClock:
    """Times that never go back by up to a minute.

    When times go back by up to `FOLLOWED_NS`, the clock runs at half its speed until they have caught up.
    When they go back by more, it follows at once, because it would otherwise be wrong for hours.
    """

    def __init__(self) -> None:
        self._shown_ns: int | None = None
        self._at_ns = 0

    def held(self, wall_ns: int, monotonic_ns: int) -> int:
        """The time to show.

        Args:
            wall_ns: The wall clock, nanoseconds since 1970.
            monotonic_ns: The monotonic clock at that moment, nanoseconds.
        """
        shown = wall_ns
        if self._shown_ns is not None and 0 < self._shown_ns - wall_ns <= FOLLOWED_NS:
            shown = self._shown_ns + max(0, monotonic_ns - self._at_ns) // 2
        self._shown_ns, self._at_ns = shown, monotonic_ns
        return shown


_clock, _lock = SteadyClock(), threading.Lock()


def now_ns() -> int:
    """Nanoseconds since 1970 UTC, by the process's steady clock."""
    with _lock:
        return _clock.held(time.time_ns(), time.monotonic_ns())
