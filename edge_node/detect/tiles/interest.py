"""What is worth a look: objects that are followed, and finds that a second look has to confirm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_node.frames import Detections, Tracks
from shared.geometry import F64, Bool, Floats, iou

_SPOT_SCORE = 0.5
"""Least score of a detection without a track that is worth another look."""
_TRIES = 2
"""Looks at such a find. A tracker confirms what it finds twice; what needs more is no object."""
_FORGET_S = 3.0
"""Seconds after which a find that was not confirmed may be one again."""
_MOST_SPOTS = 64
_SAME = 0.5
"""Least IoU of a find in one look and of an ignored detection of the frame that are the same."""
_AHEAD_S = 1.0
"""Longest time for which a track's movement is continued, seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What is known after one frame.

    Attributes:
        at_s: Time of the frame, seconds.
        xyxy: Boxes of the tracks, ``(N, 4)`` in pixels of the frame.
        velocity: Of their centres, ``(N, 2)`` in pixels per second.
        age_s: Seconds since each was first seen, ``(N,)``.
        found: Boxes of detections that belong to no track, ``(M, 4)`` in pixels of the frame.
    """

    at_s: float
    xyxy: F64
    velocity: F64
    age_s: F64
    found: F64

    @classmethod
    def of(
        cls, at_s: float, tracks: Tracks, parts: Sequence[Detections], ignored: Detections | None = None
    ) -> Followed:
        """From the tracks after a frame, what each look at the frame showed, and what of it was ignored."""
        xyxy = tracks.xyxy.astype(np.float64)
        boxes = [part.xyxy[part.score >= _SPOT_SCORE] for part in parts if len(part)]
        found = np.concatenate(boxes).astype(np.float64) if boxes else np.zeros((0, 4))
        velocity, age_s = tracks.velocity.astype(np.float64), tracks.age_s.astype(np.float64)
        news = ~_inside_any(found, xyxy)
        if ignored is not None and len(ignored):
            news &= iou(found, ignored.xyxy).max(axis=1, initial=0.0) < _SAME
        return cls(at_s, xyxy, velocity, age_s, found[news])

    def moved(self, right: float, down: float) -> Followed:
        """The same in a picture with another origin."""
        if not right and not down:
            return self
        offset = np.array([right, down, right, down])
        return replace(self, xyxy=self.xyxy + offset, found=self.found + offset)

    def boxes_at(self, now_s: float) -> F64:
        """Where the tracks are expected at a time, ``(N, 4)``."""
        ahead = min(max(0.0, now_s - self.at_s), _AHEAD_S)
        return np.asarray(self.xyxy + np.tile(self.velocity * ahead, 2))


NOTHING = Followed(0.0, np.zeros((0, 4)), np.zeros((0, 2)), np.zeros(0), np.zeros((0, 4)))
"""Before the first frame."""


class Spots:
    """Finds that may become tracks, each with the looks that it still deserves."""

    def __init__(self) -> None:
        self._boxes = np.zeros((0, 4))
        self._tries = np.zeros(0, int)
        self._until = np.zeros(0)
        self._open = np.zeros(0, int)

    def take(self, followed: Followed, before: Followed) -> None:
        """Take in the finds of one frame, and forget those that have become tracks.

        A track that is no longer reported is a find, too: the tracker still waits for it under its id.

        Args:
            followed: What is known after the frame.
            before: What was known until then.
        """
        keep = (self._until > followed.at_s) & ~_inside_any(self._boxes, followed.xyxy)
        self._keep(keep)
        room = _MOST_SPOTS - len(self._boxes)
        lost = before.boxes_at(followed.at_s)
        found = np.concatenate((followed.found, lost[~_inside_any(lost, followed.xyxy)]))
        new = found[~_inside_any(found, self._boxes)][: max(0, room)]
        if len(new):
            self._boxes = np.concatenate((self._boxes, new))
            self._tries = np.concatenate((self._tries, np.full(len(new), _TRIES)))
            self._until = np.concatenate((self._until, np.full(len(new), followed.at_s + _FORGET_S)))

    def open(self) -> F64:
        """The finds that deserve a look, ``(N, 4)``."""
        self._open = np.flatnonzero(self._tries > 0)
        return self._boxes[self._open]

    def looked(self, at: Bool) -> None:
        """Note which of those that `open` gave last are looked at, ``(N,)``."""
        self._tries[self._open[at]] -= 1

    def _keep(self, which: Bool) -> None:
        self._boxes, self._tries, self._until = self._boxes[which], self._tries[which], self._until[which]


def _inside_any(boxes: Floats, others: Floats) -> Bool:
    """Which boxes have their centre in one of the others, ``(N,)``."""
    x, y = ((boxes[:, :2] + boxes[:, 2:]) / 2).T[:, :, None]
    left, top, right, bottom = others.T
    inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    return np.asarray(inside.any(axis=1), bool)
