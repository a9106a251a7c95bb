"""The life of a camera's tracks, kept in a few arrays: tracks begin, are confirmed, get lost and end.

Trackers differ in how they match tracks with detections and how they use a match. Each gives the table two
functions for that; everything else is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter

import numpy as np

from edge_node.config.settings import TrackerSettings
from edge_node.frames import I32, I64, Detections, Looked, Tracks
from edge_node.track import kalman
from edge_node.track.association import Index, Matching
from edge_node.track.overlooked import looked_for
from edge_node.track.scores import TypicalScores
from shared.geometry import F64, Bool, Floats

_SNAPSHOT_S = 1.0  # seconds between snapshots of the tracks' places, which show which tracks stand still
_STILL_RADIUS = 0.2  # a track that moved less than this over two snapshots stands still; in sides of its box
_MIN_AGAINST = 3  # number of detections of another class in a row that change a track's class
_COASTING = 0.5  # an unseen track is reported for at most this share of the time it was followed
_OUTSIDE = 0.1  # share of a predicted box that may lie where nothing was ever detected


@dataclass(slots=True, eq=False)
class Rows:
    """All tracks of a camera. They are the rows of an assignment, and detections are its columns.

    The last axis of every array is the track: numpy is fastest along the last axis.
    """

    state: F64  # state of the Kalman filters, (11, N), see kalman
    seen: F64  # last matched box, centre and sides, (4, N)
    past: F64  # centres at the last snapshot and at the one before, (2, 2, N)
    extra: F64  # numbers that only one kind of tracker uses, (E, N), 0 at first
    born: F64  # when the track was first seen, seconds
    until: F64  # when a lost track ends unless it is matched again, seconds
    unseen: F64  # seconds since the last match
    spared: F64  # of these, seconds in which the detector did not look for the track
    score: F64  # score of the last matched detection
    against: I32  # number of detections in a row that were of another class
    class_id: I32
    frames: I32  # number of updates since the last match
    id: I64  # 0 until the track is confirmed
    lost: Bool  # whether the detector ran and did not find the track
    visible: Bool  # whether the track is reported

    def __len__(self) -> int:
        return len(self.id)

    @property
    def pos(self) -> F64:
        """Filtered centre and sides, a view ``(4, N)``."""
        return self.state[kalman.POS]

    def only(self, index: Index) -> Rows:
        """Copies of the tracks at `index`."""
        return Rows(*(column.take(index, axis=-1) for column in _columns(self)))

    def followed_by(self, other: Rows) -> Rows:
        """Copies of these tracks and of `other`."""
        pairs = zip(_columns(self), _columns(other), strict=True)
        return Rows(*(np.concatenate(pair, axis=-1) for pair in pairs))


_columns = attrgetter(*(column.name for column in fields(Rows)))


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The detections of one frame that score high enough to be matched."""

    xyxy: F64  # corners, (4, M)
    centre: F64  # centre and sides, (4, M)
    score: F64
    class_id: I32
    high: Bool  # whether the detection is matched in the first stage
    start: Bool  # whether the detection may begin a track


Associate = Callable[[Rows, Seen], Matching]
"""Matches tracks, predicted to this frame, with the frame's detections."""
Correct = Callable[[Rows, Index, F64], None]
"""Corrects matched tracks ``(K,)`` in place, from their predicted to their measured boxes ``(4, K)``."""


