"""The main subject of a frame: the largest confident object of the wanted classes, without flipping."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_node.analytics.happenings import TICK_S
from edge_node.frames import Tracks
from shared.geometry import Bool, box_area


class MainSubject:
    """Chooses one track and stays with it until another is clearly the subject for some time.

    Args:
        classes: Wanted class names; none means all.
        class_names: By class id.
        min_score: A track below it is never chosen (the chosen one may fall below it).
        ratio: How many times larger another must be.
        after_s: For how long, in seconds; also how long a subject that is not in the picture is waited for.
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
        """Start anew."""
        self._chosen: int | None = None
        self._doubted_s: float | None = None

    def follow(self, old: int, new: int) -> None:
        """Track `old` goes on under the id `new`."""
        if self._chosen == old:
            self._chosen = new

    def update(self, tracks: Tracks, now_s: float) -> int | None:
        """The main subject's track id in this frame; None when it is not in the picture.

        Args:
            tracks: The frame's tracks.
            now_s: The frame's time.
        """
        wanted = self._wanted[np.minimum(tracks.class_id, len(self._wanted) - 1)]
        area = box_area(tracks.xyxy)
        candidates = np.where(wanted & (tracks.score >= self._min_score), area, -1.0)
        best = int(candidates.argmax()) if len(tracks) and candidates.max() >= 0 else None
        # No id is negative: before a choice, nothing is here.
        here = np.flatnonzero(wanted & (tracks.track_id == (-1 if self._chosen is None else self._chosen)))
        larger = best is not None and len(here) > 0 and candidates[best] > self._ratio * area[here[0]]
        if self._chosen is None or self._settled(now_s, doubt=larger or len(here) == 0):
            self._chosen = None if best is None else int(tracks.track_id[best])
            self._doubted_s = None
            return self._chosen
        return self._chosen if len(here) else None

    def _settled(self, now_s: float, *, doubt: bool) -> bool:
        """Whether the doubt about the chosen one has lasted long enough to choose again."""
        if not doubt:
            self._doubted_s = None
            return False
        self._doubted_s = now_s if self._doubted_s is None else self._doubted_s
        return now_s - self._doubted_s >= self._after_s - TICK_S
