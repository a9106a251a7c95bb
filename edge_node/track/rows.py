"""Tracks and detections as arrays, in which each column is a track or a detection.

The last axis is the track: numpy is fastest along the last axis. The tracks of several cameras may stand
beside each other, in the order of the cameras, so that one call of numpy does what would else take one for
each camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge_node.frames import I32, I64, Detections, Looked
from edge_node.track import kalman
from shared.geometry import F64, Bool

Index = npt.NDArray[np.intp]

_NUMBERS = 24  # rows of `Rows.numbers` before those of `extra`


class Rows:
    """Tracks. They are the rows of an assignment, and detections are its columns.

    All that is known of them is in three arrays, one for each type, because to copy three costs little more
    than to copy one. The attributes are views into them.

    Args:
        numbers: f64 ``(24 + E, N)``.
        counts: i64 ``(5, N)``.
        marks: bool ``(2, N)``.
    """

    def __init__(self, numbers: F64, counts: I64, marks: Bool) -> None:
        self.columns = numbers, counts, marks
        self.state = numbers[:11]  # state of the Kalman filters, see kalman
        self.pos = numbers[kalman.POS]  # of it, filtered centre and sides
        self.seen = numbers[11:15]  # last matched box, centre and sides
        self.past = numbers[15:19].reshape(2, 2, -1)  # centres at the last snapshot and at the one before
        self.born = numbers[19]  # when the track was first seen, seconds
        self.until = numbers[20]  # when a lost track ends unless it is matched again, seconds
        self.unseen = numbers[21]  # seconds since the last match
        self.spared = numbers[22]  # of these, seconds in which the detector did not look for the track
        self.score = numbers[23]  # score of the last matched detection
        self.extra = numbers[_NUMBERS:]  # numbers that only one kind of tracker uses, (E, N), 0 at first
        self.id = counts[0]  # 0 until the track is confirmed
        self.class_id = counts[1]
        self.against = counts[2]  # number of detections in a row that were of another class
        self.frames = counts[3]  # number of updates since the last match
        self.camera = counts[4]  # place of the track's camera among those that are stepped together
        self.lost = marks[0]  # whether the detector ran and did not find the track
        self.visible = marks[1]  # whether the track is reported

    def __len__(self) -> int:
        return len(self.id)

    @classmethod
    def zeros(cls, count: int, extra: int) -> Rows:
        """Tracks of which nothing is known yet, with `extra` numbers beside the common ones."""
        return cls(
            np.zeros((_NUMBERS + extra, count)),
            np.zeros((5, count), np.int64),
            np.zeros((2, count), np.bool_),
        )

    def only(self, index: Index) -> Rows:
        """Copies of the tracks at `index`."""
        numbers, counts, marks = self.columns
        return Rows(numbers.take(index, axis=1), counts.take(index, axis=1), marks.take(index, axis=1))

    @classmethod
    def joined(cls, many: Sequence[Columns]) -> Rows:
        """The tracks of several parts, one after the other: copies, unless there is only one part."""
        if len(many) == 1:
            return cls(*many[0])
        numbers, counts, marks = zip(*many, strict=True)
        return cls(
            np.concatenate(numbers, axis=1), np.concatenate(counts, axis=1), np.concatenate(marks, axis=1)
        )


Columns = tuple[F64, I64, Bool]
"""The arrays of `Rows`."""


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a tracker is given of one frame.

    Attributes:
        detections: The frame's detections; None if the detector did not run: tracks are then predicted.
        dt: Seconds since the previous frame on the capture clock, 0 at the first.
        looked: Where the detector looked, and for how small objects; None: everywhere, for all. Tracks that
            it did not look for are predicted instead of missed.
    """

    detections: Detections | None
    dt: float
    looked: Looked | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The detections that score high enough to be matched."""

    xyxy: F64  # corners, (4, M)
    centre: F64  # centre and sides, (4, M)
    score: F64
    class_id: I32
    high: Bool  # whether the detection is matched in the first stage
    start: Bool  # whether the detection may begin a track
    camera: Index  # place of the detection's camera; they stand in its order
    cameras: int  # number of cameras


@dataclass(slots=True, eq=False)
class State:
    """What a tracker keeps of one camera from frame to frame.

    Times are seconds since the tracker began.
    """

    columns: Columns
    next_id: int = 1
    now: float = 0.0
    snapshot: float = 0.0  # when the places of tracks were last noted
    run: float = 0.0  # when the detector ran last
    scores: F64 = field(default_factory=lambda: np.zeros((2, 0)))  # see scores
    # Left and top, and right and bottom times -1, of all detections so far: the least of each, ``(4, 1)``.
    reach: F64 = field(default_factory=lambda: np.full((4, 1), np.inf))
    ended: list[int] = field(default_factory=list)  # ids that the next report names as ended
