"""The life of tracks, all of a camera in one array: begun, confirmed, lost, ended; and what is reported.

Association and the use of a match differ between trackers and are handed in; everything else is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_node import kalman
from edge_node.association import Index
from edge_node.frames import I32, I64, Detections, Tracks
from edge_node.kalman import Rows
from edge_node.tracker import TrackerSettings
from shared.geometry import F64, Bool, Floats

TRACK = np.dtype(
    [
        *((name, kalman.FILTER[name]) for name in kalman.FILTER.names or ()),
        ("seen", np.float64, (4,)),  # the last matched box, centre and sides
        ("recent", np.float64, (2,)),  # centre up to a second ago
        ("earlier", np.float64, (2,)),  # centre up to a second before that
        ("born", np.float64),  # when it was first seen, seconds
        ("until", np.float64),  # when it ends unless it is matched again
        ("unseen", np.float64),  # seconds since it was last matched
        ("score", np.float64),
        ("against", np.int32),  # detections in a row that were of another class
        ("class_id", np.int32),
        ("hits", np.int32),  # detections matched
        ("frames", np.int32),  # updates since it was last matched
        ("id", np.int64),  # 0 until confirmed
        ("lost", np.bool_),  # the detector ran and did not find it
        ("visible", np.bool_),
    ]
)

_MIN_HITS = 2
_SNAPSHOT_S = 1.0  # between two looks at where tracks are, to find those that stand
_STILL_RADIUS = 0.2  # a track that moved less since two snapshots ago, in sides of its box, stands
_MIN_AGAINST = 3  # detections of another class in a row that change a track's
_COASTING = 0.5  # a track is reported unseen for at most this share of the time it was followed
_OUTSIDE = 0.1  # the part of a predicted box that may lie where nothing was ever detected
_PRIOR_SCORE, _PRIOR_COUNT = 0.55, 10.0  # the typical score before anything was tracked
_MEMORY = 300.0  # detections over which typical scores are averaged


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The detections of one frame that score high enough to matter, ready to be matched.

    Attributes:
        xyxy: Corners, f64 ``(M, 4)``.
        centre: Centre and sides, f64 ``(M, 4)``.
        score: f64 ``(M,)``.
        class_id: i32 ``(M,)``.
        high: Those to be matched first, ``(M,)``.
        start: Those that may begin a track, ``(M,)``.
    """

    xyxy: F64
    centre: F64
    score: F64
    class_id: I32
    high: Bool
    start: Bool


Associate = Callable[[Rows, Seen], tuple[Index, Index]]
"""Tracks predicted to this frame and its detections to matched indices of both, each ``(K,)``."""
Correct = Callable[[Rows, F64], None]
"""Brings matched tracks ``(K,)``, as predicted, to their measured boxes ``(K, 4)``, in place."""


