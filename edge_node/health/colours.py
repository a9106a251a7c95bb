"""Whether a picture has the colours that it usually has, whatever the light.

Light makes pictures warmer or colder, and infrared lamps make a camera's picture grey: neither is a fault. A
lost channel, a cast of green or purple, and channels in the wrong order are.
"""

from __future__ import annotations

import cv2
import numpy as np

from edge_node.pictures import U8
from shared.geometry import F32

_CELLS = (16, 12)
_EMPTY, _FULL = 2.0, 8.0  # standard deviations, grey levels, of a channel that shows nothing or something
_BLACK = 20.0  # added to the brightness, so that dark cells have little colour
_CAST = 0.25  # how far green may leave the mean of the other two, of the brightness
_ONE_WAY = 0.85  # share of the cells whose green has gone the same way
_TURNED = -0.5  # correlation of a colour difference with its usual one, below which it is turned over
_COLOURED = 0.06  # standard deviation from which a colour difference shows something
_RENEW_S = 120.0


class Colours:
    """The usual colours of one camera."""

    def __init__(self) -> None:
        self._usual: F32 | None = None
        self._missing = False

    def forget(self) -> None:
        """Begin anew."""
        self._usual, self._missing = None, False

    def learn(self, colour: U8, dt: float) -> None:
        """Take a picture for one with the right colours.

        Args:
            colour: u8 ``(h, w, 3)``, BGR.
            dt: Seconds since the last one.
        """
        cells = _cells(colour)
        now = _differences(cells)
        if self._usual is None:
            self._usual, self._missing = now, _missing(cells)
        else:
            self._usual += min(dt / _RENEW_S, 0.2) * (now - self._usual)

    def wrong(self, colour: U8, *, already: bool) -> bool | None:
        """Whether a picture has wrong colours; None: nothing is known yet.

        Args:
            colour: u8 ``(h, w, 3)``, BGR.
            already: Whether they were wrong before: then they must be clearly right again.
        """
        if self._usual is None:
            return None
        cells = _cells(colour)
        if _missing(cells):
            return not self._missing
        now, ease = _differences(cells), 0.6 if already else 1.0
        gone = now[2] - self._usual[2]
        mean = float(gone.mean())
        if abs(mean) > _CAST * ease and float((gone * np.sign(mean) > 0).mean()) >= _ONE_WAY:
            return True
        return any(_turned(*pair, ease) for pair in zip(now, self._usual, strict=True))


def _cells(colour: U8) -> F32:
    return np.asarray(cv2.resize(colour, _CELLS, interpolation=cv2.INTER_AREA), np.float32)


def _differences(cells: F32) -> F32:
    """Red less blue, red less green, and green less the mean of both, as shares of the brightness."""
    blue, green, red = cells[..., 0], cells[..., 1], cells[..., 2]
    light = cells.mean(axis=2) + _BLACK
    return np.stack([(red - blue) / light, (red - green) / light, (green - (red + blue) / 2) / light])


def _missing(cells: F32) -> bool:
    """Whether a channel shows nothing while another does."""
    deviations = cells.std(axis=(0, 1))
    return bool(deviations.min() < _EMPTY and deviations.max() > max(_FULL, 5 * deviations.min()))


def _turned(now: F32, usual: F32, ease: float) -> bool:
    a, b = now - now.mean(), usual - usual.mean()
    deviations = float(a.std()), float(b.std())
    if min(deviations) < _COLOURED:
        return False
    return float((a * b).mean()) / (deviations[0] * deviations[1]) < _TURNED * ease
