"""Whether a picture has the colours that it usually has, whatever the light, and all of its rows.

Light makes pictures warmer or colder, and infrared lamps make a camera's picture grey: neither is a fault. A
lost channel, a cast of green or purple, channels in the wrong order, and rows that a decoder has filled are.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge_node.pictures import U8
from shared.geometry import F32, F64

_CELLS = (16, 12)
_EMPTY, _FULL = 2.0, 8.0  # standard deviations, grey levels, of a channel that shows nothing or something
_BLACK = 20.0  # added to the brightness, so that dark cells have little colour
_CAST = 0.25  # how far green may leave the mean of the other two, of the brightness
_ONE_WAY = 0.85  # share of the cells whose green has gone the same way
_TURNED = -0.5  # correlation of a colour difference with its usual one, below which it is turned over
_TINT = 0.2  # how much the mean of a colour difference may grow where channels have changed their places
_COLOURED = 0.06  # standard deviation from which a colour difference shows something
_ONE_COLOUR = 1.2  # how much more one channel than another may have brightened where a third is missing
_RENEW_S = 120.0
_GAUDY, _GAUDY_ROWS = 0.8, 0.25  # how far green leaves the others in every cell of a row; share of the rows
_LIKE = 0.97  # share of a row's pixels that are like their neighbours, where a decoder has filled it
_BLACK_ROW, _WHITE_ROW = 20, 235  # mean grey levels of rows that night and glare may fill as well
_OTHER_ROW = 30.0  # grey levels between such a row and what it usually shows, where it was not the light
_STRUCTURE = 8.0  # standard deviation of a row's grey levels that shows much
_MOSTLY = 0.5  # share of these rows that may have shown it before
_LIGHT = 1.4  # how much brighter or darker the rest may be then
_STRAIGHT, _NEAR = 0.3, 4.0  # share of the row beside them that may be within these grey levels of them
_MORE = 0.25  # share of the rows that are filled and usually are not


class Colours:
    """The usual colours of one camera."""

    def __init__(self) -> None:
        self._usual: F32 | None = None
        self._missing = False
        self._means = np.zeros(3)  # of blue, green and red

    def forget(self) -> None:
        """Begin anew."""
        self.__init__()  # type: ignore[misc]  # all of its state begins anew

    def learn(self, cells: F32, dt: float) -> None:
        """Take a picture for one with the right colours.

        Args:
            cells: See `colour_cells`.
            dt: Seconds since the last one.
        """
        now = _differences(cells)
        if self._usual is None:
            self._usual, self._missing, self._means = now, _missing(cells) is not None, _means(cells)
        else:
            step = min(dt / _RENEW_S, 0.2)
            self._usual += step * (now - self._usual)
            self._means += step * (_means(cells) - self._means)

    def gaudy(self, cells: F32) -> bool:
        """Whether whole rows are far greener or more purple than usual, as a decoder fills them."""
        if self._usual is None:
            return False
        gone = _differences(cells)[2] - self._usual[2]
        rows = (gone.min(axis=1) > _GAUDY) | (gone.max(axis=1) < -_GAUDY)
        return float(rows.mean()) >= _GAUDY_ROWS

    def wrong(self, cells: F32, *, already: bool) -> bool | None:
        """Whether a picture has wrong colours; None: nothing is known yet.

        Args:
            cells: See `colour_cells`.
            already: Whether they were wrong before: then they must be clearly right again.
        """
        if self._usual is None:
            return None
        missing = _missing(cells)
        if missing is not None:
            return not self._missing and self._others_as_usual(cells, missing)
        now, ease = _differences(cells), 0.6 if already else 1.0
        gone = now[2] - self._usual[2]
        mean = float(gone.mean())
        if abs(mean) > _CAST * ease and float((gone * np.sign(mean) > 0).mean()) >= _ONE_WAY:
            return True
        return _turned(now, self._usual, ease)

    def _others_as_usual(self, cells: F32, missing: int) -> bool:
        """Whether the other two channels are to each other as usual: lamps of one colour change that."""
        light = np.delete((_means(cells) + _BLACK) / (self._means + _BLACK), missing)
        return float(light.max()) < _ONE_COLOUR * float(light.min())


def colour_cells(colour: U8) -> F32:
    """The mean colours of some parts of a picture, u8 ``(h, w, 3)`` in BGR: f32 ``(12, 16, 3)``."""
    return np.asarray(cv2.resize(colour, _CELLS, interpolation=cv2.INTER_AREA), np.float32)


def _differences(cells: F32) -> F32:
    """Red less blue, red less green, and green less the mean of both, as shares of the brightness."""
    blue, green, red = cells[..., 0], cells[..., 1], cells[..., 2]
    light = (blue + green + red) / 3 + _BLACK
    return np.stack([(red - blue) / light, (red - green) / light, (green - (red + blue) / 2) / light])


def _means(cells: F32) -> F64:
    return np.asarray(cells.mean(axis=(0, 1)), np.float64)


def _missing(cells: F32) -> int | None:
    """Which channel shows nothing while another does; None: each shows something, or none does."""
    deviations = cv2.meanStdDev(cells)[1].ravel()
    least, most = float(deviations.min()), float(deviations.max())
    return int(deviations.argmin()) if least < _EMPTY and most > max(_FULL, 5 * least) else None


def _turned(now: F32, usual: F32, ease: float) -> bool:
    """Whether one of the differences is turned over."""
    a, b = (one.reshape(len(one), -1) - one.mean(axis=(1, 2))[:, None] for one in (now, usual))
    cells = a.shape[1]
    squares = (a * a).sum(axis=1) / cells, (b * b).sum(axis=1) / cells
    shows = np.minimum(*squares) >= _COLOURED**2
    together = (a * b).sum(axis=1) / cells
    means = (np.abs(one.mean(axis=(1, 2))) for one in (now, usual))
    shows &= next(means) <= next(means) + _TINT  # else a lamp has coloured all
    return bool((shows & (together < _TURNED * ease * np.sqrt(squares[0] * squares[1]))).any())


class _Rows(NamedTuple):
    levels: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]  # from above and from below


class Filling:
    """The rows of one camera's picture that are filled, from above or below, and those that usually are."""

    def __init__(self) -> None:
        self._seen: _Rows | None = None
        self._usual: _Rows | None = None

    def forget(self) -> None:
        """Begin anew: another source, or another view."""
        self._usual = None

    def learn(self) -> None:
        """Take the picture that was looked at last for one without lost data."""
        self._usual = self._seen

    def hides(self, lines: U8, *, noisy: bool) -> bool:
        """Whether far more is filled than usual.

        Args:
            lines: Some rows of the full picture, u8 ``(n, width)``.
            noisy: Whether the source has noise, which makes filled rows easier to tell.
        """
        few, usual = np.ascontiguousarray(lines[:, ::8]), self._usual
        seen = self._seen = _Rows(few.mean(axis=1), _shares(_filled(few, noisy=noisy)))
        if usual is None or len(usual.levels) != len(few):
            return False
        if bool((seen.shares >= usual.shares + _MORE).any()):
            return True
        return _blotted(few, usual.levels) or _blotted(few[::-1], usual.levels[::-1])


