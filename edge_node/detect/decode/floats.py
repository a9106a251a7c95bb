"""A network's numbers in 16 or 32 bits: the few that are high enough are found before any is converted."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from edge_node.backends.interface import Array
from edge_node.detect.decode.raw import Ids
from shared.geometry import F32

_FEW = 10_000
"""Up to this many 16-bit floats, converting them is as fast as the table."""
_ALL = np.frombuffer(b"\1" * 8, np.uint64)[0]
"""Eight times True."""


def single(numbers: Array) -> F32:
    """As 32-bit floats. A table is several times faster than converting very small numbers."""
    if numbers.dtype != np.float16 or numbers.size < _FEW:
        return np.asarray(numbers, np.float32)
    return _halves().take(np.ascontiguousarray(numbers).view(np.uint16))


@cache
def _halves() -> F32:
    """The value of each 16-bit float, by its bits."""
    return np.arange(65_536, dtype=np.uint16).view(np.float16).astype(np.float32)


def likely(numbers: Array, least: float) -> Ids:
    """Flat indices of all numbers that are not below `least`, with those of NaN.

    Of hundreds of thousands of scores, a handful is high enough, so each is compared once and nothing else is
    done with it. Numbers of 16 bits are compared by their bits: negative ones count as large, and `least` is
    rounded, so the caller has to leave a few of them out. The answers, a byte each, are read eight at a time.

    Args:
        numbers: Floats of 16 or 32 bits, of any shape.
        least: 0..1.
    """
    bound: Any = np.float32(least)
    if numbers.dtype == np.float16:
        numbers, bound = numbers.view(np.uint16), np.float16(least).view(np.uint16)
    below = np.empty(-(-numbers.size // 8) * 8, np.bool_)
    below[numbers.size :] = True
    np.less(numbers, bound, out=below[: numbers.size].reshape(numbers.shape))
    words = below.view(np.uint64)
    some = np.flatnonzero(words != _ALL)
    inside = np.flatnonzero(words[some].view(np.uint8) == 0)
    found: Ids = (some * 8)[inside >> 3] + (inside & 7)
    return found
