"""Constant-velocity Kalman filters of all boxes at once, without matrices.

A box is ``(cx, cy, w, h)``. In the 8-state filter of SORT, ByteTrack and BoT-SORT every noise matrix is
diagonal and the motion couples a coordinate only with its own velocity, so the 8x8 covariance falls apart,
exactly, into four 2x2 blocks ``[[pp, pv], [pv, vv]]``, and the inverse of the innovation covariance into four
divisions. Noise is proportional to the side a coordinate belongs to (x and w to the width, y and h to the
height); in units of that side the four blocks are one and the same, so each box keeps just one.

Sources: Kalman 1960; Bewley et al., "Simple Online and Realtime Tracking", 2016; Aharon et al., "BoT-SORT",
2022 (state of centre and sides, noise proportional to the sides).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shared.geometry import F64, Floats

FILTER = np.dtype(
    [
        ("pos", np.float64, (4,)),
        ("vel", np.float64, (4,)),
        ("pp", np.float64),
        ("pv", np.float64),
        ("vv", np.float64),
    ]
)
"""State of one box: position and velocity (px, px/s) and their covariance, in sides of the box."""

MEASUREMENT = 0.12
"""Standard deviation of a detected coordinate, in sides of the box (as the other three)."""
POSITION = 0.2
"""Of the position's random walk, per square root of a second."""
VELOCITY = 0.5
"""Of the velocity's random walk, 1/s per square root of a second."""
INITIAL_VELOCITY = 2.0
"""Of the unknown velocity of a new box, 1/s."""

Rows = npt.NDArray[np.void]


def to_centre(xyxy: Floats) -> F64:
    """Corners ``(N, 4)`` to centre and sides ``(N, 4)``."""
    low, high = xyxy[:, :2], xyxy[:, 2:]
    out = np.empty((len(xyxy), 4))
    np.add(low, high, out=out[:, :2])
    out[:, :2] *= 0.5
    np.subtract(high, low, out=out[:, 2:])
    return out


def to_corners(centre: Floats) -> F64:
    """Centre and sides ``(N, 4)`` to corners ``(N, 4)``."""
    half = centre[:, 2:] * 0.5
    out = np.empty((len(centre), 4))
    np.subtract(centre[:, :2], half, out=out[:, :2])
    np.add(centre[:, :2], half, out=out[:, 2:])
    return out


def start(rows: Rows, centre: Floats) -> None:
    """Begin filters at rest, in place.

    Args:
        rows: Records with the fields of `FILTER`, ``(N,)``.
        centre: Measured boxes ``(N, 4)``.
    """
    rows["pos"] = centre
    rows["vel"] = 0.0
    rows["pp"] = MEASUREMENT**2
    rows["pv"] = 0.0
    rows["vv"] = INITIAL_VELOCITY**2


def predict(rows: Rows, dt: float | F64) -> None:
    """Move filters forward, in place.

    Args:
        rows: Records with the fields of `FILTER`, ``(N,)``.
        dt: Seconds, >= 0: one number, or ``(N,)``. The noise added is proportional to it, so that nothing
            depends on how many steps a stretch of time is cut into.
    """
    pos, pp, pv, vv = rows["pos"], rows["pp"], rows["pv"], rows["vv"]
    change = vv * dt
    pv += change  # pp grows by dt times the sum of the old pv and the new
    pp += (2.0 * pv - change + POSITION**2) * dt
    vv += VELOCITY**2 * dt
    pos += rows["vel"] * (dt[:, None] if isinstance(dt, np.ndarray) else dt)
    sides = pos[:, 2:]
    np.maximum(sides, 1.0, out=sides)


def correct(rows: Rows, centre: Floats) -> None:
    """Bring filters to a measurement each, in place.

    Args:
        rows: Predicted records with the fields of `FILTER`, ``(N,)``.
        centre: Measured boxes ``(N, 4)``, row by row.
    """
    pos, vel, pp, pv, vv = rows["pos"], rows["vel"], rows["pp"], rows["pv"], rows["vv"]
    total = pp + MEASUREMENT**2
    gain_pos, gain_vel = pp / total, pv / total
    innovation = centre - pos
    pos += gain_pos[:, None] * innovation
    vel += gain_vel[:, None] * innovation
    vv -= gain_vel * pv
    pp -= gain_pos * pp
    pv -= gain_pos * pv
