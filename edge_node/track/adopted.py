"""Tracks by the ids of a camera that follows its objects itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_node.config.settings import TrackerSettings
from edge_node.frames import I64, Detections, Followed, Tracks
from shared.geometry import F32

_SMOOTH_S = 0.5
"""How far back velocities look, seconds."""


@dataclass(slots=True, eq=False)
class _Known:
    track_id: int
    born_s: float
    seen_s: float
    centre: F32
    velocity: F32


class Adopted:
    """Gives the objects of one camera track ids, which are never used again, whatever the sender does.

    Args:
        settings: How long an object that is not seen may come back under its id.
    """

    def __init__(self, settings: TrackerSettings) -> None:
        self._lost_s = settings.lost_s
        self._known: dict[str, _Known] = {}
        self._ended: list[int] = []
        self._next_id = 1
        self._now_s = 0.0

    def update(self, found: Detections, followed: Followed, dt: float) -> Tracks:
        """Advance by one frame.

        Args:
            found: The objects of the frame.
            followed: Which objects they are.
            dt: Seconds since the previous frame, 0 at the first.
        """
        self._now_s += dt
        for old, new in followed.renamed:
            if old in self._known and new not in self._known:
                self._known[new] = self._known.pop(old)
        centres = np.asarray((found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2, np.float32)
        known = [
            self._saw(name, centre, predicted=guessed)
            for name, centre, guessed in zip(followed.ids, centres, followed.predicted.tolist(), strict=True)
        ]
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

    def _saw(self, name: str, centre: F32, *, predicted: bool) -> _Known:
        one = self._known.get(name)
        if one is None:
            one = _Known(self._next_id, self._now_s, self._now_s, centre, np.zeros(2, np.float32))
            self._known[name] = one
            self._next_id += 1
        elif not predicted:
            passed_s = self._now_s - one.seen_s
            if passed_s > 0:
                share = np.float32(min(1.0, passed_s / _SMOOTH_S))
                moved = (centre - one.centre) / np.float32(passed_s)
                one.velocity = one.velocity + share * (moved - one.velocity)
            one.centre, one.seen_s = centre, self._now_s
        return one

    def _end_lost(self, followed: Followed) -> None:
        """End what the sender has ended, and what it has not shown for too long."""
        here, over = set(followed.ids), set(followed.ended)
        for name, one in list(self._known.items()):
            if name not in here and (name in over or self._now_s - one.seen_s > self._lost_s):
                self._ended.append(self._known.pop(name).track_id)
