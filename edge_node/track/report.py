"""What a step of the tracks of several cameras gives each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edge_node.frames import Tracks
from edge_node.track import kalman
from edge_node.track.rows import Rows, State
from shared.geometry import F64


def parts(rows: Rows, states: Sequence[State]) -> Iterator[tuple[State, int, int]]:
    """Each camera, and where its tracks begin and end."""
    if len(states) == 1:
        return iter([(states[0], 0, len(rows))])
    bounds = rows.camera.searchsorted(np.arange(len(states) + 1)).tolist()
    return zip(states, bounds[:-1], bounds[1:], strict=True)


def report(rows: Rows, now: F64, states: Sequence[State]) -> list[Tracks]:
    """The visible tracks of each camera."""
    if np.count_nonzero(rows.visible) < len(rows):
        rows = rows.only(rows.visible.nonzero()[0])
    columns = (
        kalman.to_corners(rows.pos).T.astype(np.float32, order="C"),
        rows.score.astype(np.float32),
        rows.class_id.astype(np.int32),
        rows.id.copy(),
        (now[rows.camera] - rows.born).astype(np.float32),
        rows.state[kalman.VEL][:2].T.astype(np.float32, order="C"),
        rows.frames > 0,
    )
    reports = []
    for state, start, stop in parts(rows, states):
        ended, state.ended = np.array(state.ended, np.int64), []
        mine: Sequence[Any] = columns if len(states) == 1 else [column[start:stop] for column in columns]
        xyxy, score, class_id, track_id, age_s, velocity, predicted = mine
        reports.append(Tracks(xyxy, score, class_id, track_id, age_s, velocity, predicted, ended))
    return reports