def _filled(few: U8, *, noisy: bool) -> npt.NDArray[np.bool_]:
    """Which rows show one level, or the last good row again. No sensor's noise gives either.

    Without noise, a smooth thing may come near to both, so all of a row must have the same level, or it must
    show much and be the same as the next.
    """
    levels, constant, again = few.mean(axis=1), _alike(few[:, 1:], few[:, :-1]), np.zeros(len(few), bool)
    again[1:] = _alike(few[1:], few[:-1])
    if not noisy:
        constant = few.max(axis=1) == few.min(axis=1)
        again &= few.std(axis=1) >= _STRUCTURE
    again[:-1] |= again[1:]
    return np.asarray((constant | again) & (levels > _BLACK_ROW) & (levels < _WHITE_ROW))


def _alike(one: U8, other: U8) -> npt.NDArray[np.bool_]:
    return np.asarray(np.count_nonzero(one == other, axis=1) >= _LIKE * one.shape[1])


def _shares(filled: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The share of the rows that are filled without a gap, from above and from below."""
    ways = np.stack([filled, filled[::-1]])
    return np.asarray(np.logical_and.accumulate(ways, axis=1).mean(axis=1))


def _blotted(few: U8, usual: npt.NDArray[np.float64]) -> bool:
    """Whether the first rows are black, up to a straight edge, while the rest is as bright as usual.

    Night would change the rest as well, and clothes close to the camera have no straight edge. White is left
    out: no decoder fills with it, but glare does, down to a roof.
    """
    first = few[0, 0]
    if first > _BLACK_ROW:
        return False
    same = np.asarray((few == first).all(axis=1))
    count = len(same) if same.all() else int(same.argmin())
    if not _MORE * len(few) <= count < len(few):
        return False
    if float((np.abs(usual[:count] - float(first)) < _OTHER_ROW).mean()) > _MOSTLY:
        return False
    beside = np.abs(few[count].astype(np.float64) - float(first)) <= _NEAR
    light, before = float(few[count:].mean()) + 1.0, float(usual[count:].mean()) + 1.0
    return float(beside.mean()) <= _STRAIGHT and 1 / _LIGHT < light / before < _LIGHT
