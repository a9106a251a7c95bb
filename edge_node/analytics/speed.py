"""Speed on the ground, computed from four points of the picture whose places on the ground are known."""

from __future__ import annotations

import numpy as np

from edge_node.analytics.roster import Index, Sighting
from edge_node.config.camera_settings import GroundCalibration
from shared.errors import ConfigError
from shared.geometry import F64

SMOOTHING_S = 0.5
"""Time constant of the speed, seconds: longer than the jitter of a box, shorter than a change of pace."""


class Ground:
    """Ground positions and smoothed velocities of the objects of one camera.

    Args:
        calibration: The four points, in the picture and on the ground.

    Raises:
        ConfigError: Three of the points lie on one line, or the two lists differ in their order.
    """

    def __init__(self, calibration: GroundCalibration) -> None:
        self._matrix = _homography(np.array(calibration.image), np.array(calibration.metres))
        self._position = np.full((0, 2), np.nan)
        self._velocity = np.zeros((0, 2))

    def locate(self, points: F64) -> F64:
        """Ground positions, metres ``(N, 2)``, of picture points ``(N, 2)``; NaN at and above the horizon."""
        place = np.column_stack((points, np.ones(len(points)))) @ self._matrix.T
        metres: F64 = np.divide(
            place[:, :2], place[:, 2:], out=np.full((len(points), 2), np.nan), where=place[:, 2:] > 1e-9
        )
        return metres

    def update(self, sighting: Sighting, feet: F64, drift: F64, capacity: int) -> None:
        """Add one frame.

        Args:
            sighting: The objects that were seen.
            feet: Where they touch the ground, fractions of the frame, ``(M, 2)``.
            drift: Velocities from the tracker, fractions of the frame per second, ``(M, 2)``: the first guess
                for a new object.
            capacity: Number of slots.
        """
        room = capacity - len(self._position)
        if room:
            self._position = np.concatenate((self._position, np.full((room, 2), np.nan)))
            self._velocity = np.concatenate((self._velocity, np.zeros((room, 2))))
        slots = sighting.slots
        at, before = self.locate(feet), self._position[slots]
        elapsed = (sighting.now_s - sighting.previous_s)[:, None]
        moved = np.divide(at - before, elapsed, out=np.zeros_like(at), where=elapsed > 0)
        # This is exact for steady motion between sightings, so the frame rate does not matter.
        kept = np.exp(-elapsed / SMOOTHING_S)
        smooth = kept * self._velocity[slots] + (1 - kept) * moved
        guess = (self.locate(feet + drift * 1e-3) - at) / 1e-3
        self._velocity[slots] = np.where(np.isnan(before), guess, smooth)
        self._position[slots] = at

    def speed(self, slots: Index) -> F64:
        """Speeds of the objects, metres per second ``(N,)``; NaN for feet above the horizon."""
        return np.asarray(np.hypot(*self._velocity[slots].T))

    def forget(self, slots: Index | slice) -> None:
        """Forget the objects in these slots, which are free now."""
        self._position[slots], self._velocity[slots] = np.nan, 0.0


def _homography(image: F64, metres: F64) -> F64:
    """The 3x3 matrix from picture to ground, with positive weights below the horizon.

    Source: Hartley and Zisserman, "Multiple View Geometry", 2nd edition, algorithm 4.1 (DLT).
    """
    rows = []
    for (x, y), (u, v) in zip(image, metres, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y, -u], [0, 0, 0, x, y, 1, -v * x, -v * y, -v]]
    for name, points in (("image", image), ("metres", metres)):
        spread = float(np.ptp(points, axis=0).max())
        for i in range(4):
            (ax, ay), (bx, by), (cx, cy) = np.delete(points, i, axis=0)
            if abs((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)) <= 1e-4 * spread**2:
                raise ConfigError(f"ground.{name}: three of the four points lie on one line; spread them out")
    matrix = np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3)
    weights = np.column_stack((image, np.ones(4))) @ matrix[2]
    if not ((weights > 0).all() or (weights < 0).all()):
        raise ConfigError("ground: image and metres must list the same four points in the same order")
    return np.asarray(matrix / weights.mean())
