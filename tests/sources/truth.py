"""What is in the films that `maker.py` makes."""

from __future__ import annotations

_COUNT, _STEP_S = 30, 0.04
_VARYING_S = [i * 0.04 if i < 10 else 0.4 + (i - 10) * 0.2 for i in range(_COUNT)]
_GAP_S = [i * 0.04 if i < 10 else 600 + i * 0.04 for i in range(_COUNT)]


def count(name: str) -> int:
    """Number of pictures."""
    return 200 if name == "film.m3u8" else _COUNT


def times_s(name: str) -> list[float]:
    """When each picture was filmed, seconds from the first."""
    special = {"varying.mkv": _VARYING_S, "gap.mkv": _GAP_S}
    return special.get(name, [i * _STEP_S for i in range(count(name))])


def greys(name: str) -> list[float]:
    """The grey level of each picture as a decoder gives it. JPEGs use all levels, other video 16 to 235."""
    lumas = [40 + 6 * i % 180 for i in range(count(name))]
    return [luma if "jpeg" in name else (luma - 16) * 255 / 219 for luma in lumas]
