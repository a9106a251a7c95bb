"""How fast a network learns: slowly at first, then as told, then ever more slowly.

Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017; the cosine, once.
"""

from __future__ import annotations

import math

_WARM_UP = 0.1
_LAST = 0.02


def rate(done: float) -> float:
    """Share of the learning rate.

    Args:
        done: Share of the training that is over, 0..1.
    """
    if done < _WARM_UP:
        return 0.05 + 0.95 * done / _WARM_UP
    over = min((done - _WARM_UP) / (1 - _WARM_UP), 1.0)
    return _LAST + (1 - _LAST) * (1 + math.cos(math.pi * over)) / 2
