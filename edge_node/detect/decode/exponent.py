"""The exponential function, bit for bit the same on every processor and GPU.

NumPy's own differs from machine to machine, and a GPU's from both. `exponential` in `backends/cuda/nms.cu`
has the same operations on 32-bit floats in the same order, so boxes do not depend on where they are decoded.
"""

from __future__ import annotations

import numpy as np

from shared.geometry import F32

_LEAST, _MOST = np.float32(-86), np.float32(89)
"""Below the first the result stays that of the first, 4e-38; above the second it is infinite."""
_ROUND = np.float32(12_582_912)
"""Floats from here on are whole numbers: adding and subtracting this rounds."""
_LOG2E = np.float32(1.44269504)
_LN2, _LN2_REST = np.float32(0.693145752), np.float32(1.42860677e-6)
"""The first has so few bits that its product with a whole number is exact."""
_POWERS = [np.float32(1) / np.float32(factorial) for factorial in (5040, 720, 120, 24, 6, 2, 1, 1)]


def exponential(x: F32) -> F32:
    """Euler's number to the power of `x`, within two units in the last place.

    It is a power of two times the series of what is left.

    Args:
        x: Any shape; what is no number stays none.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        limited = np.minimum(np.maximum(x, _LEAST), _MOST)
        n = limited * _LOG2E + _ROUND - _ROUND
        rest = limited - n * _LN2 - n * _LN2_REST
        power: F32 = np.full(rest.shape, _POWERS[0])
        for one in _POWERS[1:]:
            power *= rest
            power += one
        power *= ((n.astype(np.int32) + 126) << 23).view(np.float32)
        power *= np.float32(2)
    return power
