"""What tracks say about where the model is weak: hardly recognised objects, and objects that it misses.

To ask people about what a model is least sure of is uncertainty sampling (Lewis and Gale, "A Sequential
Algorithm for Training Text Classifiers", 1994). A detector's worst errors are objects that it is not unsure
of, because it does not see them at all; following objects shows those: who was there a moment ago and is
there a moment later was there in between.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_node.analytics.watch import Analysed
from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detections, Tracks
from edge_node.track.scores import TypicalScores
from shared.geometry import F32, Bool, iou

_OLD_S = 0.5  # how old a track is, seconds, before it says something
_EDGE = 0.03  # of the frame: who was last seen nearer to its edge has left
_AHEAD_S = 1.0  # for how long it would have gone on as it did, seconds
_IGNORED = 0.3  # least IoU with what masks and filters dropped: it is not missed


class Doubts:
    """Reads the tracks of one camera.

    Args:
        tracking: Where the tracker draws its lines.
    """

    def __init__(self, tracking: TrackerSettings) -> None:
        # Between these shares of the typical score a detection can continue a track and not begin one.
        self._low = (tracking.low_score + tracking.high_score) / 2
        self._sure = tracking.high_score
        self._typical = TypicalScores([np.zeros((2, 0))])

    def sure(self) -> F32:
        """By class id: the score from which on an object should be found in every look."""
        sums, counts = self._typical.parts()[0]
        return np.asarray(self._sure * sums / counts, np.float32)

    def hardly_seen(self, tracks: Tracks) -> bool:
        """Whether an object that has been followed for a while is hardly recognised now."""
        if not len(tracks):
            return False
        nowhere = np.zeros(len(tracks), np.intp)
        shares = self._typical.shares(nowhere, tracks.class_id, tracks.score.astype(np.float64))
        seen = ~tracks.predicted
        self._typical.learn(nowhere, tracks.class_id, tracks.score.astype(np.float64), seen)
        return bool((seen & (shares < self._low) & (tracks.age_s >= _OLD_S)).any())


def vanished(before: Tracks, item: Analysed) -> tuple[int, ...]:
    """The objects that were seen a moment ago, and are not seen now although they should be.

    Args:
        before: The tracks of a frame a moment ago.
        item: The frame now.
    """
    tracks, frame = item.tracks, item.frame
    was = ids_seen(before)
    gone = was.difference(ids_seen(tracks))
    if not gone:
        return ()
    rows = np.isin(before.track_id, list(gone)) & ~before.predicted & (before.age_s >= _OLD_S)
    rows &= _stays_inside(before, frame.width, frame.height)
    if item.dropped is not None and rows.any():
        rows &= ~_overlaps(before.xyxy, item.dropped)
    return tuple(before.track_id[rows].tolist())


def ids_seen(tracks: Tracks) -> set[int]:
    """The tracks that a detection of their frame supports."""
    return set(tracks.track_id[~tracks.predicted].tolist())


def _stays_inside(tracks: Tracks, width: int, height: int) -> Bool:
    """Which tracks are away from the frame's edges, and would still be so if they went on as they did."""
    size = np.array([width, height, width, height], np.float32)
    ahead = tracks.xyxy + np.tile(tracks.velocity * np.float32(_AHEAD_S), 2)
    return np.asarray(_inside(tracks.xyxy / size) & _inside(ahead / size))


def _inside(boxes: F32) -> Bool:
    return np.asarray((boxes[:, :2] > _EDGE).all(axis=1) & (boxes[:, 2:] < 1 - _EDGE).all(axis=1))


def _overlaps(boxes: F32, others: Detections) -> Bool:
    return np.asarray((iou(boxes, others.xyxy) >= _IGNORED).any(axis=1))


def came_back(ids: Sequence[int], tracks: Tracks) -> bool:
    """Whether one of these tracks is seen again."""
    return not ids_seen(tracks).isdisjoint(ids)


def ended(ids: Sequence[int], tracks: Tracks) -> bool:
    """Whether the tracker gave one of these tracks up."""
    return bool(len(tracks.ended)) and not set(tracks.ended.tolist()).isdisjoint(ids)
