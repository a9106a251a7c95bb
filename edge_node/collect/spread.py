"""Which picture adds least to those that are kept, so that they stay spread over time, light and reasons.

Two pictures are as far apart as they differ in time, counted in mean gaps between pictures, and in light and
reason. One of the two that are nearest goes. So a week of nights thins itself out, and the day stays: the
pictures become as evenly spread over all of their time as their light and reasons let them be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_node.frames import I32, I64
from shared.geometry import F32, Bool

_NEIGHBOURS = 8
"""Each picture is compared with so many that follow it in time, which bounds the work."""
_PER_GAP = 0.02  # difference in light, of 1, that counts as much as one mean gap
_OTHER_REASON = 2.0  # mean gaps that another reason counts for


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """Pictures, in the order of their times.

    Attributes:
        captured_us: i64 ``(N,)``.
        light: f32 ``(N,)``, 0..1.
        reason: i32 ``(N,)``: a number for the first reason.
        stays: bool ``(N,)``: which must not go.
    """

    captured_us: I64
    light: F32
    reason: I32
    stays: Bool


def least(crowd: Crowd) -> int | None:
    """Which picture adds least: of the two that are nearest to each other the older one, if it may go.

    Returns:
        Its index; None if all must stay.
    """
    free = (~crowd.stays).nonzero()[0]
    count = len(crowd.stays)
    if len(free) < 2 or count < 3:
        return int(free[0]) if len(free) else None
    gap = max(1.0, float(crowd.captured_us[-1] - crowd.captured_us[0])) / (count - 1)
    best, found = np.inf, int(free[0])
    for step in range(1, min(_NEIGHBOURS, count - 1) + 1):
        apart = _apart(crowd, step, gap)
        apart[crowd.stays[:-step] & crowd.stays[step:]] = np.inf
        at = int(apart.argmin())
        if apart[at] < best:
            best, found = float(apart[at]), at if not crowd.stays[at] else at + step
    return found


def _apart(crowd: Crowd, step: int, gap: float) -> npt.NDArray[np.float64]:
    """How far each picture is from the one `step` places later, in mean gaps."""
    time = (crowd.captured_us[step:] - crowd.captured_us[:-step]) / gap
    light = np.abs(crowd.light[step:].astype(np.float64) - crowd.light[:-step]) / _PER_GAP
    return np.asarray(time + light + _OTHER_REASON * (crowd.reason[step:] != crowd.reason[:-step]))
