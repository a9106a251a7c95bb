"""Whether something hides a camera's view, and how it came.

What lies on the lens is so near that it is out of focus, whatever its texture: it shows nothing, and does
not move. What somebody holds or wears sways. What drives or walks into the view comes block by block from one
side, and takes longer than a hand that is slid over a lens. A camera that is turned away loses all of its
view at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from edge_node.health.glance import COLUMNS, ROWS, Glance
from edge_node.health.swaying import Sway
from edge_node.health.usual import Usual
from edge_node.health.view import Likeness, View
from shared.geometry import F32, F64, Bool

CLEAR = 0.35
"""Share of the usual contrast above which a picture is no night."""
_GONE_SHARE, _GONE_TRACE = 0.25, 0.4  # below both, nothing of the view is to be seen
_IN_PLACE = 0.15  # share of blocks that surely show the view, above what text laid over a picture may be
_FADED_S = 8.0  # a cover comes within seconds, and night takes longer
_DUSK_US = 20 * 60_000_000  # time within which night does not fall, microseconds
_VEILED, _VEILED_STILL = 0.2, 0.3  # of the usual contrast, below which there is a veil, and until it is gone
_VEIL_LIT = 0.25  # of the usual light: more than is left of it when lights go out
_DULL, _DULL_THING = 0.6, 0.85  # share of the lost blocks that are flat; of what comes into the view, more
_BY_DAY = 0.6  # of the usual light
_STANDS_S = 60.0  # seconds after which what stands before the camera is a cover
_STEP = 0.1  # share of the lost blocks that something which comes hides from one look to the next
_TOGETHER_S = 0.3  # blocks that were lost within this time were lost in the same step
_FROM_A_SIDE = 0.6  # how surely blocks on one side are lost before others, from 0 to 1
_COMES_S = 0.35  # seconds that what drives or walks into the view takes at least
_PATCH, _FLAT = 0.48, 0.38  # share of the view's blocks that a patch hides, and that are flat: not its edge
_LARGE_PATCH = 0.6  # the same of a large one
_PATCH_S, _LARGE_PATCH_S = 5.0, 0.8  # seconds for which it must be the same
_PLAIN = 0.68  # share of a patch that is flat, its edge left out: vehicles and people show more
_MOSTLY = 0.7  # share of the looks
_SAME = 0.8  # share of the hidden blocks that must be the same
_SAME_LIGHT, _SAME_LEVELS = 0.15, 6.0  # how far their light may change: a share of it, and grey levels
_BLACK = 30.0  # mean grey level of a block in which a light may have gone out
_NOT_DARKER = 0.92  # of the light of the blocks that still agree
_GREY = 2.0  # how far the mean channels of a picture without colours differ
_LATELY_S, _MUCH = 2.0, 0.15  # seconds, and share of the view's blocks
_NEIGHBOURS = np.ones((3, 3), np.uint8)
_PLACES: F64 = np.stack(np.meshgrid(np.arange(COLUMNS), np.arange(ROWS)), axis=-1).astype(np.float64)


def gone(view: View, like: Likeness) -> bool:
    """Whether nothing of the view is to be seen."""
    return view.useful and like.share <= _GONE_SHARE and like.trace <= _GONE_TRACE


def in_place(like: Likeness) -> bool:
    """Whether enough of the view is where it was, whatever hides the rest."""
    return _share(like.surely, like) > _IN_PLACE


@dataclass(slots=True)
class _Patch:
    """Something flat that hides the same part of the view all the time.

    Attributes:
        where: The blocks that it hides.
        means: Mean grey levels of all blocks when it was first seen.
        since_s: When that was; later, if it came as vehicles do.
        looks: How often it was looked at.
        plain: How often it had nothing in its midst that is not flat.
    """

    where: Bool
    means: F32
    since_s: float
    looks: int = 0
    plain: int = 0

    def same(self, where: Bool, means: F32) -> bool:
        """Whether this is the same patch, and as bright."""
        both = self.where & where
        if int(both.sum()) < _SAME * int((self.where | where).sum()):
            return False
        change = np.abs(means[both] - self.means[both])
        alike = change <= np.maximum(_SAME_LIGHT * self.means[both], _SAME_LEVELS)
        return float(alike.mean()) >= _SAME


class Hiding:
    """What hides the view of one camera."""

    def __init__(self) -> None:
        self.came = False
        """Whether what hides the whole view has come into it from a side."""
        self.changing = False
        """Whether much of the view was lost just now."""
        self.sways = False
        """Whether what hides much of the view moves as one, as what somebody holds or wears does."""
        self._clear: deque[tuple[float, float]] = deque(maxlen=64)
        self._agreed_s: F64 = np.zeros((ROWS, COLUMNS))  # when each block last showed the view
        self._light: F32 | None = None  # of the blocks, before they were hidden
        self._gone_s: float | None = None
        self._patch: _Patch | None = None
        self._lost: Bool = np.zeros((ROWS, COLUMNS), np.bool_)  # at the last look
        self._sway = Sway()

    def note(self, view: View, seen: Glance, like: Likeness) -> None:
        """Note a look, before the others are asked."""
        at_s = seen.at_s
        self._clear.append((at_s, seen.spread))
        if self._light is None:
            self._agreed_s[:] = at_s
        self._arrive(gone(view, like), like, at_s)
        lately = like.lost & (self._agreed_s >= at_s - _LATELY_S)
        self.changing = _share(lately, like) > _MUCH
        if self._light is None or _share(like.flat, like) < _MUCH:
            self._light = seen.means
        self._note_sway(seen, like)

    def _note_sway(self, seen: Glance, like: Likeness) -> None:
        before, self._lost = self._lost, like.lost
        comes = int(like.lost.sum()) > int(before.sum()) + 1
        hidden = _share(like.lost, like) >= _FLAT
        hiding = ~like.agree
        if _share(like.flat, like) >= _FLAT:  # of something plain only the edge: people may pass elsewhere
            hiding &= _beside(like.flat)
        self._sway.note(seen, hiding, hidden=hidden, comes=comes)
        self.sways = self._sway.lately(seen.at_s)

    def _arrive(self, away: bool, like: Likeness, at_s: float) -> None:
        """Find out how what hides the view has come."""
        if not away:
            self._gone_s, self.came = None, False
            self._agreed_s[like.agree] = at_s
            return
        if self._gone_s is None:
            self._gone_s = at_s
        if at_s - self._gone_s <= _LATELY_S:
            self.came = self.came or self._from_a_side(like.lost, at_s)
            self._agreed_s[like.surely] = at_s

    def covers(
        self, view: View, usual: Usual, seen: Glance, like: Likeness, *, active: bool, turning: bool
    ) -> bool:
        """Whether something hides the view, or most of it.

        Args:
            view: The view.
            usual: How the picture usually is.
            seen: The picture.
            like: How they compare.
            active: Whether the view is known to be covered: then it must be seen again.
            turning: Whether that seemed so at the last look.
        """
        if self._stands(seen.at_s) or self._patched(seen, like, active=active):
            return True
        if self.sways and not active:
            return False
        if self._veiled(usual, seen, active=active, turning=turning):
            return True
        if not gone(view, like):
            return False
        plain = float(seen.means.std()) < min(0.3 * usual.relief, 12.0)
        if active:  # until something shows, be it another view
            return plain or like.lost_dull >= 0.4
        dull = like.lost_dull >= (_DULL_THING if self.came else _DULL)
        return (dull or plain) and (turning or self._at_once(usual, seen))

    def _stands(self, at_s: float) -> bool:
        """Whether something has come into the view, hides it, and does not go."""
        return self.came and self._gone_s is not None and at_s - self._gone_s >= _STANDS_S

    def _veiled(self, usual: Usual, seen: Glance, *, active: bool, turning: bool) -> bool:
        """Whether paint or grease has laid its own light over the view: then it fades, but not to black."""
        if seen.spread >= (_VEILED_STILL if active else _VEILED) * usual.spread or usual.spread < 2 * _BLACK:
            return False
        lit = seen.brightness >= _VEIL_LIT * usual.brightness
        return lit and (active or turning or self._lately_clear(usual, seen))

    def _at_once(self, usual: Usual, seen: Glance) -> bool:
        """Whether contrast was lost within seconds, or before this run began, but then not by night."""
        if self._clear[0][0] >= seen.at_s - _FADED_S:
            by_day = seen.brightness >= _BY_DAY * usual.brightness
            if by_day or 0 <= seen.at_us - usual.clear_us <= _DUSK_US:
                return True
        return self._lately_clear(usual, seen)

    def _lately_clear(self, usual: Usual, seen: Glance) -> bool:
        lately = (spread for at_s, spread in self._clear if at_s >= seen.at_s - _FADED_S)
        return max(lately) >= CLEAR * usual.spread

    def _patched(self, seen: Glance, like: Likeness, *, active: bool) -> bool:
        """Whether something flat that does not move hides a large part of the view."""
        share, flat = _share(like.lost, like), _share(like.flat, like)
        inside = like.lost & ~_beside(like.agree)
        plain = int((like.flat & inside).sum()) >= _PLAIN * int(inside.sum())
        if active:
            return plain and share >= _PATCH / 2
        if flat < _FLAT or self._light_out(seen, like):
            self._patch = None
            return False
        if self._patch is None or not self._patch.same(like.flat, seen.means):
            at_once = self._suddenly(like, seen.at_s) and not self._from_a_side(like.flat, seen.at_s)
            self._patch = _Patch(like.flat, seen.means, seen.at_s + (0.0 if at_once else _STANDS_S))
        patch = self._patch
        if self.sways:
            patch.since_s = max(patch.since_s, seen.at_s)
        patch.looks, patch.plain = patch.looks + 1, patch.plain + (plain and share >= _PATCH)
        wait_s = _LARGE_PATCH_S if flat >= _LARGE_PATCH else _PATCH_S
        return patch.plain >= _MOSTLY * patch.looks and seen.at_s - patch.since_s >= wait_s

    def _light_out(self, seen: Glance, like: Likeness) -> bool:
        """Whether what is flat may be black because a light went out, and not because it is covered."""
        if self._light is None or float(np.median(seen.means[like.flat])) >= _BLACK:
            return False
        grey = float(np.ptp(seen.colour.mean(axis=(0, 1)))) < _GREY  # as with infrared lamps
        if grey or not like.agree.any():
            return True
        light = seen.means[like.agree] / (self._light[like.agree] + 1.0)
        return float(np.percentile(light, 75)) < _NOT_DARKER  # beside its edge a cover darkens, too

    def _suddenly(self, like: Likeness, at_s: float) -> bool:
        """Whether most of the flat blocks showed the view seconds ago: fog and night take longer."""
        return float((self._agreed_s[like.flat] >= at_s - _FADED_S).mean()) >= _PLAIN

    def _from_a_side(self, lost: Bool, at_s: float) -> bool:
        """Whether those of some blocks that were lost within the last seconds were lost one after another.

        Pairs of blocks that were lost at different times are compared (gamma, Goodman and Kruskal 1954).
        """
        lost = lost & (self._agreed_s >= at_s - _FADED_S)
        times, places = self._agreed_s[lost], _PLACES[lost]
        together = np.count_nonzero(np.abs(times[:, None] - times) < _TOGETHER_S, axis=1)
        step = together >= _STEP * len(times)  # the others come and go all the time
        times, places = times[step], places[step]
        looks = np.array([look_s for look_s, _ in self._clear])
        lost_s = looks[np.minimum(np.searchsorted(looks, times, "right"), len(looks) - 1)]
        if not len(times) or float(np.ptp(lost_s)) < _COMES_S:
            return False
        later = np.sign(times[:, None] - times)
        pairs = np.count_nonzero(later)
        if not pairs:
            return False
        further = np.sign(places[:, None] - places)
        gamma = np.abs((later[..., None] * further).sum(axis=(0, 1))) / pairs
        return bool(gamma.max() >= _FROM_A_SIDE)


def _share(some: Bool, like: Likeness) -> float:
    """How many of the blocks that show something in the view are among some of them."""
    return float(some.sum()) / max(int((like.agree | like.lost).sum()), 1)


def _beside(some: Bool) -> Bool:
    """Some blocks and their eight neighbours."""
    return np.asarray(cv2.dilate(some.astype(np.uint8), _NEIGHBOURS) > 0)
