"""ByteTrack: confident detections are matched first, then doubtful ones with the tracks that are left.

Source: Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022. This
version adds four things: thresholds relative to typical scores, heights in the similarity, a second chance
for tracks that fit nothing at first, and a guard against drift after frames without detections.
"""

from __future__ import annotations

import numpy as np

from edge_node.track import kalman
from edge_node.track.association import Matching, overlapping_within, pair_iou, second_chance, similarity
from edge_node.track.rows import Index, Rows, Seen
from edge_node.track.table import Method
from shared.geometry import F64, Floats

_LEAST_HIGH = 0.15  # least similarity of a confirmed track and a confident detection
_LEAST_LOW = 0.5  # least similarity of a visible track and a doubtful detection
_LEAST_NEW = 0.3  # least similarity of an unconfirmed track and a confident detection
_DRIFT_IOU = 0.5  # a box after several frames without detection that overlaps less is replaced


def associate(rows: Rows, seen: Seen) -> Matching:
    """ByteTrack's association; see `edge_node.track.table.Method`."""
    predicted = kalman.to_corners(rows.pos)
    i, j = overlapping_within(predicted, seen.xyxy, rows.camera, seen.camera, seen.cameras)
    same_class = rows.class_id[i] == seen.class_id[j]
    similar = similarity(predicted.take(i, axis=1), seen.xyxy.take(j, axis=1), same_class)
    matching = staged(rows, seen, i, j, similar)
    give_second_chance(matching, rows, seen)
    return matching


def staged(rows: Rows, seen: Seen, i: Index, j: Index, similar: Floats) -> Matching:
    """Match in ByteTrack's three stages.

    Confirmed tracks meet confident detections, then visible tracks meet doubtful detections, then unconfirmed
    tracks meet the confident detections that are left.

    Args:
        rows: Predicted tracks ``(N,)``.
        seen: Detections.
        i: Tracks of the candidate pairs, ``(P,)``.
        j: Detections of the candidate pairs, ``(P,)``.
        similar: Similarity of the candidate pairs, ``(P,)``.
    """
    matching = Matching(len(rows), len(seen.score), (rows.camera, seen.camera) if seen.cameras > 1 else None)
    confirmed, high = rows.id[i] > 0, seen.high[j]
    # A stage leaves out a pair by giving it no gain, which is cheaper than selecting the other pairs.
    matching.stage(i, j, (similar - _LEAST_HIGH) * (high & confirmed))
    if matching.complete:
        return matching
    left = ~(matching.taken_rows[i] | matching.taken_columns[j])
    if np.count_nonzero(left):
        for least, meet in (
            (_LEAST_LOW, left & ~high & rows.visible[i]),
            (_LEAST_NEW, left & high & ~confirmed),
        ):
            if np.count_nonzero(meet):
                matching.stage(i, j, (similar - least) * meet)
    return matching


def give_second_chance(matching: Matching, rows: Rows, seen: Seen) -> None:
    """Match confirmed tracks with confident detections that are near but did not overlap enough."""
    if matching.complete:
        return
    unseen = np.where(rows.id > 0, rows.unseen, -1.0)
    second_chance(matching, rows.pos, unseen, seen.centre, seen.high)


def correct(rows: Rows, matched: Index, centre: F64) -> None:
    """Correct matched tracks, and move those that drifted; see `edge_node.track.table.Method`."""
    state = rows.state.take(matched, axis=1)
    away = drifted(rows, matched, centre)
    kalman.correct(state, centre)
    if len(away):
        state[kalman.POS, away] = centre[:, away]
    rows.state[:, matched] = state


def drifted(rows: Rows, matched: Index, centre: F64) -> Index:
    """Which matched tracks are not where they were found, after several frames without a detection.

    Args:
        rows: All tracks.
        matched: Those that are matched, ``(K,)``.
        centre: Where they were found, centre and sides, ``(4, K)``.

    Returns:
        Places in `matched`.
    """
    gap: Index = (rows.frames[matched] > 1).nonzero()[0]
    if len(gap):
        there, found = rows.pos.take(matched[gap], axis=1), centre.take(gap, axis=1)
        gap = gap[pair_iou(kalman.to_corners(there), kalman.to_corners(found)) < _DRIFT_IOU]
    return gap


BYTETRACK = Method(associate, correct, extra=0)
"""The default tracker."""
