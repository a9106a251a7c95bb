"""What is wrong with the picture of one camera."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edge_node.health.colours import Colours, Filling, colour_cells
from edge_node.health.course import Course
from edge_node.health.glance import Glance
from edge_node.health.hiding import CLEAR, Hiding, gone, in_place
from edge_node.health.moving import Movement
from edge_node.health.stillness import Noise
from edge_node.health.usual import Usual, blurred, washed_out
from edge_node.health.view import Likeness, View, steady
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
CALM_S, HURRY_S, SOON_S = 1.0, 0.4, 0.2
"""Seconds between two looks, while something may be about to change, and after much has changed."""
_FIRST = 5  # looks that make a view
_FIRST_ALIKE = 0.5  # how like each other these must be
_STRANGE_S = 6.0  # seconds for which another view must be seen to be where the camera looks now
_STEADY, _JUMPS = 0.5, 0.25  # likeness of two looks between which nothing has moved, or all has
_SAME_VIEW = 0.4  # share of blocks that must agree for its sharpness and colours to be compared
_MOSTLY = 0.75  # of the usual share, below which things have other colours, and not the light
_HEALTHY = 0.6  # share of blocks that must agree for a picture to be learned from
_RENEW_S = 12.0
_FINE, _FINE_AGAIN = 0.5, 0.6  # how much of the view's fine structure must be left
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
        self._filling = Filling()
        self._courses = {name: Course() for name in PROBLEMS}
        for name in ("moved", "low_rate"):  # both have waited long enough when they are told
            self._courses[name].enter_s = 0.0
        for one in problems:
            if one.problem == "low_rate" or (kept is not None and one.problem != "wrong_colours"):
                self._courses[one.problem].since_us = one.since_us
                self._movement.shift = one.shift or self._movement.shift
        self._strange = Course(enter_s=_STRANGE_S, leave_s=0.0)
        self._first: list[Glance] = []
        self._hiding = Hiding()
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
        if self._hiding.changing:
            return SOON_S
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
        cells = colour_cells(seen.colour)
        self._hide(kept, seen, like, cells)
        hidden = self._seems("washed_out", "covered")
        dark = kept.usual.darker(seen)  # in which cameras take the noise off
        self._note("frozen", None if hidden or dark else still, seen)
        if not hidden and not still and not self._active("frozen"):
            if self._accept:
                self._begin(seen)
            self._compare(kept, seen, last, like, cells, dt)

    def _forget(self) -> None:
        """Begin anew with a picture of another size."""
        self.kept, self._first = None, []
        self._noise.forget()
        self._colours.forget()
        self._filling.forget()
        self._movement.forget()
        self._hiding = Hiding()
        for course in self._courses.values():
            course.end()

    def _begin(self, seen: Glance) -> None:
        """Take the view, once some looks in a row agree with each other."""
        if not _shows(seen):
            self._first = []
            return
        if self._first and steady(self._first[-1], seen) < _FIRST_ALIKE:
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
        self._filling.forget()
        self._hiding = Hiding()
        for name in ("moved", "out_of_focus", "wrong_colours", "covered", "washed_out"):
            self._courses[name].end()
        self._strange.end()
        self.lately = seen.fine
        self.revision += 1

    def _hide(self, kept: Kept, seen: Glance, like: Likeness, cells: F32) -> None:
        """Find out whether the view is to be seen at all."""
        course = self._courses["covered"]
        self._hiding.note(kept.view, seen, like)
        washed = washed_out(seen, kept.usual, like.share, like.trace, already=self._active("washed_out"))
        self._note("washed_out", washed, seen)
        covers = self._hiding.covers(
            kept.view, kept.usual, seen, like, active=course.active, turning=course.turning
        )
        gaudy = self._colours.gaudy(cells)
        if gaudy:
            self._note("wrong_colours", True, seen)
        filled = self._filling.hides(seen.lines, noisy=self._noise.noisy)
        self._note("covered", (covers and not washed) or gaudy or filled, seen)

    def _compare(
        self, kept: Kept, seen: Glance, last: Glance | None, like: Likeness, cells: F32, dt: float
    ) -> None:
        """Compare a picture in which something is to be seen with what is usual."""
        usual = kept.usual
        if kept.view.useful:
            self._place(kept, seen, last, like)
        elsewhere = self._active("moved") or like.share < _SAME_VIEW
        self._note(
            "out_of_focus", None if elsewhere or usual.darker(seen) else self._blur(kept, seen, like), seen
        )
        wrong = self._colours.wrong(cells, already=self._active("wrong_colours"))
        partly = elsewhere or like.share < _MOSTLY * usual.share
        self._note("wrong_colours", None if partly else wrong, seen)
        if like.share >= _HEALTHY and not elsewhere and not self._doubted():
            self._learn(kept, seen, cells, like, dt)

    def _place(self, kept: Kept, seen: Glance, last: Glance | None, like: Likeness) -> None:
        """Find out whether the camera was moved."""
        usual, course = kept.usual, self._courses["moved"]
        moved = self._movement.moved(kept.view, seen, like.share, usual.share, already=course.active)
        if moved is None and course.active and like.share >= 0.8 * usual.share:
            moved = False
        self._strange.note(self._elsewhere(kept, seen, last, like, moved), seen.at_s, seen.at_us)
        if self._strange.active and not course.active:
            moved = True
        self._note("moved", moved, seen)
        if not course.active:
            self._movement.shift = None

    def _elsewhere(
        self, kept: Kept, seen: Glance, last: Glance | None, like: Likeness, moved: bool | None
    ) -> bool | None:
        """Whether another view is seen; None: something moves, so this cannot be told."""
        shows = seen.spread >= CLEAR * kept.usual.spread and not kept.usual.darker(seen)
        hiding = self._hiding
        if not shows or moved is not None or not gone(kept.view, like) or in_place(like):
            return False
        if hiding.came or hiding.sways:
            return False
        still = 0.0 if last is None else steady(last, seen)
        return True if still >= _STEADY else None if still >= _JUMPS else False

    def _blur(self, kept: Kept, seen: Glance, like: Likeness) -> bool:
        already = self._active("out_of_focus")
        if not blurred(seen, kept.usual, self._noise.variance, already=already):
            return False
        return kept.view.fineness(seen, like) < (_FINE_AGAIN if already else _FINE)

    def _learn(self, kept: Kept, seen: Glance, cells: F32, like: Likeness, dt: float) -> None:
        self._filling.learn()
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