class TrackTable:
    """All tracks of one camera.

    Args:
        settings: How they begin and end.
        dtype: Of a track: `TRACK`, and whatever the tracker adds to it.
        associate: Matches tracks with detections.
        correct: Brings matched tracks to their detections.
    """

    def __init__(
        self, settings: TrackerSettings, dtype: np.dtype[np.void], associate: Associate, correct: Correct
    ) -> None:
        self._settings = settings
        self._dtype = dtype
        self._associate = associate
        self._correct = correct
        self._next_id = 1
        self._ended: I64 = np.zeros(0, np.int64)
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._rows: Rows = np.zeros(0, self._dtype)
        self._now = self._snapshot = 0.0
        self._score_sum: F64 = np.zeros(0)
        self._score_count: F64 = np.zeros(0)
        self._extent = np.array([np.inf, np.inf, -np.inf, -np.inf])

    def reset(self) -> None:
        """Forget everything but the ids in use; the next update reports dropped tracks as ended."""
        ids = self._rows["id"]
        self._ended = np.concatenate((self._ended, ids[ids > 0]))
        self._start_afresh()

    def update(self, detections: Detections | None, dt: float) -> Tracks:
        """Advance by one frame; see `edge_node.tracker.Tracker.update`."""
        self._now += dt
        rows = self._rows
        if len(rows):
            kalman.predict(rows, dt)
            rows["unseen"] += dt
            rows["frames"] += 1
            if self._now - self._snapshot >= _SNAPSHOT_S:
                self._snapshot = self._now
                rows["earlier"] = rows["recent"]
                rows["recent"] = rows["seen"][:, :2]
        if detections is not None:
            self._meet(self._grade(detections))
        ended, self._ended = self._ended, np.zeros(0, np.int64)
        return _report(self._rows, self._now, ended)

    def _grade(self, detections: Detections) -> Seen:
        """Sort detections by score, relative to what is typical of their class."""
        settings, class_id = self._settings, detections.class_id
        score = detections.score.astype(np.float64)
        known = int(class_id.max(initial=-1)) + 1
        if known > len(self._score_sum):
            more = (0, known - len(self._score_sum))
            self._score_sum = np.pad(self._score_sum, more, constant_values=_PRIOR_SCORE * _PRIOR_COUNT)
            self._score_count = np.pad(self._score_count, more, constant_values=_PRIOR_COUNT)
        share = score / (self._score_sum / self._score_count)[class_id]
        xyxy = detections.xyxy.astype(np.float64)
        matters = share >= settings.low_score
        if not matters.all():
            xyxy, score, share, class_id = xyxy[matters], score[matters], share[matters], class_id[matters]
        return Seen(
            xyxy,
            kalman.to_centre(xyxy),
            score,
            class_id,
            share >= settings.high_score,
            share >= settings.start_score,
        )

    def _meet(self, seen: Seen) -> None:
        """Match tracks with detections and draw the consequences for both."""
        rows = self._rows
        r, d = self._associate(rows, seen) if len(rows) and len(seen.score) else _NO_PAIRS
        free = np.ones(len(seen.score), np.bool_)
        free[d] = False
        if len(seen.score):
            np.minimum(self._extent[:2], seen.xyxy[:, :2].min(axis=0), out=self._extent[:2])
            np.maximum(self._extent[2:], seen.xyxy[:, 2:].max(axis=0), out=self._extent[2:])
        if len(r):
            self._found(r, d, seen)
        if len(r) < len(rows):
            missed = np.ones(len(rows), np.bool_)
            missed[r] = False
            self._miss(np.flatnonzero(missed))
        births = np.flatnonzero(free & seen.start)
        if len(births):
            self._begin(births, seen)

    def _found(self, r: Index, d: Index, seen: Seen) -> None:
        """Bring matched tracks to their detections."""
        centre, score, class_id = seen.centre[d], seen.score[d], seen.class_id[d]
        rows = self._rows[r]
        self._correct(rows, centre)
        rows["seen"] = centre
        rows["score"] = score
        rows["unseen"] = 0.0
        rows["frames"] = 0
        rows["lost"] = False
        rows["hits"] += 1
        _vote(rows, class_id)
        confirmed = rows["id"] > 0
        if not confirmed.all():
            new = (
                ~confirmed
                & (rows["hits"] >= _MIN_HITS)
                & (self._now - rows["born"] >= self._settings.confirm_s)
            )
            count = int(np.count_nonzero(new))
            rows["id"][new] = np.arange(self._next_id, self._next_id + count)
            self._next_id += count
            confirmed |= new
            class_id, score = class_id[confirmed], score[confirmed]
        rows["visible"] = confirmed
        self._rows[r] = rows
        self._learn_scores(class_id, score)

    def _learn_scores(self, class_id: I32, score: F64) -> None:
        if len(self._score_sum) == 1:
            self._score_sum += score.sum()
            self._score_count += len(score)
        else:
            size = len(self._score_sum)
            self._score_sum += np.bincount(class_id, score, minlength=size)
            self._score_count += np.bincount(class_id, minlength=size)
        fade = np.minimum(_MEMORY / self._score_count, 1.0)
        self._score_sum *= fade
        self._score_count *= fade

    def _miss(self, index: Index) -> None:
        """Tracks without a detection: coast, wait unseen, or end."""
        rows = self._rows
        newly = index[~rows["lost"][index]]
        if len(newly):
            rows[newly] = self._lost(rows[newly])
        shown = index[rows["visible"][index]]
        if len(shown):
            unseen = rows["unseen"][shown]
            followed = self._now - rows["born"][shown] - unseen
            near = unseen <= np.minimum(self._settings.predicted_s, _COASTING * followed)
            rows["visible"][shown] = near & self._inside(rows["pos"][shown])
        gone = index[rows["until"][index] < self._now]
        if len(gone):
            ids = rows["id"][gone]
            self._ended = np.concatenate((self._ended, ids[ids > 0]))
            keep = np.ones(len(rows), np.bool_)
            keep[gone] = False
            self._rows = rows[keep]

    def _lost(self, rows: Rows) -> Rows:
        """Tracks just lost, with how long to wait for them; those that stood still stay where they are."""
        settings, seen = self._settings, rows["seen"]
        moved = np.maximum(np.abs(seen[:, :2] - rows["recent"]), np.abs(seen[:, :2] - rows["earlier"]))
        stood = (moved < _STILL_RADIUS * seen[:, 2:]).all(axis=1)
        stood &= self._now - rows["born"] >= 2 * _SNAPSHOT_S
        rows["vel"][stood] = 0.0
        patience = np.where(stood, max(settings.stationary_lost_s, settings.lost_s), settings.lost_s)
        rows["until"] = np.where(rows["id"] > 0, self._now - rows["unseen"] + patience, -np.inf)
        rows["lost"] = True
        return rows

    def _inside(self, centre: Floats) -> Bool:
        """Which boxes lie, nearly whole, where objects have been detected: the rest has left the picture."""
        xyxy = kalman.to_corners(centre)
        sides = np.minimum(xyxy[:, 2:], self._extent[2:]) - np.maximum(xyxy[:, :2], self._extent[:2])
        np.maximum(sides, 0.0, out=sides)
        whole = centre[:, 2] * centre[:, 3]
        return np.asarray(sides[:, 0] * sides[:, 1] >= (1.0 - _OUTSIDE) * whole)

    def _begin(self, births: Index, seen: Seen) -> None:
        rows = np.zeros(len(births), self._dtype)
        kalman.start(rows, seen.centre[births])
        rows["seen"] = seen.centre[births]
        rows["recent"] = rows["earlier"] = seen.centre[births, :2]
        rows["born"] = self._now
        rows["score"] = seen.score[births]
        rows["class_id"] = seen.class_id[births]
        rows["hits"] = 1
        self._rows = np.concatenate((self._rows, rows))


_NO_PAIRS = (np.zeros(0, np.intp), np.zeros(0, np.intp))


def _vote(rows: Rows, class_id: I32) -> None:
    """Change the class of tracks whose detections insist on another one."""
    differs = rows["class_id"] != class_id
    if not differs.any():
        rows["against"] = 0
        return
    rows["against"] = np.where(differs, rows["against"] + 1, 0)
    change = rows["against"] >= _MIN_AGAINST
    rows["class_id"][change] = class_id[change]


def _report(rows: Rows, now: float, ended: I64) -> Tracks:
    rows = rows[rows["visible"]]
    return Tracks(
        xyxy=kalman.to_corners(rows["pos"]).astype(np.float32),
        score=rows["score"].astype(np.float32),
        class_id=rows["class_id"].copy(),
        track_id=rows["id"].copy(),
        age_s=(now - rows["born"]).astype(np.float32),
        velocity=rows["vel"][:, :2].astype(np.float32),
        predicted=rows["frames"] > 0,
        ended=ended,
    )
