"""Typical scores by class, learned from what is tracked, so that thresholds suit every detector.

Detectors differ in what a good score is: one gives people 0.95, another 0.6.
"""

from __future__ import annotations

import numpy as np

from edge_node.frames import I32
from shared.geometry import F64

_PRIOR_SCORE, _PRIOR_COUNT = 0.55, 10.0  # the typical score before anything was tracked, and its weight
_MEMORY = 300.0  # number of detections over which a typical score is averaged


class TypicalScores:
    """Average scores of tracked detections, by class."""

    def __init__(self) -> None:
        self._sum: F64 = np.zeros(0)
        self._count: F64 = np.zeros(0)

    def shares(self, class_id: I32, score: F64) -> F64:
        """Divide each score ``(M,)`` by the typical score of its class."""
        known = int(class_id.max(initial=-1)) + 1
        if known > len(self._sum):
            more = (0, known - len(self._sum))
            self._sum = np.pad(self._sum, more, constant_values=_PRIOR_SCORE * _PRIOR_COUNT)
            self._count = np.pad(self._count, more, constant_values=_PRIOR_COUNT)
        shares: F64 = score / (self._sum / self._count)[class_id]
        return shares

    def learn(self, class_id: I32, score: F64) -> None:
        """Learn from detections ``(K,)`` of confirmed tracks, whose classes `shares` has seen before."""
        size = len(self._sum)
        self._sum += np.bincount(class_id, score, minlength=size)
        self._count += np.bincount(class_id, minlength=size)
        fade = np.minimum(_MEMORY / self._count, 1.0)
        self._sum *= fade
        self._count *= fade
