"""Sizes of a network's input, where the network leaves them open."""

from __future__ import annotations

import math

STRIDE = 32
"""The coarsest stride of most networks, pixels."""
DEFAULT_SIDE = 640
"""The size that most networks that take any size were trained at, pixels."""


def multiple(pixels: float) -> int:
    """The next multiple of the stride."""
    return max(STRIDE, math.ceil(round(pixels, 3) / STRIDE) * STRIDE)
