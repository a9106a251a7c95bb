"""Whether a camera has been moved: when its view is searched for, and when a found shift is believed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from edge_node.health.glance import Glance
from edge_node.health.view import IN_PLACE, View, displacement
from shared.wire.messages import ViewShift

_LESS = 0.12
"""How much smaller than usual the share of blocks that agree must be for a search."""
_SURELY = 0.7  # a share of less is always a reason
_AGAIN_S, _SELDOM_S = (
    0.7,
    30.0,
)  # seconds to the next search: after a shift, and at most where nothing was found
_ROUTINE_S = 600.0  # seconds between searches without a reason: a mount may sag slowly
_MOVED = 0.015
"""How far a corner must have moved, as a fraction of the frame's width."""
_ALIKE = 0.012  # how far two shifts may differ that are the same
_TIMES, _SPAN_S, _MEMORY_S = 3, 1.6, 7.0  # how often a shift must be found, over which time, and within which
_RENEW_S = 5.0  # seconds between searches of a camera that is moved


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found: a shift at a time; its size as `displacement` has it."""

    at_s: float
    shift: ViewShift
    size: float


class Movement:
    """Where one camera's view is.

    Attributes:
        shift: How far it has moved; None: not, or not known.
    """

    def __init__(self) -> None:
        self.shift: ViewShift | None = None
        self._found: deque[Found] = deque(maxlen=_TIMES)
        self._next_s = self._routine_s = float("-inf")
        self._wait_s = _AGAIN_S
        self._excused = 1.0  # share at which the view was found in its place

    def forget(self) -> None:
        """Begin anew, with another view."""
        self.__init__()  # type: ignore[misc]  # all of its state begins anew

    def moved(self, view: View, seen: Glance, share: float, usual: float, *, already: bool) -> bool | None:
        """Whether the view is at another place now.

        Args:
            view: The view.
            seen: What is seen now.
            share: Share of the view's blocks that agree with it.
            usual: What that share usually is.
            already: Whether the camera counts as moved.

        Returns:
            None: this cannot be told from this picture.
        """
        now_s = seen.at_s
        if self._routine_s == float("-inf"):
            self._routine_s = now_s + _ROUTINE_S
        doubtful = share < min(usual - _LESS, _SURELY + _LESS) or share < _SURELY
        if not already and not doubtful and not self._found and now_s < self._routine_s:
            self._wait_s, self._excused = _AGAIN_S, 1.0
            return False
        if now_s < self._next_s and share > self._excused - _LESS:
            return None
        return self._search(view, seen, share, already=already)

    def _search(self, view: View, seen: Glance, share: float, *, already: bool) -> bool | None:
        now_s = seen.at_s
        self._routine_s = now_s + _ROUTINE_S
        shift = view.find(seen)
        if shift is None:
            self._wait(now_s, share)
            return None
        size = displacement(shift, view.fine.shape[0])
        if size < _MOVED:
            self._found.clear()
            if already:  # look again soon, because it may be back
                self._next_s = now_s + _AGAIN_S
            else:
                self._wait(now_s, share)
            return False if size < IN_PLACE else None
        self._found.append(Found(now_s, shift, size))
        self._next_s, self._wait_s = now_s + (_RENEW_S if already else _AGAIN_S), _AGAIN_S
        self._excused = share
        if not self._believed(now_s, view.fine.shape[0]):
            return None
        self.shift = shift
        return True

    def _wait(self, now_s: float, share: float) -> None:
        self._next_s, self._excused = now_s + self._wait_s, share
        self._wait_s = min(2 * self._wait_s, _SELDOM_S)

    def _believed(self, now_s: float, height: int) -> bool:
        """Whether the last shifts are the same, so that it is no gust of wind."""
        found = self._found
        if len(found) < _TIMES or found[-1].at_s - found[0].at_s < _SPAN_S:
            return False
        if self.shift is None and now_s - found[0].at_s > _MEMORY_S:
            return False
        return all(_differ(one.shift, found[-1].shift, height) < _ALIKE for one in found)


def _differ(one: ViewShift, other: ViewShift, height: int) -> float:
    """How far a corner lies apart under two shifts, about; a fraction of the frame's width."""
    return displacement(
        ViewShift(
            dx=one.dx - other.dx,
            dy=one.dy - other.dy,
            degrees=one.degrees - other.degrees,
            scale=one.scale / other.scale,
        ),
        height,
    )
