"""Constant-velocity Kalman filters of all boxes at once, without matrices.

A box is ``(cx, cy, w, h)``. In the 8-state filter of SORT, ByteTrack and BoT-SORT every noise matrix is
diagonal, and motion couples a coordinate only with its own velocity. So the 8x8 covariance splits exactly
into four 2x2 blocks ``[[pp, pv], [pv, vv]]``, and inverting the innovation covariance takes four divisions.
Noise is proportional to a side: to the width for x and w, to the height for y and h. In units of that side
the four blocks are equal, so each box keeps only one. Only the gain of the sides is another: see `correct`.

Sources: Kalman 1960; Bewley et al., "Simple Online and Realtime Tracking", 2016; Aharon et al., "BoT-SORT",
2022 (state of centre and sides, noise proportional to the sides).
"""

from __future__ import annotations

import numpy as np

from shared.geometry import F64, Floats

POS, VEL, PP, PV, VV = slice(0, 4), slice(4, 8), 8, 9, 10
"""Rows of the state ``(11, N)`` of N boxes: position (px), velocity (px/s), and their covariance in sides of
the box. Each column is a box, so that numpy runs along whole rows."""

MEASUREMENT = 0.12
"""Standard deviation of a detected coordinate. This and the three below are in sides of the box."""
POSITION = 0.2
"""Standard deviation of the position's random walk, per square root of a second."""
VELOCITY = 0.5
"""Standard deviation of the velocity's random walk, 1/s per square root of a second."""
INITIAL_VELOCITY = 2.0
"""Standard deviation of a new box's unknown velocity, 1/s."""
SIDES = 0.5
"""Share of the gain that a box's sides take; its centre takes all of it. See `correct`."""


def to_centre(xyxy: Floats) -> F64:
    """Corners ``(4, N)`` to centre and sides ``(4, N)``."""
    low, high = xyxy[:2], xyxy[2:]
    out = np.empty(xyxy.shape)
    centre = np.add(low, high, out=out[:2])
    centre *= 0.5
    np.subtract(high, low, out=out[2:])
    return out


def to_corners(centre: Floats) -> F64:
    """Centre and sides ``(4, N)`` to corners ``(4, N)``."""
    middle, half = centre[:2], centre[2:] * 0.5
    out = np.empty(centre.shape)
    np.subtract(middle, half, out=out[:2])
    np.add(middle, half, out=out[2:])
    return out


def start(centre: Floats) -> F64:
    """Begin filters at rest.

    Args:
        centre: Measured boxes ``(4, N)``.

    Returns:
        Their state ``(11, N)``.
    """
    state = np.zeros((11, centre.shape[1]))
    state[POS] = centre
    state[PP] = MEASUREMENT**2
    state[VV] = INITIAL_VELOCITY**2
    return state


def predict(state: F64, dt: float | F64) -> None:
    """Move filters forward, in place.

    Args:
        state: ``(11, N)``.
        dt: Seconds, >= 0: one number, or ``(N,)``. The added noise is proportional to it, so the result does
            not depend on how many steps a time is divided into.
    """
    pos, sides = state[POS], state[2:4]
    pp, pv, vv = state[PP], state[PV], state[VV]
    change = vv * dt
    pv += change  # pp grows by dt times the sum of the old pv and the new
    pp += (2.0 * pv - change + POSITION**2) * dt
    vv += VELOCITY**2 * dt
    pos += state[VEL] * dt
    np.maximum(sides, 1.0, out=sides)


def correct(state: F64, centre: Floats) -> None:
    """Correct each filter by one measurement, in place.

    A detector misses the upper and the lower edge of a box independently, so that the sides shake twice as
    much (in variance 4:1) as the centre, although the size of an object changes more slowly than its place.
    So the sides take `SIDES` of the gain, and `SIDES` squared of the gain in velocity.

    Args:
        state: Predicted state, ``(11, N)``.
        centre: Measured boxes ``(4, N)``, column by column.
    """
    pos, vel, pp, pv, vv = state[POS], state[VEL], state[PP], state[PV], state[VV]
    total = pp + MEASUREMENT**2
    gain_pos, gain_vel = pp / total, pv / total
    innovation = centre - pos
    innovation[2:] *= SIDES
    pos += gain_pos * innovation
    innovation[2:] *= SIDES
    vel += gain_vel * innovation
    vv -= gain_vel * pv
    pp -= gain_pos * pp
    pv -= gain_pos * pv
