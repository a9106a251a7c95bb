"""What is known of one place where something was found, and what that says: scenery, or a real thing.

A static false positive is scenery that the network takes for an object. Its place looked the same before it
was first found, looks the same whether it is found or not, and nothing moves in it. A parked car, a waiting
person, or a queue came: before, the place looked different.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import numpy as np

from edge_node.ignore.looks import likeness
from shared.geometry import F32, F64

ALIKE, UNLIKE = 0.75, 0.5
"""A place looks the same from this likeness on, and different below the other one."""
_TRIAL = 30  # samples after the first sighting in which the place is compared with how it looked before
_FAMILIAR = 1 / 3  # share of them in which scenery looks as before; passers-by may hide it in the others
_BEFORE = 0.6
_ADAPT = 0.05  # how fast the remembered look follows the sun
_LEFT_S = 300.0  # a place that looks different for so long has lost its thing, or has another one
_LEAST_SEEN, _LEAST_ALIKE, _LEAST_SAME, _MOST_RESTLESS = 0.2, 0.6, 0.85, 0.25
_SLACK = 0.7
_FADED_S = 3600.0
_CAME_S = 86_400.0
_CAME_TIMES = 0.9  # of the time since it came; somebody who stood for a moment is forgotten soon
_MEMORY = 50  # samples over which the box of a place is averaged


@dataclass(slots=True, eq=False)
class Glance:
    """What one sample shows of a place.

    Attributes:
        dt: Seconds since the glance before.
        at_us: When the picture was captured, microseconds since 1970 UTC.
        look: How the place looks now.
        like: How much that is like its usual look, from `likeness`.
        moved: Whether something has moved in it since the sample before; None: not known.
        score: Score of the detection there; None: nothing was found.
        box: Of the detection, fractions of the frame.
        reported: Whether a track of the class is there.
    """

    dt: float
    at_us: int
    look: F32
    like: float
    moved: bool | None
    score: float | None = None
    box: F64 | None = None
    reported: bool = False


@dataclass(slots=True, eq=False)
class Place:
    """One place where one class was found.

    Attributes:
        class_id: Of what was found.
        box: Average box, fractions of the frame.
        since_us: When it was first found, microseconds since 1970 UTC.
        last_us: When it was last found.
        earlier: How the place looked a minute or more before it was first found, ``(B, SIDE * SIDE)``; None:
            not known, or decided.
        look: How it usually looks; None: not known.
        offered: Whether people were told.
    """

    class_id: int
    box: F64
    since_us: int
    last_us: int
    earlier: F32 | None = None
    look: F32 | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    offered: bool = False
    watched_s: float = 0.0
    waited_s: float = 0.0  # since the last glance
    unseen_s: float = 0.0
    different_s: float = 0.0
    samples: int = 0
    seen: int = 0
    scores: float = 0.0
    alike: int = 0
    alike_seen: int = 0
    moves: int = 0
    pairs: int = 0
    tried: int = 0
    familiar: int = 0
    came: bool = False
    reported: bool = False

    def note(self, glance: Glance) -> None:
        """Take in one sample."""
        self.samples += 1
        self.waited_s = 0.0
        self.watched_s += glance.dt
        self.reported |= glance.reported
        if glance.score is None or glance.box is None:
            self.unseen_s += glance.dt
        else:
            self.seen += 1
            self.unseen_s = 0.0
            self.scores += glance.score
            self.last_us = glance.at_us
            self.box = self.box + (glance.box - self.box) / min(self.seen, _MEMORY)
            if glance.moved is not None:
                self.pairs += 1
                self.moves += glance.moved
        self._compare(glance)

    def forget_looks(self) -> None:
        """The light has changed: learn anew how the place looks."""
        self.look = self.earlier = None

    def is_suspect(self, after_s: float) -> bool:
        """Whether it has been found for so long, and nothing speaks for a real thing."""
        if self.came or not self.reported or not self.seen or not after_s:
            return False
        if not self.offered and (self.unseen_s or self.different_s):
            return False  # it may just have left
        slack = _SLACK if self.offered else 1.0  # else an offer would come and go
        return (
            self.watched_s >= after_s
            and self.seen >= slack * _LEAST_SEEN * self.samples
            and self.alike >= slack * _LEAST_ALIKE * self.samples
            and self.alike_seen >= slack * _LEAST_SAME * self.seen
            and slack * self.moves <= _MOST_RESTLESS * self.pairs
        )

    @property
    def score(self) -> float:
        """Average score of its detections."""
        return self.scores / max(self.seen, 1)

    @property
    def faded(self) -> bool:
        """Whether it may be forgotten: what was there has left, or was found by chance."""
        if self.different_s >= _LEFT_S and self.unseen_s > 0:
            return True
        if self.came:  # so that it is not taken for scenery when it is found again, at dawn
            return self.unseen_s >= min(_CAME_S, _CAME_TIMES * self.watched_s)
        by_chance = self.samples >= 15 and self.seen < max(2, 0.05 * self.samples)
        return by_chance or self.unseen_s >= _FADED_S

    def _compare(self, glance: Glance) -> None:
        if self.earlier is not None:
            self._try(glance.look[None])
        if self.look is None:
            self.look = glance.look.copy()
        like = glance.like
        if np.isnan(like):  # too dark, or plain, for the look to say anything
            self.alike += 1
            self.alike_seen += glance.score is not None
        elif like >= ALIKE:
            self.alike += 1
            self.alike_seen += glance.score is not None
            self.different_s = 0.0
            self.look = np.asarray(self.look + _ADAPT * (glance.look - self.look), np.float32)
        elif like < UNLIKE:
            self.different_s += glance.dt
            if self.different_s >= _LEFT_S and glance.score is not None:
                self.came, self.earlier = True, None  # another thing of the class is there: these are real
                self.look, self.different_s = glance.look.copy(), 0.0

    def _try(self, look: F32) -> None:
        """Compare with how the place looked before, until it is certain whether something came."""
        earlier = self.earlier
        if earlier is None:
            return
        likes = likeness(np.repeat(look, len(earlier), axis=0), earlier)
        if np.isnan(likes).all():
            return
        self.tried += 1
        self.familiar += bool(np.nanmax(likes) >= _BEFORE)
        if self.tried >= _TRIAL:
            self.came = self.familiar < _FAMILIAR * self.tried
            self.earlier = None