class TrackTable:
    """All tracks of one camera.

    Args:
        settings: How tracks begin and end.
        associate: Matches tracks with detections.
        correct: Corrects matched tracks by their detections.
        extra: How many numbers the tracker keeps for each track in `Rows.extra`.
    """

    def __init__(
        self, settings: TrackerSettings, associate: Associate, correct: Correct, extra: int = 0
    ) -> None:
        self._settings = settings
        self._associate = associate
        self._correct = correct
        self._extra = extra
        self._next_id = 1
        self._ended: I64 = np.zeros(0, np.int64)
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._now = self._snapshot = self._run = 0.0
        self._rows = self._new_rows(np.zeros((4, 0)), np.zeros(0), np.zeros(0, np.int32))
        self._scores = TypicalScores()
        self._low, self._high = np.full(2, np.inf), np.full(2, -np.inf)  # corners of all detections so far

    def reset(self) -> None:
        """Forget everything but the next id; the next update reports the dropped tracks as ended."""
        self._end(self._rows.id)
        self._start_afresh()

    def end(self, track_ids: I64) -> None:
        """Forget these tracks; the next update reports them as ended."""
        going = np.isin(self._rows.id, track_ids) & (self._rows.id > 0)
        self._end(self._rows.id[going])
        self._rows = self._rows.only((~going).nonzero()[0])

    def update(self, detections: Detections | None, dt: float, looked: Looked | None = None) -> Tracks:
        """Advance by one frame; see `edge_node.track.tracker.Tracker.update`."""
        self._now += dt
        rows = self._rows
        if len(rows):
            kalman.predict(rows.state, dt)
            rows.unseen += dt
            rows.frames += 1
            if self._now - self._snapshot >= _SNAPSHOT_S:
                self._snapshot = self._now
                rows.past[1] = rows.past[0]
                rows.past[0] = rows.seen[:2]
        if detections is not None:
            self._meet(self._grade(detections), looked)
            self._run = self._now
        ended, self._ended = self._ended, np.zeros(0, np.int64)
        return _report(self._rows, self._now, ended)

    def _grade(self, detections: Detections) -> Seen:
        """Grade detections by their scores, relative to the typical score of their class."""
        settings, class_id = self._settings, detections.class_id
        score = detections.score.astype(np.float64)
        share = self._scores.shares(class_id, score)
        xyxy = detections.xyxy.T.astype(np.float64, order="C")
        matters = (share >= settings.low_score).nonzero()[0]
        if len(matters) < len(score):
            xyxy = xyxy.take(matters, axis=1)
            score, share, class_id = score[matters], share[matters], class_id[matters]
        return Seen(
            xyxy,
            kalman.to_centre(xyxy),
            score,
            class_id,
            share >= settings.high_score,
            share >= settings.start_score,
        )

    def _meet(self, seen: Seen, looked: Looked | None) -> None:
        """Match tracks with detections, then update what was matched and what was not."""
        rows, count = self._rows, len(seen.score)
        matching = self._associate(rows, seen) if len(rows) and count else Matching(len(rows), count)
        r, d = matching.pairs()
        if count:
            np.minimum(self._low, seen.xyxy[:2].min(axis=1), out=self._low)
            np.maximum(self._high, seen.xyxy[2:].max(axis=1), out=self._high)
        if len(r):
            self._found(r, d, seen)
        if len(r) < len(rows):
            missed = (~matching.taken_rows).nonzero()[0]
            self._miss(missed if looked is None else self._looked_for(missed, looked))
        if len(r) < count:
            births = (seen.start & ~matching.taken_columns).nonzero()[0]
            if len(births):
                new = self._new_rows(
                    seen.centre.take(births, axis=1), seen.score[births], seen.class_id[births]
                )
                self._rows = self._rows.followed_by(new)

    def _found(self, r: Index, d: Index, seen: Seen) -> None:
        """Update matched tracks by their detections."""
        rows = self._rows
        centre, score, class_id = seen.centre.take(d, axis=1), seen.score[d], seen.class_id[d]
        self._correct(rows, r, centre)
        rows.seen[:, r] = centre
        rows.score[r] = score
        rows.unseen[r] = rows.spared[r] = 0.0
        rows.frames[r] = 0
        rows.lost[r] = False
        _vote(rows, r, class_id)
        confirmed = rows.id[r] > 0
        if np.count_nonzero(confirmed) < len(r):
            # A track that is found has now been seen at least twice.
            new = ~confirmed & (self._now - rows.born[r] >= self._settings.confirm_s)
            named = r[new]
            rows.id[named] = np.arange(self._next_id, self._next_id + len(named))
            self._next_id += len(named)
            confirmed |= new
            class_id, score = class_id[confirmed], score[confirmed]
        rows.visible[r] = confirmed
        self._scores.learn(class_id, score)

    def _looked_for(self, index: Index, looked: Looked) -> Index:
        """Which of these tracks the detector would have found; the others are not missed but predicted.

        They are reported for as long as they were followed before. No track is spared for longer than
        `lost_s`, because nothing is known by then of where it is.
        """
        rows = self._rows
        since = self._now - self._run
        pos = rows.pos.take(index, axis=1)
        fair = looked_for(pos, looked, self._low, self._high)
        fair |= rows.spared[index] + since > self._settings.lost_s
        spared, pos = index[~fair], pos[:, ~fair]
        rows.spared[spared] += since
        rows.until[spared] += since
        followed = self._now - rows.born[spared] - rows.unseen[spared]
        rows.visible[spared] &= (rows.unseen[spared] <= followed) & self._inside(pos)
        return index[fair]

    def _miss(self, index: Index) -> None:
        """Report tracks without a detection as predicted, keep them unseen, or end them."""
        rows = self._rows
        newly = index[~rows.lost[index]]
        if len(newly):
            self._lose(newly)
        shown = index[rows.visible[index]]
        if len(shown):
            unseen = rows.unseen[shown]
            followed = self._now - rows.born[shown] - unseen
            near = unseen - rows.spared[shown] <= np.minimum(self._settings.predicted_s, _COASTING * followed)
            rows.visible[shown] = near & self._inside(rows.pos.take(shown, axis=1))
        gone = index[rows.until[index] < self._now]
        if len(gone):
            self._end(rows.id[gone])
            keep = np.ones(len(rows), np.bool_)
            keep[gone] = False
            self._rows = rows.only(keep.nonzero()[0])

    def _lose(self, newly: Index) -> None:
        """Decide how long to wait for tracks just lost, and stop those that stood still."""
        rows, settings = self._rows, self._settings
        seen = rows.seen.take(newly, axis=1)
        still = np.abs(rows.past.take(newly, axis=2) - seen[:2]) < _STILL_RADIUS * seen[2:]
        stood = still.all(axis=(0, 1)) & (self._now - rows.born[newly] >= 2 * _SNAPSHOT_S)
        rows.state[kalman.VEL, newly[stood]] = 0.0
        patience = np.where(stood, max(settings.stationary_lost_s, settings.lost_s), settings.lost_s)
        until = self._now - rows.unseen[newly] + patience + rows.spared[newly]
        rows.until[newly] = np.where(rows.id[newly] > 0, until, -np.inf)
        rows.lost[newly] = True

    def _inside(self, centre: Floats) -> Bool:
        """Which boxes lie almost entirely where objects have been detected; the others left the picture."""
        xyxy = kalman.to_corners(centre)
        low, high = np.maximum(xyxy[:2], self._low[:, None]), np.minimum(xyxy[2:], self._high[:, None])
        sides = np.maximum(high - low, 0.0)
        return np.asarray(sides[0] * sides[1] >= (1.0 - _OUTSIDE) * (centre[2] * centre[3]))

    def _end(self, ids: I64) -> None:
        """Have the next report name these tracks as ended, if they were confirmed."""
        self._ended = np.concatenate((self._ended, ids[ids > 0]))

    def _new_rows(self, centre: F64, score: F64, class_id: I32) -> Rows:
        """Begin a track for each detection."""
        n = len(score)
        return Rows(
            state=kalman.start(centre),
            seen=centre,
            past=np.stack((centre[:2], centre[:2])),
            extra=np.zeros((self._extra, n)),
            born=np.full(n, self._now),
            until=np.zeros(n),
            unseen=np.zeros(n),
            spared=np.zeros(n),
            score=score,
            against=np.zeros(n, np.int32),
            class_id=class_id,
            frames=np.zeros(n, np.int32),
            id=np.zeros(n, np.int64),
            lost=np.zeros(n, np.bool_),
            visible=np.zeros(n, np.bool_),
        )


def _vote(rows: Rows, index: Index, class_id: I32) -> None:
    """Change the class of tracks whose last few detections were all of another class."""
    differs = rows.class_id[index] != class_id
    if not np.count_nonzero(differs):
        rows.against[index] = 0
        return
    against = rows.against[index] = np.where(differs, rows.against[index] + 1, 0)
    change = against >= _MIN_AGAINST
    rows.class_id[index[change]] = class_id[change]


def _report(rows: Rows, now: float, ended: I64) -> Tracks:
    if np.count_nonzero(rows.visible) < len(rows):
        rows = rows.only(rows.visible.nonzero()[0])
    return Tracks(
        xyxy=kalman.to_corners(rows.pos).T.astype(np.float32, order="C"),
        score=rows.score.astype(np.float32),
        class_id=rows.class_id.copy(),
        track_id=rows.id.copy(),
        age_s=(now - rows.born).astype(np.float32),
        velocity=rows.state[4:6].T.astype(np.float32, order="C"),
        predicted=rows.frames > 0,
        ended=ended,
    )
