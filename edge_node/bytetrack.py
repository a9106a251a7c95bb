"""ByteTrack: confident detections are matched first, doubtful ones then continue the tracks left over.

Source: Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022. Added
to it are thresholds relative to typical scores, heights in the similarity, a second chance for tracks that
fit nothing at first, and a guard against drift after frames without detections.
"""

from __future__ import annotations

import numpy as np

from edge_node import kalman
from edge_node.association import Index, Matching, overlapping, pair_iou, second_chance, similarity
from edge_node.frames import Detections, Tracks
from edge_node.kalman import Rows
from edge_node.track_table import TRACK, Seen, TrackTable
from edge_node.tracker import TrackerSettings
from shared.geometry import F64, Floats

_LEAST_HIGH = 0.15  # least similarity of a track and a confident detection
_LEAST_LOW = 0.5  # of a visible track and a doubtful detection
_LEAST_NEW = 0.3  # of a track not confirmed yet
_DRIFT_IOU = 0.5  # a prediction over several frames that overlaps less is replaced, not corrected


class ByteTrack:
    """The default tracker.

    Args:
        settings: How tracks begin and end.
    """

    def __init__(self, settings: TrackerSettings) -> None:
        self._table = TrackTable(settings, TRACK, associate, correct)

    def update(self, detections: Detections | None, dt: float) -> Tracks:
        """Advance by one frame; see `edge_node.tracker.Tracker.update`."""
        return self._table.update(detections, dt)

    def reset(self) -> None:
        """Start afresh; see `edge_node.tracker.Tracker.reset`."""
        self._table.reset()


def associate(rows: Rows, seen: Seen) -> tuple[Index, Index]:
    """ByteTrack's association; see `edge_node.track_table.Associate`."""
    predicted = kalman.to_corners(rows["pos"])
    i, j = overlapping(predicted, seen.xyxy)
    same_class = rows["class_id"][i] == seen.class_id[j]
    matching = staged(rows, seen, i, j, similarity(predicted[i], seen.xyxy[j], same_class))
    give_second_chance(matching, rows, seen)
    return matching.pairs()


def staged(rows: Rows, seen: Seen, i: Index, j: Index, similar: Floats) -> Matching:
    """ByteTrack's stages: all tracks and confident detections, visible ones and doubtful, new tracks.

    Args:
        rows: Predicted tracks ``(N,)``.
        seen: Detections.
        i: Tracks of the candidate pairs, ``(P,)``.
        j: Detections of the candidate pairs, ``(P,)``.
        similar: Similarity of the candidate pairs, ``(P,)``.

    Returns:
        The matches.
    """
    matching = Matching(len(rows), len(seen.score))
    confirmed = (rows["id"] > 0)[i]
    high = seen.high[j]
    first = high & confirmed
    matching.stage(i[first], j[first], similar[first] - _LEAST_HIGH)
    left = np.flatnonzero(matching.free_rows[i] & matching.free_columns[j] & ~first)
    if len(left):
        doubtful = left[~high[left] & rows["visible"][i[left]]]
        matching.stage(i[doubtful], j[doubtful], similar[doubtful] - _LEAST_LOW)
        new = left[high[left] & ~confirmed[left]]
        matching.stage(i[new], j[new], similar[new] - _LEAST_NEW)
    return matching


def give_second_chance(matching: Matching, rows: Rows, seen: Seen) -> None:
    """Match confirmed tracks with confident detections that are near but did not fit."""
    if not (matching.free_rows.any() and matching.free_columns.any()):
        return
    unseen = np.where(rows["id"] > 0, rows["unseen"], -1.0)
    second_chance(matching, rows["pos"], unseen, seen.centre, seen.high)


def correct(rows: Rows, centre: F64) -> None:
    """Filter matched tracks, but do not drag them; see `edge_node.track_table.Correct`."""
    gap = np.flatnonzero(rows["frames"] > 1)
    if len(gap):
        overlap = pair_iou(kalman.to_corners(rows["pos"][gap]), kalman.to_corners(centre[gap]))
    kalman.correct(rows, centre)
    if len(gap):
        drifted = gap[overlap < _DRIFT_IOU]
        rows["pos"][drifted] = centre[drifted]
