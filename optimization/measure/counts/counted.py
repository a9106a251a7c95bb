"""What the edge node counts, on detections or on tracks that are already there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edge_node.analytics.analyse import Analytics, Report
from edge_node.analytics.watch import Watch
from edge_node.config.camera_settings import AnalyticsSettings
from edge_node.config.saved.definitions import Definitions
from edge_node.config.settings import TrackerSettings
from edge_node.frames import Detected, Detections, Frame, Tracks
from optimization.measure.counts.shapes import Shapes
from optimization.measure.counts.truth import Counts
from optimization.measure.mot import Boxes
from shared.geometry import F64

_GIVE_UP_S = 1.0
"""A given track that does not come back for so long is reported as ended."""
_SMOOTHING_S = 0.3
"""Time over which the velocity of a given track is averaged."""


def frames_of(found: Sequence[Detections], frame_rate: float, size: tuple[int, int]) -> list[Detected]:
    """Frames without pictures, for detections that are already there.

    Args:
        found: Detections of each frame.
        frame_rate: Frames per second.
        size: Width and height of the frame, pixels.
    """
    blank = np.zeros((size[1], size[0], 3), np.uint8)
    times = [round(number / frame_rate * 1e9) for number in range(len(found))]
    return [
        Detected(Frame("counts", number, at, at, blank), detections, {})
        for number, (at, detections) in enumerate(zip(times, found, strict=True))
    ]


def by_watch(
    frames: Iterable[Detected], shapes: Shapes, tracking: TrackerSettings, class_names: Sequence[str]
) -> Counts:
    """Count as the node does from the detector on.

    Args:
        frames: Frames and their detections, of one camera.
        shapes: Lines and zones.
        tracking: Settings of the tracker.
        class_names: Names by class id.
    """
    definitions = Definitions(version=1, zones=shapes.zones, lines=shapes.lines)
    watch = Watch(AnalyticsSettings(), definitions, tracking, class_names)
    reports = [watch.update(frame).report for frame in frames]
    last = watch.finish()
    return _collected(reports, shapes, last.report if last is not None else None)


def by_tracks(
    frames: Sequence[Boxes], frame_rate: float, size: tuple[int, int], shapes: Shapes, class_name: str
) -> Counts:
    """Count as the node's analytics do, on tracks that something else made.

    Args:
        frames: Identities and boxes of each frame, pixels.
        frame_rate: Frames per second.
        size: Width and height of the frame, pixels.
        shapes: Lines and zones.
        class_name: Class of all tracks.
    """
    analytics = Analytics(shapes.zones, shapes.lines, (class_name,), AnalyticsSettings())
    given = _Given(frame_rate)
    reports = [analytics.update(given.tracks(boxes), n / frame_rate, *size) for n, boxes in enumerate(frames)]
    return _collected(reports, shapes, analytics.finish(reports[-1]))


def _collected(reports: Sequence[Report], shapes: Shapes, end: Report | None) -> Counts:
    last = (end or reports[-1]).numbers
    return Counts(
        {name: (last[name].entered, last[name].exited) for name in (*shapes.lines, *shapes.zones)},
        {
            name: np.array([report.numbers[name].occupancy for report in reports], np.int64)
            for name in shapes.zones
        },
    )


class _Given:
    """Makes of bare identities and boxes what a tracker of ours reports.

    Args:
        frame_rate: Frames per second.
    """

    def __init__(self, frame_rate: float) -> None:
        self._step_s = 1.0 / frame_rate
        self._now_s = 0.0
        self._born: dict[int, float] = {}
        self._last: dict[int, tuple[float, F64, F64]] = {}  # when, centre, velocity

    def tracks(self, frame: Boxes) -> Tracks:
        """The tracks of the next frame."""
        ids, boxes = frame[0].tolist(), np.asarray(frame[1], np.float64).reshape(-1, 4)
        now_s = self._now_s
        ended = [one for one, (at, _, _) in self._last.items() if now_s - at > _GIVE_UP_S and one not in ids]
        for one in ended:
            del self._last[one], self._born[one]
        velocity = [self._seen(one, box) for one, box in zip(ids, boxes, strict=True)]
        count = len(ids)
        self._now_s += self._step_s
        return Tracks(
            xyxy=boxes.astype(np.float32),
            score=np.full(count, 0.9, np.float32),
            class_id=np.zeros(count, np.int32),
            track_id=np.asarray(ids, np.int64),
            age_s=np.array([now_s - self._born[one] for one in ids], np.float32),
            velocity=np.array(velocity, np.float32).reshape(count, 2),
            predicted=np.zeros(count, np.bool_),
            ended=np.array(ended, np.int64),
        )

    def _seen(self, one: int, box: F64) -> F64:
        """The velocity of an object that is seen in this frame, pixels per second."""
        centre = (box[:2] + box[2:]) / 2
        self._born.setdefault(one, self._now_s)
        velocity = np.zeros(2)
        if one in self._last:
            at, before, velocity = self._last[one]
            gap_s = self._now_s - at
            weight = 1 - np.exp(-gap_s / _SMOOTHING_S)
            velocity = velocity + weight * ((centre - before) / gap_s - velocity)
        self._last[one] = (self._now_s, centre, velocity)
        return velocity
