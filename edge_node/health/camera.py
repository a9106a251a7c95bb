"""What is wrong with the picture of one camera."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edge_node.health.colours import Colours, colour_cells
from edge_node.health.course import Course
from edge_node.health.glance import Glance, blocks
from edge_node.health.moving import Movement
from edge_node.health.stillness import Noise
from edge_node.health.usual import Usual, blurred
from edge_node.health.view import TEXTURE, Likeness, View
from edge_node.pictures import U8
from shared.geometry import F32
from shared.wire.messages import CameraProblem, PauseReason, Problem, ViewShift

PROBLEMS: tuple[Problem, ...] = (
    "frozen",
    "covered",
    "washed_out",
    "moved",
    "out_of_focus",
    "wrong_colours",
    "low_rate",
)
"""What may be wrong; what comes first is named first as the reason for a pause."""
PAUSING: frozenset[Problem] = frozenset({"frozen", "covered", "washed_out", "moved", "out_of_focus"})
"""The problems with which nothing is counted; with the others, objects are still where they seem to be."""
CALM_S, HURRY_S = 1.0, 0.4
"""Seconds between two looks, and while something may be about to change."""
_FIRST = 5  # looks that make a view
_FIRST_ALIKE = 0.5  # how like each other these must be
_GONE_SHARE, _GONE_TRACE = 0.25, 0.4  # below both, nothing of the view is to be seen
_STRANGE_S = 8.0  # seconds for which another view must stand still to be where the camera looks now
_STEADY = 0.5  # likeness of two looks between which nothing has moved
_FADED_S, _CLEAR = 8.0, 0.35  # a cover comes within seconds, and night takes longer, down to this contrast
_SAME_VIEW = 0.4  # share of blocks that must agree for its sharpness and colours to be compared
_HEALTHY = 0.6  # share of blocks that must agree for a picture to be learned from
_RENEW_S = 12.0
_ENOUGH = 8.0  # standard deviation of the blocks of a first view, or its spread


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a camera over restarts.

    Attributes:
        view: Its view.
        usual: How its picture usually is.
    """

    view: View
    usual: Usual


