"""OC-SORT: observation-centric tracking, which trusts observations more than a filter's predictions.

Source: Cao et al., "Observation-Centric SORT: Rethinking SORT for Robust Multi-Object Tracking", CVPR 2023:
momentum in the association (3.3), re-update of the filter after an occlusion (3.2), and recovery by the last
observation (3.4). As the paper recommends, ByteTrack's stage for doubtful detections is added.
"""

from __future__ import annotations

import numpy as np

from edge_node.track import bytetrack, kalman
from edge_node.track.association import Matching, overlapping_within, similarity
from edge_node.track.bytetrack import give_second_chance, staged
from edge_node.track.rows import Index, Rows, Seen
from edge_node.track.table import Method
from shared.geometry import F64, Floats

# Rows of `Rows.extra`: what OC-SORT keeps for each track beside the common columns.
BEFORE = slice(0, 2)  # centre of an earlier observation; with the latest one it gives the direction
SINCE = 2  # seconds from the earlier observation to the latest
KEPT = slice(3, 14)  # the filter's state at the last match
EXTRA = 14  # number of these rows

_DIRECTION_S = 0.2  # least time between the two observations of a direction
_MOMENTUM = 0.2  # weight of the direction in the similarity
_LEAST_RECOVERY = 0.3  # least similarity to a track's last observation
_MAX_STEPS = 16  # most steps of a re-update


def associate(rows: Rows, seen: Seen) -> Matching:
    """OC-SORT's association; see `edge_node.track.table.Method`."""
    predicted = kalman.to_corners(rows.pos)
    i, j = overlapping_within(predicted, seen.xyxy, rows.camera, seen.camera, seen.cameras)
    same_class = rows.class_id[i] == seen.class_id[j]
    similar = similarity(predicted.take(i, axis=1), seen.xyxy.take(j, axis=1), same_class)
    similar += _MOMENTUM * seen.score[j] * direction_fit(rows, i, seen.centre[:2].take(j, axis=1))
    matching = staged(rows, seen, i, j, similar)
    recover(matching, rows, seen)
    give_second_chance(matching, rows, seen)
    return matching


def direction_fit(rows: Rows, i: Index, centre: Floats) -> F64:
    """How well detections continue the direction of tracks `i`: 0.5 straight on, -0.5 straight back."""
    before = rows.extra[BEFORE]
    past, ahead = (rows.seen[:2] - before).take(i, axis=1), centre - before.take(i, axis=1)
    lengths = np.sqrt((past * past).sum(axis=0) * (ahead * ahead).sum(axis=0))
    known = (rows.extra[SINCE][i] > 0) & (lengths > 0)
    cosine = (past * ahead).sum(axis=0) / np.where(known, lengths, 1.0)
    angle = np.arccos(np.minimum(np.maximum(cosine, -1.0), 1.0))
    return np.where(known, 0.5 - angle / np.pi, 0.0)


def recover(matching: Matching, rows: Rows, seen: Seen) -> None:
    """Match the remaining tracks by where each was last seen, because an object may have stopped there."""
    if matching.complete:
        return
    tracks = (~matching.taken_rows & (rows.id > 0)).nonzero()[0]
    columns = (~matching.taken_columns & seen.high).nonzero()[0]
    if not len(tracks) or not len(columns):
        return
    last, xyxy = kalman.to_corners(rows.seen.take(tracks, axis=1)), seen.xyxy.take(columns, axis=1)
    i, j = overlapping_within(last, xyxy, rows.camera[tracks], seen.camera[columns], seen.cameras)
    r, c = tracks[i], columns[j]
    similar = similarity(last.take(i, axis=1), xyxy.take(j, axis=1), rows.class_id[r] == seen.class_id[c])
    matching.stage(r, c, similar - _LEAST_RECOVERY)


def correct(rows: Rows, matched: Index, centre: F64) -> None:
    """Correct matched tracks, also for the time they were lost; see `edge_node.track.table.Method`.

    ByteTrack's guard against drift holds here as well: for tracks that were not lost in `bytetrack.correct`,
    and for the others after the re-update, which overwrites what that function did.
    """
    hidden = rows.lost[matched].nonzero()[0]
    bytetrack.correct(rows, matched, centre)
    if len(hidden):
        lost, found = matched[hidden], centre.take(hidden, axis=1)
        re_update(rows, lost, found)
        # After a short gap, a few virtual observations do not stop a fast filter whose object has stopped.
        away = bytetrack.drifted(rows, lost, found)
        if len(away):
            rows.state[kalman.POS, lost[away]] = found[:, away]
    keep_direction(rows, matched)
    rows.extra[KEPT, matched] = rows.state.take(matched, axis=1)


def re_update(rows: Rows, found: Index, centre: F64) -> None:
    """Run filters again over the time they were lost, as if their objects had moved in a straight line.

    Each filter starts from its state at the last match, and virtual observations on the line correct it.

    Args:
        rows: All tracks.
        found: Tracks that were lost and are matched again, ``(K,)``.
        centre: Where they were found, centre and sides, ``(4, K)``.
    """
    state, seen = rows.extra[KEPT].take(found, axis=1), rows.seen.take(found, axis=1)
    way = centre - seen
    steps = np.minimum(rows.frames[found], _MAX_STEPS)
    dt = rows.unseen[found] / steps
    for step in range(1, int(steps.max()) + 1):
        active = (step <= steps).nonzero()[0]
        part = state.take(active, axis=1)
        kalman.predict(part, dt[active])
        kalman.correct(part, (seen + step / steps * way).take(active, axis=1))
        state[:, active] = part
    rows.state[:, found] = state


def keep_direction(rows: Rows, matched: Index) -> None:
    """Make the last observation the earlier one, once the direction spans enough time."""
    since = rows.extra[SINCE][matched]
    due = (since == 0) | (since >= _DIRECTION_S)
    moved = matched[due]
    rows.extra[BEFORE, moved] = rows.seen[:2].take(moved, axis=1)
    rows.extra[SINCE, matched] = np.where(due, 0.0, since) + rows.unseen[matched]


OCSORT = Method(associate, correct, extra=EXTRA)
"""A tracker for crowds in which people hide each other."""
