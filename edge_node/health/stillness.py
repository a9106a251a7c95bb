"""Whether a picture stands still that ought not to: no sensor gives the same pixels twice.

How much a camera's pixels usually differ from one look to the next is its noise. A picture is frozen when
that noise is gone from all over it, or when a stream repeats its last frames. A source that never had noise,
such as a drawing, a looped picture or a made-up film, is never called frozen.
"""

from __future__ import annotations

import zlib
from collections import deque

import cv2
import numpy as np
import numpy.typing as npt

from edge_node.frames import Frame
from edge_node.health.glance import blocks
from edge_node.pictures import U8, OnGpu
from shared.geometry import F32

_QUIETEST = 0.8  # share of the pixels that count, those that differ least: motion is not noise
_SIGMA = 0.56  # mean difference of these, in standard deviations of the difference (normal distribution)
_GONE = 0.15  # of the usual noise, below which a picture stands still
_LEAST = 0.1  # grey levels: a source with less noise says nothing
_NEARLY_ALL, _MOVES = (
    0.995,
    4,
)  # a picture in which a share of the pixels differs by more does not stand still
_SAME = 0.9  # share of the pixels that are the same, or one level apart, in a picture that stands still
_LIVELY = 0.05  # share of a block's pixels that usually differ, above which the block has noise
_QUIET, _EVERYWHERE = 0.3, 0.85  # of that share, below which a block stands still; and of the blocks that do
_USUAL, _SEEN = 64, 4  # looks that make the usual noise; how many there must be
_SIZES = 512  # a change is smaller
_RECENT = 5  # of these looks, the calmest tells the noise of now
_LOW = 25  # the usual noise is this percentile: of a busy scene only the calm moments
_PERIOD_S = 6.0  # the longest part of a stream whose repetition is noticed, seconds
_FRAMES = 1024  # fingerprints that are kept
_GRID = 24  # pixels across that a fingerprint takes
_OTHER, _MUCH = 24, 0.25  # grey levels by which a pixel is another, and the share of such pixels


class Noise:
    """How much the pixels of one camera differ between looks."""

    def __init__(self) -> None:
        self._lines: npt.NDArray[np.int16] | None = None
        self._floor = 0.0
        self._usual: deque[float] = deque(maxlen=_USUAL)
        self._lively: deque[F32] = deque(maxlen=_USUAL)
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self.variance = 0.0
        """Of the difference of two pixels, squared grey levels."""

    def forget(self) -> None:
        """Begin anew: another source, or another view."""
        self._lines = None
        self._usual.clear()
        self._lively.clear()
        self._recent.clear()

    @property
    def noisy(self) -> bool:
        """Whether the source is known to have noise."""
        return len(self._usual) >= _SEEN and self._floor >= _LEAST

    def still(self, lines: U8) -> bool | None:
        """Whether nothing differs from the look before; None: this cannot be told.

        Args:
            lines: Some rows of the picture.
        """
        taken = lines[:, ::4].astype(np.int16)
        before, self._lines = self._lines, taken
        if before is None or before.shape != taken.shape:
            return None
        changes = taken - before
        sizes = np.bincount(np.abs(changes).ravel(), minlength=_SIZES)
        level = _calm(sizes)
        moves = sizes[_MOVES + 1 :].sum() > (1.0 - _NEARLY_ALL) * changes.size
        same = sizes[:2].sum() >= _SAME * changes.size  # and not only a smooth thing that fills most of it
        still: bool | None = None
        lively = blocks((changes != 0).astype(np.float32))
        if self.noisy:
            still = bool(same and not moves and level < _GONE * self._floor) and self._everywhere(lively)
        if not still:
            self._usual.append(level)
            self._lively.append(lively)
            self._floor = sorted(self._usual)[len(self._usual) * _LOW // 100]
            # Light that comes and goes changes neighbours alike: it is no noise.
            apart = np.bincount(np.abs(np.diff(changes, axis=1)).ravel(), minlength=_SIZES)
            self._recent.append(_calm(apart))
            self.variance = (min(self._recent) / _SIGMA) ** 2 / 2
        return still

    def _everywhere(self, lively: F32) -> bool:
        """Whether nearly all blocks stand still that usually do not: a thing before the camera hides some."""
        usual = np.percentile(np.stack(self._lively), _LOW, axis=0)
        noisy = usual >= _LIVELY
        quiet = noisy & (lively < _QUIET * usual)
        return int(quiet.sum()) >= _EVERYWHERE * int(noisy.sum())


def _calm(sizes: npt.NDArray[np.intp]) -> float:
    """The mean of most of some changes, the smaller ones; given how many there are of each size."""
    left = max(1, int(_QUIETEST * int(sizes.sum())))
    taken = np.minimum(sizes, np.maximum(left - (np.cumsum(sizes) - sizes), 0))
    return float(taken @ np.arange(len(sizes))) / left


class Repeats:
    """Whether a stream gives frames that it gave before, or quite another picture than when it was looked at.

    The thread that captures tells it every frame.
    """

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}
        self.since_s: float | None = None
        """Since when every frame has been an old one; None: the last was new."""
        self._few: U8 | None = None
        self._looked: U8 | None = None

    def looked(self) -> None:
        """Note that the last frame is looked at."""
        self._looked = self._few

    @property
    def changed(self) -> bool:
        """Whether the last frame is much unlike the one that was looked at last."""
        few, before = self._few, self._looked
        if few is None or before is None or few.shape != before.shape:
            return False
        return int(np.count_nonzero(cv2.absdiff(few, before) > _OTHER)) > _MUCH * few.size

    def note(self, frame: Frame) -> None:
        """Note a frame: about 10 microseconds. A picture in a GPU's memory is left out."""
        picture, now_s = frame.picture, frame.monotonic_ns / 1e9
        if isinstance(picture, OnGpu):
            return
        if frame.restarted:
            self._seen.clear()
        step = max(1, picture.shape[1] // _GRID)
        self._few = np.ascontiguousarray(picture[step // 2 :: step, step // 2 :: step, 1])
        name = zlib.crc32(self._few.data)
        before = self._seen.pop(name, None)
        self._seen[name] = now_s
        if len(self._seen) > _FRAMES:
            del self._seen[next(iter(self._seen))]
        if before is None or not 0 <= now_s - before <= _PERIOD_S:
            self.since_s = None
        elif self.since_s is None:
            self.since_s = now_s
