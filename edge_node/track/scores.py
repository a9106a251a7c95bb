"""Typical scores by class, learned from what is tracked, so that thresholds suit every detector.

Detectors differ in what a good score is: one gives people 0.95, another 0.6.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_node.frames import I32
from edge_node.track.rows import Index
from shared.geometry import F64, Bool

_PRIOR_SCORE, _PRIOR_COUNT = 0.55, 10.0  # the typical score before anything was tracked, and its weight
_MEMORY = 300.0  # number of detections over which a typical score is averaged


class TypicalScores:
    """Average scores of tracked detections, by camera and class.

    Args:
        known: Sum and count ``(2, K)`` by class, of each camera; what `parts` gave. No columns: nothing yet.
    """

    def __init__(self, known: Sequence[F64]) -> None:
        self._cameras = len(known)
        self._hold(known, max([one.shape[1] for one in known]))

    def _hold(self, known: Sequence[F64], size: int) -> None:
        """Put what is known side by side, with room for `size` classes of each camera."""
        self._size = size
        wide = [_widened(one, size) for one in known]
        self._sums_counts = wide[0] if len(wide) == 1 else np.concatenate(wide, axis=1)

    def shares(self, camera: Index, class_id: I32, score: F64) -> F64:
        """Divide each score ``(M,)`` by the typical score of its class in its camera."""
        size = int(class_id.max(initial=-1)) + 1
        if size > self._size:
            self._hold(self.parts(), size)
        sums, counts = self._sums_counts
        shares: F64 = score / (sums / counts)[self._place(camera, class_id)]
        return shares

    def learn(self, camera: Index, class_id: I32, score: F64, confirmed: Bool) -> None:
        """Learn from matched detections ``(K,)``, of which those of confirmed tracks count.

        What is known of a camera fades only when one of its detections is matched.
        """
        sums, counts = self._sums_counts
        place = self._place(camera, class_id)
        if np.count_nonzero(confirmed) < len(confirmed):
            place, score = place[confirmed], score[confirmed]
        sums += np.bincount(place, score, minlength=len(sums))
        counts += np.bincount(place, minlength=len(sums))
        fade = np.minimum(_MEMORY / counts, 1.0)
        if self._cameras > 1:
            met = np.zeros((self._cameras, 1), np.bool_)
            met[camera] = True
            fade = np.where(met, fade.reshape(self._cameras, self._size), 1.0).ravel()
        sums *= fade
        counts *= fade

    def parts(self) -> list[F64]:
        """What is known of each camera: no views of one array, which each would keep in memory for all."""
        if self._cameras == 1:
            return [self._sums_counts]
        each = self._sums_counts.reshape(2, self._cameras, self._size)
        return [each[:, camera].copy() for camera in range(self._cameras)]

    def _place(self, camera: Index, class_id: I32) -> npt.NDArray[np.integer]:
        return class_id if self._cameras == 1 else camera * self._size + class_id


def _widened(known: F64, size: int) -> F64:
    """Room for `size` classes ``(2, size)``; the prior stands where nothing is known."""
    before = known.shape[1]
    if size <= before:
        return known
    wide = np.empty((2, size))
    wide[:, :before] = known
    wide[0, before:], wide[1, before:] = _PRIOR_SCORE * _PRIOR_COUNT, _PRIOR_COUNT
    return wide
