"""How fast a network learns: slowly at first, then as told, then ever more slowly. And for how long.

Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017; the cosine, once.
"""

from __future__ import annotations

import math
import time

_WARM_UP = 0.1
_LAST = 0.02
_LABELS, _LEAST = 0.35, 0.25
"""Shares of all the time: what teachers may take, and what is left for learning at least."""
_JUDGING = 2.5
"""Judging a model takes about as long as looking with it, and often one is judged more than once."""


def rate(done: float) -> float:
    """Share of the learning rate.

    Args:
        done: Share of the training that is over, 0..1.
    """
    if done < _WARM_UP:
        return 0.05 + 0.95 * done / _WARM_UP
    over = min((done - _WARM_UP) / (1 - _WARM_UP), 1.0)
    return _LAST + (1 - _LAST) * (1 + math.cos(math.pi * over)) / 2


class Allowance:
    """The time that adapting may take, and what is left of it.

    Args:
        minutes: All of it; None: as long as it takes.
    """

    def __init__(self, minutes: float | None) -> None:
        self._start = time.monotonic()
        self._all = None if minutes is None else 60 * minutes

    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._start

    def for_labels(self) -> float | None:
        """Seconds that teachers may take."""
        return None if self._all is None else _LABELS * self._all - self.spent()

    def for_learning(self, look: float) -> float | None:
        """Seconds for learning, so that judging still fits.

        Args:
            look: Seconds that a model takes to see all pictures.
        """
        if self._all is None:
            return None
        return max(self._all - self.spent() - _JUDGING * look, _LEAST * self._all)
