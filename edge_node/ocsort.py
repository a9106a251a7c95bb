"""OC-SORT: observation-centric tracking, which trusts what was seen over what a filter extrapolated.

Source: Cao et al., "Observation-Centric SORT: Rethinking SORT for Robust Multi-Object Tracking", CVPR 2023:
momentum in the association (3.3), re-update of the filter after an occlusion (3.2), recovery by the last
observation (3.4), with ByteTrack's stage for doubtful detections, as the paper recommends.
"""

from __future__ import annotations

import numpy as np

from edge_node import kalman
from edge_node.association import Index, Matching, overlapping, similarity
from edge_node.bytetrack import correct, give_second_chance, staged
from edge_node.frames import Detections, Tracks
from edge_node.kalman import FILTER, Rows
from edge_node.track_table import TRACK, Seen, TrackTable
from edge_node.tracker import TrackerSettings
from shared.geometry import F64, Floats

_OC_TRACK = np.dtype(
    [
        *((name, TRACK[name]) for name in TRACK.names or ()),
        ("before", np.float64, (2,)),  # centre of an earlier observation, which gives the direction
        ("since", np.float64),  # seconds from that one to the latest
        *((f"kept_{name}", FILTER[name]) for name in FILTER.names or ()),  # the filter at the last match
    ]
)
_DIRECTION_S = 0.2  # the least time between the two observations of a direction
_MOMENTUM = 0.2  # weight of direction in the similarity
_LEAST_RECOVERY = 0.3  # least overlap with a track's last observation
_MAX_STEPS = 16  # of the re-update; a longer gap is cut into this many


class OcSort:
    """Tracker for crowds that hide each other.

    Args:
        settings: How tracks begin and end.
    """

    def __init__(self, settings: TrackerSettings) -> None:
        self._table = TrackTable(settings, _OC_TRACK, _associate, _correct)

    def update(self, detections: Detections | None, dt: float) -> Tracks:
        """Advance by one frame; see `edge_node.tracker.Tracker.update`."""
        return self._table.update(detections, dt)

    def reset(self) -> None:
        """Start afresh; see `edge_node.tracker.Tracker.reset`."""
        self._table.reset()


def _associate(rows: Rows, seen: Seen) -> tuple[Index, Index]:
    predicted = kalman.to_corners(rows["pos"])
    i, j = overlapping(predicted, seen.xyxy)
    same_class = rows["class_id"][i] == seen.class_id[j]
    similar = similarity(predicted[i], seen.xyxy[j], same_class)
    similar += _MOMENTUM * seen.score[j] * _direction_fit(rows[i], seen.centre[j])
    matching = staged(rows, seen, i, j, similar)
    _recover(matching, rows, seen)
    give_second_chance(matching, rows, seen)
    return matching.pairs()


def _direction_fit(rows: Rows, centre: Floats) -> F64:
    """How well a detection continues a track's way, pair by pair: 0.5 straight on, -0.5 straight back."""
    past = rows["seen"][:, :2] - rows["before"]
    ahead = centre[:, :2] - rows["before"]
    lengths = np.sqrt((past * past).sum(axis=1) * (ahead * ahead).sum(axis=1))
    known = (rows["since"] > 0) & (lengths > 0)
    cosine = (past * ahead).sum(axis=1) / np.where(known, lengths, 1.0)
    return np.where(known, 0.5 - np.arccos(np.clip(cosine, -1.0, 1.0)) / np.pi, 0.0)


def _recover(matching: Matching, rows: Rows, seen: Seen) -> None:
    """Match what is left over by the place where each track was last seen: it may have stopped there."""
    tracks = np.flatnonzero(matching.free_rows & (rows["id"] > 0))
    columns = np.flatnonzero(matching.free_columns & seen.high)
    if not len(tracks) or not len(columns):
        return
    last, xyxy = kalman.to_corners(rows["seen"][tracks]), seen.xyxy[columns]
    i, j = overlapping(last, xyxy)
    same_class = rows["class_id"][tracks[i]] == seen.class_id[columns[j]]
    matching.stage(tracks[i], columns[j], similarity(last[i], xyxy[j], same_class) - _LEAST_RECOVERY)


def _correct(rows: Rows, centre: F64) -> None:
    hidden = np.flatnonzero(rows["lost"])
    correct(rows, centre)
    if len(hidden):
        rows[hidden] = _re_updated(rows[hidden], centre[hidden])
    _keep_direction(rows)
    for name in FILTER.names or ():
        rows[f"kept_{name}"] = rows[name]


def _re_updated(rows: Rows, centre: F64) -> Rows:
    """Filters run again over their gaps, as if objects had gone straight from where they vanished.

    Args:
        rows: Matched tracks that had been lost, ``(K,)``.
        centre: Where they were found, ``(K, 4)``.

    Returns:
        The tracks, whose filters ran from the state kept at the last match over virtual observations.
    """
    for name in FILTER.names or ():
        rows[name] = rows[f"kept_{name}"]
    steps = np.minimum(rows["frames"], _MAX_STEPS)
    dt = rows["unseen"] / steps
    for step in range(1, int(steps.max()) + 1):
        active = np.flatnonzero(step <= steps)
        part = rows[active]
        share = (step / steps[active])[:, None]
        kalman.predict(part, dt[active])
        kalman.correct(part, part["seen"] + share * (centre[active] - part["seen"]))
        rows[active] = part
    return rows


def _keep_direction(rows: Rows) -> None:
    """Move the earlier observation on to the last one, which is about to become the one before."""
    due = (rows["since"] == 0) | (rows["since"] >= _DIRECTION_S)
    rows["before"][due] = rows["seen"][due, :2]
    rows["since"] = np.where(due, 0.0, rows["since"]) + rows["unseen"]
