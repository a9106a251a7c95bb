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
        # The last entry is for class ids without a name; None: every class is wanted.
        self._wanted: Bool | None = (
            np.array([name in classes for name in (*class_names, None)], np.bool_) if classes else None
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
        best, here, larger = self._compare(tracks) if len(tracks) else (None, False, False)
        if self._chosen is None or self._settled(now_s, doubt=larger or not here):
            self._chosen = None if best is None else int(tracks.track_id[best])
            self._doubted_s = None
            return self._chosen
        return self._chosen if here else None

    def _compare(self, tracks: Tracks) -> tuple[int | None, bool, bool]:
        """Row of the best candidate, whether the chosen track is there, and whether the best is larger."""
        area, sure = box_area(tracks.xyxy), tracks.score >= self._min_score
        here = [] if self._chosen is None else (tracks.track_id == self._chosen).nonzero()[0].tolist()
        if self._wanted is not None:
            wanted = self._wanted[np.minimum(tracks.class_id, len(self._wanted) - 1)]
            sure &= wanted
            here = [row for row in here if wanted[row]]
        candidates = np.where(sure, area, -1.0)
        best = int(candidates.argmax())
        if not candidates[best] >= 0:
            return None, bool(here), False
        return best, bool(here), bool(here and candidates[best] > self._ratio * area[here[0]])

    def _settled(self, now_s: float, *, doubt: bool) -> bool:
        """Whether the doubt about the chosen track has lasted long enough to choose again."""
        if not doubt:
            self._doubted_s = None
            return False
        self._doubted_s = now_s if self._doubted_s is None else self._doubted_s
        return now_s - self._doubted_s >= self._after_s - TICK_S
