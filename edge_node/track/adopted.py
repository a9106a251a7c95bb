"""Tracks by the ids of a camera that follows its objects itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edge_node.config.settings import TrackerSettings
from edge_node.frames import I64, Detections, Followed, Tracks
from shared.geometry import F32

_SMOOTH_S = 0.5
"""How far back velocities look where the camera tells none, seconds."""
_SNAPSHOT_S = 1.0
"""Seconds between two looks at where objects are, which show who stands still; as our tracker has it."""
_STILL_RADIUS = 0.2
"""Who has moved less than this over two looks stands still; in sides of the box."""


@dataclass(slots=True, eq=False)
class _Known:
    """An object.

    Attributes:
        track_id: Its id here.
        born_s: When it was first seen, on the clock of this camera's frames.
        seen_s: When it was seen last.
        centre: Where that was, pixels.
        side: Width and height of its box then, pixels.
        past: Its centre at the last look and at the one before.
        velocity: Pixels a second.
        until_s: When it ends unless it is seen again; infinite while it is seen.
    """

    track_id: int
    born_s: float
    seen_s: float
    centre: F32
    side: F32
    past: tuple[F32, F32]
    velocity: F32
    until_s: float = math.inf


class Adopted:
    """Gives the objects of one camera track ids, which are never used again, whatever the sender does.

    Args:
        settings: How long an object that is not seen may come back under its id.
    """

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings
        self._known: dict[str, _Known] = {}
        self._ended: list[int] = []
        self._next_id = 1
        self._now_s = self._looked_s = 0.0

    def update(self, found: Detections, followed: Followed, dt: float) -> Tracks:
        """Advance by one frame.

        Args:
            found: The objects of the frame.
            followed: Which objects they are.
            dt: Seconds since the previous frame, 0 at the first.
        """
        self._now_s += dt
        self._look()
        for old, new in followed.renamed:
            if old in self._known and new not in self._known:
                self._known[new] = self._known.pop(old)
        known = [self._saw(row, name, found, followed) for row, name in enumerate(followed.ids)]
        self._end_lost(followed)
        ended, self._ended = np.array(self._ended, np.int64), []
        return Tracks(
            found.xyxy,
            found.score,
            found.class_id,
            np.array([one.track_id for one in known], np.int64),
            np.array([self._now_s - one.born_s for one in known], np.float32),
            np.array([one.velocity for one in known], np.float32).reshape(-1, 2),
            followed.predicted,
            ended,
        )

    def end(self, track_ids: I64) -> None:
        """Forget these tracks; the next update reports them as ended."""
        going = set(track_ids.tolist())
        for name in [name for name, one in self._known.items() if one.track_id in going]:
            self._ended.append(self._known.pop(name).track_id)

    def reset(self) -> None:
        """Forget all tracks, but not the next id; the next update reports them as ended."""
        self._ended += [one.track_id for one in self._known.values()]
        self._known.clear()

    def _look(self) -> None:
        """Note where everything is, when it is time to."""
        if self._now_s - self._looked_s >= _SNAPSHOT_S:
            self._looked_s = self._now_s
            for one in self._known.values():
                one.past = one.centre, one.past[0]

    def _saw(self, row: int, name: str, found: Detections, followed: Followed) -> _Known:
        box, age_s, velocity = found.xyxy[row], float(followed.age_s[row]), followed.velocity[row]
        centre, one = (box[:2] + box[2:]) / 2, self._known.get(name)
        if one is None:
            born_s = self._now_s - (0.0 if math.isnan(age_s) else age_s)
            still = np.zeros(2, np.float32)
            one = _Known(
                self._next_id, born_s, self._now_s, centre, box[2:] - box[:2], (centre, centre), still
            )
            self._known[name] = one
            self._next_id += 1
        elif not followed.predicted[row]:
            passed_s = self._now_s - one.seen_s
            if passed_s > 0:
                share = np.float32(min(1.0, passed_s / _SMOOTH_S))
                moved = (centre - one.centre) / np.float32(passed_s)
                one.velocity = one.velocity + share * (moved - one.velocity)
            one.centre, one.side = centre, box[2:] - box[:2]
            one.seen_s, one.until_s = self._now_s, math.inf
        if not np.isnan(velocity).any():
            one.velocity = velocity
        return one

    def _end_lost(self, followed: Followed) -> None:
        """End what the sender has ended, and what it has not shown for too long."""
        guesses = zip(followed.ids, followed.predicted.tolist(), strict=True)
        seen = {name for name, guessed in guesses if not guessed}
        here, over = set(followed.ids), set(followed.ended)
        for name, one in list(self._known.items()):
            if name in seen:
                continue
            if one.until_s == math.inf:
                one.until_s = one.seen_s + self._patience_s(one)
            if name not in here and (name in over or one.until_s < self._now_s):
                self._ended.append(self._known.pop(name).track_id)

    def _patience_s(self, one: _Known) -> float:
        """How long to wait for an object, seconds: longer for one that stood still."""
        stood = self._now_s - one.born_s >= 2 * _SNAPSHOT_S and all(
            (np.abs(past - one.centre) < _STILL_RADIUS * one.side).all() for past in one.past
        )
        settings = self._settings
        return max(settings.stationary_lost_s, settings.lost_s) if stood else settings.lost_s