class CameraHealth:
    """Judges one camera. One thread gives it looks; any thread may ask it to accept the view.

    Args:
        kept: What an earlier run has kept; None: the first steady view becomes the right one.
        problems: What was wrong when that run ended. It goes on until the picture shows otherwise. Wrong
            colours end, because the right ones are not kept; without a view, all but a low rate ends.

    Attributes:
        kept: What is to be kept; None: nothing yet.
        lately: The newest picture that was in its place.
        revision: Grows when there is something new to keep.
    """

    def __init__(self, kept: Kept | None = None, problems: Iterable[CameraProblem] = ()) -> None:
        self.kept = kept
        self.lately: U8 | None = None
        self.revision = 0
        self._noise, self._colours, self._movement = Noise(), Colours(), Movement()
        self._courses = {name: Course() for name in PROBLEMS}
        for name in ("moved", "low_rate"):  # both have waited long enough when they are told
            self._courses[name].enter_s = 0.0
        for one in problems:
            if one.problem == "low_rate" or (kept is not None and one.problem != "wrong_colours"):
                self._courses[one.problem].since_us = one.since_us
                self._movement.shift = one.shift or self._movement.shift
        self._strange = Course(enter_s=_STRANGE_S, leave_s=0.0)
        self._first: list[Glance] = []
        self._clear: deque[tuple[float, float]] = deque(maxlen=64)
        self._last: Glance | None = None
        self._renewed_s = float("-inf")
        self._accept = False

    @property
    def problems(self) -> tuple[CameraProblem, ...]:
        """What is wrong now."""
        return tuple(
            CameraProblem(
                problem=name, since_us=course.since_us, shift=self.shift if name == "moved" else None
            )
            for name, course in self._courses.items()
            if course.since_us is not None
        )

    @property
    def pauses(self) -> PauseReason | None:
        """Why nothing is to be counted; None: it is to be."""
        return next((one.problem for one in self.problems if one.problem in PAUSING), None)

    @property
    def shift(self) -> ViewShift | None:
        """How far the camera has moved, where that is known."""
        return self._movement.shift

    @property
    def next_s(self) -> float:
        """Seconds from one look to the next."""
        turning = any(course.turning for course in self._courses.values()) or self._strange.turning
        return HURRY_S if turning or self.kept is None or self._accept else CALM_S

    def accept(self) -> bool:
        """Take the view for right as it is now; False: nothing can be seen, so as soon as it can be."""
        seen = self._last
        hidden = self._seems("washed_out", "covered") or self._active("frozen")
        if seen is None or hidden or not _shows(seen):
            self._accept = seen is not None
            return False
        self._take(seen, seen.fine)
        return True

    def rate(self, low: bool | None, at_s: float, at_us: int) -> None:
        """Note whether the rate is low: `Rate` has waited as long as it had to."""
        self._courses["low_rate"].note(low, at_s, at_us)

    def look(self, seen: Glance, repeating_s: float = 0.0) -> None:
        """Judge one picture.

        Args:
            seen: What is seen of it.
            repeating_s: Seconds for which the stream has given only frames that it gave before.
        """
        last, self._last = self._last, seen
        known = self.kept.view.fine if self.kept is not None else None if last is None else last.fine
        if known is not None and known.shape != seen.fine.shape:
            self._forget()
            last = None
        dt = 0.0 if last is None else min(max(seen.at_s - last.at_s, 0.0), 5.0)
        still = self._noise.still(seen.lines)
        if self._noise.noisy and repeating_s >= HURRY_S:
            still = True
        kept = self.kept
        if kept is None:
            self._note("frozen", still, seen)
            if not still:
                self._begin(seen)
            return
        like = kept.view.likeness(seen)
        self._clear.append((seen.at_s, seen.spread))
        self._hide(kept, seen, like)
        hidden = self._seems("washed_out", "covered")
        dark = kept.usual.darker(seen)  # in which cameras take the noise off
        self._note("frozen", None if hidden or dark else still, seen)
        if not hidden and not still and not self._active("frozen"):
            if self._accept:
                self._begin(seen)
            self._compare(kept, seen, last, like, dt)

    def _forget(self) -> None:
        """Begin anew with a picture of another size."""
        self.kept, self._first = None, []
        self._noise.forget()
        self._colours.forget()
        self._movement.forget()
        for course in self._courses.values():
            course.end()

    def _begin(self, seen: Glance) -> None:
        """Take the view, once some looks in a row agree with each other."""
        if not _shows(seen):
            self._first = []
            return
        if self._first and _steady(self._first[-1], seen) < _FIRST_ALIKE:
            self._first = []
        self._first.append(seen)
        if len(self._first) < _FIRST:
            return
        self._take(seen, np.median([one.fine for one in self._first], axis=0).astype(np.uint8))

    def _take(self, seen: Glance, fine: U8) -> None:
        """Take a picture for the right view."""
        self.kept = Kept(View(fine, seen.at_us), Usual.of(seen, self._noise.variance))
        self._first, self._accept = [], False
        self._movement.forget()
        self._colours.forget()
        for name in ("moved", "out_of_focus", "wrong_colours", "covered", "washed_out"):
            self._courses[name].end()
        self._strange.end()
        self.lately = seen.fine
        self.revision += 1

    def _hide(self, kept: Kept, seen: Glance, like: Likeness) -> None:
        """Find out whether the view is to be seen at all."""
        gone = _gone(kept, like)
        washed = self._washed(seen, kept.usual, like)
        self._note("washed_out", washed, seen)
        self._note("covered", gone and not washed and self._covers(seen, kept.usual, like), seen)

    def _compare(self, kept: Kept, seen: Glance, last: Glance | None, like: Likeness, dt: float) -> None:
        """Compare a picture in which something is to be seen with what is usual."""
        usual = kept.usual
        if kept.view.useful:
            self._place(kept, seen, last, like)
        elsewhere = self._active("moved") or like.share < _SAME_VIEW
        self._note("out_of_focus", None if elsewhere or usual.darker(seen) else self._blur(seen, usual), seen)
        cells = colour_cells(seen.colour)
        wrong = self._colours.wrong(cells, already=self._active("wrong_colours"))
        self._note("wrong_colours", None if elsewhere else wrong, seen)
        if like.share >= _HEALTHY and not elsewhere and not self._doubted():
            self._learn(kept, seen, cells, like, dt)

    def _place(self, kept: Kept, seen: Glance, last: Glance | None, like: Likeness) -> None:
        """Find out whether the camera was moved."""
        usual, course = kept.usual, self._courses["moved"]
        moved = self._movement.moved(kept.view, seen, like.share, usual.share, already=course.active)
        if moved is None and course.active and like.share >= 0.8 * usual.share:
            moved = False
        steady = last is not None and _steady(last, seen) >= _STEADY
        shows = seen.spread >= _CLEAR * usual.spread and not usual.darker(seen)
        self._strange.note(_gone(kept, like) and steady and shows and moved is None, seen.at_s, seen.at_us)
        if self._strange.active and not course.active:
            moved = True
        self._note("moved", moved, seen)
        if not course.active:
            self._movement.shift = None

    def _covers(self, seen: Glance, usual: Usual, like: Likeness) -> bool:
        """Whether something hides the view; nothing of it is to be seen."""
        plain = float(seen.means.std()) < min(0.3 * usual.relief, 12.0)
        if self._courses["covered"].active:  # until something shows, be it another view
            return plain or like.lost_dull >= 0.4
        if like.lost_dull < 0.6 and not plain:
            return False
        if self._courses["covered"].turning:
            return True
        since_s = seen.at_s - _FADED_S
        return max(spread for at_s, spread in self._clear if at_s >= since_s) >= _CLEAR * usual.spread

    def _washed(self, seen: Glance, usual: Usual, like: Likeness) -> bool:
        """Whether there is so much light that details are lost."""
        ease = 0.1 if self._active("washed_out") else 0.0
        white = seen.bright > 0.6 - ease or (seen.bright > 0.45 - ease and like.share < 0.55 + ease)
        halved = 1.0 - seen.bright < (0.5 + ease) * (1.0 - usual.bright)
        if white and (halved or seen.bright - usual.bright > 0.3 - ease):
            return True
        share = seen.spread / max(usual.spread, 1.0)
        brighter = seen.brightness - usual.brightness > 25
        haze = seen.brightness >= 200 and share < 0.4 + ease
        return like.trace > 0.1 and (haze or (brighter and seen.brightness >= 160 and share < 0.25 + ease))

    def _blur(self, seen: Glance, usual: Usual) -> bool:
        return blurred(seen, usual, self._noise.variance, already=self._active("out_of_focus"))

    def _learn(self, kept: Kept, seen: Glance, cells: F32, like: Likeness, dt: float) -> None:
        kept.usual.learn(seen, like.share, self._noise.variance, dt)
        self._colours.learn(cells, dt)
        if not 0 <= seen.at_s - self._renewed_s < _RENEW_S:
            self._renewed_s, self.lately = seen.at_s, seen.fine
            kept.view.renew(seen)

    def _doubted(self) -> bool:
        return any(one.active or one.turning for name, one in self._courses.items() if name != "low_rate")

    def _seems(self, *names: Problem) -> bool:
        """Whether one of these is there, or about to begin."""
        return any(self._courses[name].active or self._courses[name].turning for name in names)

    def _active(self, *names: Problem) -> bool:
        return any(self._courses[name].active for name in names)

    def _note(self, name: Problem, seen: bool | None, glance: Glance) -> None:
        self._courses[name].note(seen, glance.at_s, glance.at_us)


def _shows(seen: Glance) -> bool:
    """Whether a picture shows enough to become a view."""
    return max(float(seen.means.std()), seen.spread / 4) >= _ENOUGH


def _gone(kept: Kept, like: Likeness) -> bool:
    """Whether nothing of the view is to be seen."""
    return kept.view.useful and like.share <= _GONE_SHARE and like.trace <= _GONE_TRACE


def _steady(one: Glance, other: Glance) -> float:
    """How alike two looks are in most places that show something: the middle correlation of their slopes."""
    product = blocks(one.gradient[0] * other.gradient[0] + one.gradient[1] * other.gradient[1])
    shows = np.maximum(one.energy, other.energy) > TEXTURE
    if not shows.any():
        return 0.0
    return float(np.median((product / np.sqrt(one.energy * other.energy + 1e-6))[shows]))
