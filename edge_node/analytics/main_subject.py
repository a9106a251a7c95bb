"""The main subject of a frame: the largest confident object of the wanted classes, chosen without flicker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_node.analytics.happenings import TICK_S
from edge_node.frames import Tracks
from shared.geometry import Bool, box_area


class MainSubject:
    """Chooses one track, and changes only when another track is clearly larger for some time.

    Args:
        classes: Names of the wanted classes; none means all.
        class_names: Names by class id.
        min_score: Least score of a track to be chosen. The chosen track may fall below it.
        ratio: How many times larger another track must be to be chosen instead.
        after_s: How long the other track must be larger, in seconds. A chosen track that is out of
            the picture stays chosen for as long.
    """

    def __init__(
        self,
        classes: Sequence[str],
        class_names: Sequence[str],
        *,
        min_score: float,
        ratio: float,
        after_s: float,
    ) -> None:
        self._wanted: Bool = np.array(
            [not classes or name in classes for name in (*class_names, None)], np.bool_
        )
        self._min_score, self._ratio, self._after_s = min_score, ratio, after_s
        self.forget()

    def forget(self) -> None:
        """Drop the choice."""
        self._chosen: int | None = None
        self._doubted_s: float | None = None

    def follow(self, old: int, new: int) -> None:
        """Treat the track `new` as the one that was `old`."""
        if self._chosen == old:
            self._chosen = new

    def update(self, tracks: Tracks, now_s: float) -> int | None:
        """Process one frame.

        Args:
            tracks: The frame's tracks.
            now_s: The frame's time.

        Returns:
            Track id of the main subject; None when it is not in the picture.
        """
        wanted = self._wanted[np.minimum(tracks.class_id, len(self._wanted) - 1)]
        area = box_area(tracks.xyxy)
        candidates = np.where(wanted & (tracks.score >= self._min_score), area, -1.0)
        best = int(candidates.argmax()) if len(tracks) and candidates.max() >= 0 else None
        # No id is negative, so -1 matches no track while none is chosen.
        here = np.flatnonzero(wanted & (tracks.track_id == (-1 if self._chosen is None else self._chosen)))
        larger = best is not None and len(here) > 0 and candidates[best] > self._ratio * area[here[0]]
        if self._chosen is None or self._settled(now_s, doubt=larger or len(here) == 0):
            self._chosen = None if best is None else int(tracks.track_id[best])
            self._doubted_s = None
            return self._chosen
        return self._chosen if len(here) else None

    def _settled(self, now_s: float, *, doubt: bool) -> bool:
        """Whether the doubt about the chosen track has lasted long enough to choose again."""
        if not doubt:
            self._doubted_s = None
            return False
        self._doubted_s = now_s if self._doubted_s is None else self._doubted_s
        return now_s - self._doubted_s >= self._after_s - TICK_S
