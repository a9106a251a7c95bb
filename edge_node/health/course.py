"""Whether a problem lasts: it begins once it has been seen for a time, and ends once it has been gone."""

from __future__ import annotations

from dataclasses import dataclass

ENTER_S = 3.0
"""Seconds for which a problem must be seen before it is one. With the time to the next look, 5 s at most."""
LEAVE_S = 3.0
"""Seconds for which it must be gone before it has ended."""
_GAP_S = 5.0  # seconds without a look after which what was seen before says nothing


@dataclass(slots=True)
class Course:
    """The course of one problem.

    Attributes:
        enter_s: Seconds until it begins.
        leave_s: Seconds until it ends.
        since_us: When it began, microseconds since 1970; None: it is not there.
    """

    enter_s: float = ENTER_S
    leave_s: float = LEAVE_S
    since_us: int | None = None
    _turned_s: float | None = None
    _turned_us: int = 0
    _last_s: float = float("-inf")

    @property
    def active(self) -> bool:
        """Whether the problem is there."""
        return self.since_us is not None

    @property
    def turning(self) -> bool:
        """Whether it may be about to begin or to end."""
        return self._turned_s is not None

    def note(self, seen: bool | None, at_s: float, at_us: int) -> None:
        """Note whether the problem is seen.

        Args:
            seen: None: this cannot be told, and nothing changes.
            at_s: When, on the clock for durations, seconds.
            at_us: The same on the wall clock, microseconds since 1970.
        """
        if not 0 <= at_s - self._last_s <= _GAP_S:
            self._turned_s = None
        if seen is None:
            return
        self._last_s = at_s
        if seen == self.active:
            self._turned_s = None
            return
        if self._turned_s is None:
            self._turned_s, self._turned_us = at_s, at_us
        if at_s - self._turned_s >= (self.leave_s if self.active else self.enter_s):
            self.since_us = None if self.active else self._turned_us
            self._turned_s = None

    def end(self) -> None:
        """Say that the problem is not there."""
        self.since_us = self._turned_s = None
