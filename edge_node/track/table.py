"""The life of tracks: they begin, are confirmed, get lost and end.

Trackers differ in how they match tracks with detections and how they use a match. Each gives two functions
for that; everything else is here. The tracks of several cameras, which have nothing to do with each other, go
through a step side by side in one table: the step of one camera is that of a table with one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edge_node.config.settings import TrackerSettings
from edge_node.frames import I32, Detections, Looked, Tracks
from edge_node.track import kalman
from edge_node.track.association import Matching, changes
from edge_node.track.overlooked import looked_for
from edge_node.track.report import parts, report
from edge_node.track.rows import Given, Index, Rows, Seen, State
from edge_node.track.scores import TypicalScores
from shared.geometry import F64, Bool, Floats

_SNAPSHOT_S = 1.0  # seconds between snapshots of the tracks' places, which show which tracks stand still
_STILL_RADIUS = 0.2  # a track that moved less than this over two snapshots stands still; in sides of its box
_MIN_AGAINST = 3  # number of detections of another class in a row that change a track's class
_COASTING = 0.5  # an unseen track is reported for at most this share of the time it was followed
_OUTWARD = np.array([[1.0], [1.0], [-1.0], [-1.0]])  # makes the least of each edge of a box its outermost
_OUTSIDE = 0.1  # share of a predicted box that may lie where nothing was ever detected


@dataclass(frozen=True, slots=True)
class Method:
    """What is special to one kind of tracker.

    Attributes:
        associate: Matches tracks, predicted to this frame, with the frame's detections.
        correct: Corrects matched tracks ``(K,)`` in place, from their predicted to their measured boxes
            ``(4, K)``.
        extra: How many numbers it keeps for each track in `Rows.extra`.
    """

    associate: Callable[[Rows, Seen], Matching]
    correct: Callable[[Rows, Index, F64], None]
    extra: int

    def advance(
        self, settings: TrackerSettings, states: Sequence[State], given: Sequence[Given]
    ) -> list[Tracks]:
        """Take cameras to their next frame; see `edge_node.track.tracker.Tracker.update_all`."""
        table = TrackTable(settings, self, states)
        table.predict([one.dt for one in given])
        table.meet(given)
        return table.leave()


class TrackTable:
    """The tracks of several cameras during one step.

    Arrays ``(C,)`` have an entry for each camera, `camera[i]` is the camera of track i.

    Args:
        settings: How tracks begin and end.
        method: How they are matched.
        states: What is known of each camera; the step changes it.
    """

    def __init__(self, settings: TrackerSettings, method: Method, states: Sequence[State]) -> None:
        self._settings, self._method, self._states = settings, method, states
        self._rows = rows = Rows.joined([state.columns for state in states])
        counts = [state.columns[1].shape[1] for state in states]
        rows.camera[:] = np.repeat(np.arange(len(states)), counts) if len(states) > 1 else 0

    def predict(self, dts: Sequence[float]) -> None:
        """Move all tracks to the time of this frame, `dts` seconds later."""
        rows, states = self._rows, self._states
        for state, seconds in zip(states, dts, strict=True):
            state.now += seconds
        self._now = np.array([state.now for state in states])
        if not len(rows):
            return
        dt = np.array(dts, np.float64)[rows.camera] if len(states) > 1 else dts[0]
        kalman.predict(rows.state, dt)
        rows.unseen += dt
        rows.frames += 1
        due = [place for place, state in enumerate(states) if state.now - state.snapshot >= _SNAPSHOT_S]
        if due:
            index = np.isin(rows.camera, due).nonzero()[0]
            for camera in set(rows.camera[index].tolist()):
                states[camera].snapshot = states[camera].now
            rows.past[1][:, index] = rows.past[0][:, index]
            rows.past[0][:, index] = rows.seen[:2, index]

    def meet(self, given: Sequence[Given]) -> None:
        """Match tracks with detections, then update what was matched and what was not."""
        met = [place for place, one in enumerate(given) if one.detections is not None]
        if not met:
            return
        seen = self._grade([one.detections for one in given if one.detections is not None], met)
        rows, count = self._rows, len(seen.score)
        matching = self._method.associate(rows, seen) if len(rows) and count else Matching(len(rows), count)
        r, d = matching.pairs()
        if len(r):
            self._found(r, d, seen)
        if len(r) < len(rows):
            missed = (~matching.taken_rows).nonzero()[0]
            if len(met) < len(given):
                missed = missed[np.isin(rows.camera[missed], met)]
            for camera in met:
                looked = given[camera].looked
                if looked is not None:
                    missed = self._looked_for(missed, looked, camera)
            self._miss(missed)
        if len(r) < count:
            self._begin(seen, (seen.start & ~matching.taken_columns).nonzero()[0])
        for camera in met:
            self._states[camera].run = self._states[camera].now
        for state, scores in zip(self._states, self._scores.parts(), strict=True):
            state.scores = scores

    def leave(self) -> list[Tracks]:
        """End the step: give every camera its tracks, and report those that are visible."""
        rows, states = self._rows, self._states
        if len(states) == 1:
            states[0].columns = rows.columns
            return report(rows, self._now, states)
        if np.count_nonzero(rows.camera[1:] < rows.camera[:-1]):  # new tracks stand behind all others
            rows = rows.only(rows.camera.argsort(kind="stable"))
        for state, start, stop in parts(rows, states):
            # Copies, so that no camera keeps the tracks of all others in memory.
            numbers, counts, marks = (part[:, start:stop].copy() for part in rows.columns)
            state.columns = numbers, counts, marks
        return report(rows, self._now, states)

    def _grade(self, found: Sequence[Detections], cameras: Sequence[int]) -> Seen:
        """Grade detections by their scores, relative to the typical score of their class."""
        settings, one = self._settings, found[0]
        if len(found) > 1:
            parts = zip(*((one.xyxy, one.score, one.class_id) for one in found), strict=True)
            one = Detections(*map(np.concatenate, parts))
            camera = np.repeat(np.array(cameras), [len(part) for part in found])
        else:
            camera = np.zeros(len(one), np.intp)
            if cameras[0]:
                camera += cameras[0]
        self._scores = TypicalScores([state.scores for state in self._states])
        score, class_id = one.score.astype(np.float64), one.class_id
        share = self._scores.shares(camera, class_id, score)
        xyxy = one.xyxy.T.astype(np.float64, order="C")
        matters = (share >= settings.low_score).nonzero()[0]
        if len(matters) < len(score):
            xyxy = xyxy.take(matters, axis=1)
            score, share, class_id = score[matters], share[matters], class_id[matters]
            camera = camera[matters]
        self._stretch(xyxy, camera)
        return Seen(
            xyxy,
            kalman.to_centre(xyxy),
            score,
            class_id,
            share >= settings.high_score,
            share >= settings.start_score,
            camera,
            len(self._states),
        )

    def _stretch(self, xyxy: F64, camera: Index) -> None:
        """Note how far detections reach, camera by camera."""
        states = self._states
        starts = [0] if len(states) == 1 else [0, *changes(camera).tolist()]
        if len(camera):
            edges = np.minimum.reduceat(xyxy * _OUTWARD, starts, axis=1)
            for place, start in enumerate(starts):
                reach = states[camera[start]].reach
                np.minimum(reach, edges[:, place, None], out=reach)
        self._reach = np.concatenate([state.reach for state in states], axis=1)

    def _found(self, r: Index, d: Index, seen: Seen) -> None:
        """Update matched tracks by their detections."""
        rows = self._rows
        centre, score, class_id = seen.centre.take(d, axis=1), seen.score[d], seen.class_id[d]
        self._method.correct(rows, r, centre)
        rows.seen[:, r] = centre
        rows.score[r] = score
        rows.unseen[r] = rows.spared[r] = 0.0
        rows.frames[r] = 0
        rows.lost[r] = False
        _vote(rows, r, class_id)
        confirmed, camera = rows.id[r] > 0, rows.camera[r]
        if np.count_nonzero(confirmed) < len(r):
            # A track that is found has now been seen at least twice.
            new = ~confirmed & (self._now[camera] - rows.born[r] >= self._settings.confirm_s)
            for row, of in zip(r[new].tolist(), camera[new].tolist(), strict=True):
                rows.id[row] = self._states[of].next_id
                self._states[of].next_id += 1
            confirmed |= new
        rows.visible[r] = confirmed
        self._scores.learn(camera, class_id, score, confirmed)

    def _looked_for(self, index: Index, looked: Looked, camera: int) -> Index:
        """Leave out those tracks of a camera that the detector would not have found: they are not missed.

        They are predicted, and reported for as long as they were followed before. No track is spared for
        longer than `lost_s`, because nothing is known by then of where it is.
        """
        rows, state = self._rows, self._states[camera]
        since = state.now - state.run
        mine = (rows.camera[index] == camera).nonzero()[0]
        pos = rows.pos.take(index[mine], axis=1)
        fair = looked_for(pos, looked, state.reach[:2, 0], -state.reach[2:, 0])
        fair |= rows.spared[index[mine]] + since > self._settings.lost_s
        spared, pos = index[mine[~fair]], pos[:, ~fair]
        rows.spared[spared] += since
        rows.until[spared] += since
        followed = state.now - rows.born[spared] - rows.unseen[spared]
        rows.visible[spared] &= (rows.unseen[spared] <= followed) & self._inside(pos, rows.camera[spared])
        return np.delete(index, mine[~fair])

    def _miss(self, index: Index) -> None:
        """Report tracks without a detection as predicted, keep them unseen, or end them."""
        rows = self._rows
        newly = index[~rows.lost[index]]
        if len(newly):
            self._lose(newly)
        shown = index[rows.visible[index]]
        if len(shown):
            unseen, camera = rows.unseen[shown], rows.camera[shown]
            followed = self._now[camera] - rows.born[shown] - unseen
            near = unseen - rows.spared[shown] <= np.minimum(self._settings.predicted_s, _COASTING * followed)
            rows.visible[shown] = near & self._inside(rows.pos.take(shown, axis=1), camera)
        gone = index[rows.until[index] < self._now[rows.camera[index]]]
        if len(gone):
            for track_id, camera in zip(rows.id[gone].tolist(), rows.camera[gone].tolist(), strict=True):
                if track_id > 0:  # only confirmed tracks were ever reported
                    self._states[camera].ended.append(track_id)
            keep = np.ones(len(rows), np.bool_)
            keep[gone] = False
            self._rows = rows.only(keep.nonzero()[0])

    def _lose(self, newly: Index) -> None:
        """Decide how long to wait for tracks just lost, and stop those that stood still."""
        rows, settings, now = self._rows, self._settings, self._now[self._rows.camera[newly]]
        seen = rows.seen.take(newly, axis=1)
        still = np.abs(rows.past.take(newly, axis=2) - seen[:2]) < _STILL_RADIUS * seen[2:]
        stood = (
            still[0, 0]
            & still[0, 1]
            & still[1, 0]
            & still[1, 1]
            & (now - rows.born[newly] >= 2 * _SNAPSHOT_S)
        )
        rows.state[kalman.VEL, newly[stood]] = 0.0
        patience = np.where(stood, max(settings.stationary_lost_s, settings.lost_s), settings.lost_s)
        until = now - rows.unseen[newly] + patience + rows.spared[newly]
        rows.until[newly] = np.where(rows.id[newly] > 0, until, -np.inf)
        rows.lost[newly] = True

    def _inside(self, centre: Floats, camera: Index) -> Bool:
        """Which boxes lie almost entirely where objects have been detected; the others left the picture."""
        xyxy, reach = kalman.to_corners(centre), self._reach.take(camera, axis=1)
        sides = np.minimum(xyxy[2:], -reach[2:]) - np.maximum(xyxy[:2], reach[:2])
        np.maximum(sides, 0.0, out=sides)
        return np.asarray(sides[0] * sides[1] >= (1.0 - _OUTSIDE) * (centre[2] * centre[3]))

    def _begin(self, seen: Seen, births: Index) -> None:
        """Begin a track for each of these detections; they stand behind the others until the step ends."""
        if not len(births):
            return
        new, centre = Rows.zeros(len(births), self._method.extra), seen.centre.take(births, axis=1)
        new.state[:] = kalman.start(centre)
        new.seen[:] = centre
        new.past[:] = centre[:2]
        new.score[:], new.class_id[:] = seen.score[births], seen.class_id[births]
        new.camera[:] = seen.camera[births]
        new.born[:] = self._now[new.camera]
        self._rows = Rows.joined([self._rows.columns, new.columns])


def _vote(rows: Rows, index: Index, class_id: I32) -> None:
    """Change the class of tracks whose last few detections were all of another class."""
    differs = rows.class_id[index] != class_id
    if not np.count_nonzero(differs):
        rows.against[index] = 0
        return
    against = rows.against[index] = np.where(differs, rows.against[index] + 1, 0)
    change = against >= _MIN_AGAINST
    rows.class_id[index[change]] = class_id[change]
