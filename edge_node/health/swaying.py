"""Whether what hides a view moves: what somebody holds or wears sways, and what lies on the lens does not.

How far a thing has moved since the last look follows from how its grey levels have changed and how steep they
are (Lucas and Kanade 1981), to a few hundredths of a pixel. It counts only if that one shift explains how the
whole thing has changed: people who pass behind the edge of a tape change it, too.
"""

from __future__ import annotations

import cv2
import numpy as np

from edge_node.health.glance import Glance, blocks
from edge_node.health.view import TEXTURE
from shared.geometry import F32, Bool

_BY, _AT_MOST = 0.1, 2.5
"""Pixels of the small picture by which something must have moved, and if by more, it comes or goes. Tape on a
lens stays below 0.05."""
_FEWEST, _MANY = 3, 0.55  # blocks in which it must have moved, and share of those that show it
_EXPLAINED = 0.3  # share of the changes' squares that one shift explains: of tape and people, below 0.25
_RESTS_S = 1.5  # seconds for which what sways may stand still


class Sway:
    """Whether what hides the view of one camera sways."""

    def __init__(self) -> None:
        self._last: Glance | None = None
        self._moved_s = float("-inf")

    def note(self, seen: Glance, hiding: Bool, *, hidden: bool, comes: bool) -> None:
        """Compare a look with the one before, if much is hidden in both.

        Args:
            seen: The look.
            hiding: The blocks that show what hides the view, ``(ROWS, COLUMNS)``.
            hidden: Whether much of the view is hidden.
            comes: Whether it is more than at the last look.
        """
        last, self._last = self._last, seen if hidden else None
        if not hidden:
            self._moved_s = float("-inf")
        elif last is not None and not comes and _shifted(last, seen, hiding & (last.energy > TEXTURE)):
            self._moved_s = seen.at_s

    def lately(self, at_s: float) -> bool:
        """Whether it has moved within the last seconds."""
        return at_s - self._moved_s <= _RESTS_S


def _shifted(last: Glance, seen: Glance, where: Bool) -> bool:
    """Whether some blocks have moved as one since the last look."""
    change, (right, down) = _smooth(seen) - _smooth(last), last.gradient
    pull = np.stack([blocks(right * change)[where], blocks(down * change)[where]])
    moves = np.hypot(*pull) >= _BY * last.energy[where]
    if np.count_nonzero(moves) < max(_FEWEST, _MANY * len(moves)):
        return False
    across = float(blocks(right * down)[where].sum())
    steep = np.array(
        [[blocks(right * right)[where].sum(), across], [across, blocks(down * down)[where].sum()]]
    )
    total = pull.sum(axis=1)
    shift = np.linalg.solve(steep + np.eye(2), total)
    explained = float(shift @ total) / max(float(blocks(change * change)[where].sum()), 1e-6)
    return explained >= _EXPLAINED and _BY <= float(np.hypot(*shift)) <= _AT_MOST


def _smooth(seen: Glance) -> F32:
    """The grey levels whose slopes a look has, ``(h, w)``."""
    size = seen.colour.shape[1::-1]
    small = cv2.resize(seen.fine, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (3, 3), 0), np.float32)
