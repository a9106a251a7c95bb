"""What messages say, computed from analysed frames: pure functions, in the wire's units and digits."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_node.analytics.watch import Analysed
from shared.geometry import F32, Floats
from shared.wire import messages
from shared.wire.messages import DetectedObject, ZoneNumbers


def fractions(xyxy: F32, width: int, height: int) -> list[list[float]]:
    """Boxes ``(N, 4)`` in pixels to fractions of the picture, to five decimals: 0.02 pixels of 1080p."""
    size = np.array([width, height] * 2, np.float64)
    boxes: list[list[float]] = np.clip(xyxy / size, 0.0, 1.0).round(5).tolist()
    return boxes


def rounded(values: Floats, digits: int) -> list[Any]:
    """As Python numbers, rounded in double precision: a rounded single one is written with all its noise."""
    rounded: list[Any] = values.astype(np.float64).round(digits).tolist()
    return rounded


def _speed(metres_per_second: float) -> float | None:
    # Not a number: above the horizon of the calibrated ground, where JSON has no word for it either.
    return None if math.isnan(metres_per_second) else round(metres_per_second, 2)


def objects(item: Analysed, class_names: Sequence[str]) -> list[DetectedObject]:
    """A frame's tracks as a detections message lists them.

    Args:
        item: The analysed frame.
        class_names: By class id.
    """
    tracks, frame = item.tracks, item.frame
    size = np.array([frame.width, frame.height], np.float64)
    speeds = item.report.speed_m_s
    rows = zip(
        tracks.track_id.tolist(),
        tracks.class_id.tolist(),
        rounded(tracks.score, 4),
        fractions(tracks.xyxy, frame.width, frame.height),
        rounded(tracks.age_s, 3),
        rounded(tracks.velocity / size, 5),
        [None] * len(tracks) if speeds is None else map(_speed, speeds.tolist()),
        tracks.predicted.tolist(),
        item.report.zones_of,
        strict=True,
    )
    return [
        {
            "track_id": track_id,
            "class_id": class_id,
            "label": class_names[class_id],
            "score": score,
            "box": box,
            "age_s": age_s,
            "velocity": velocity,
            "speed_m_s": speed,
            "predicted": predicted,
            "zones": zones,
        }
        for track_id, class_id, score, box, age_s, velocity, speed, predicted, zones in rows
    ]


def short(value: Any) -> Any:
    """Numbers with the digits that mean something: fractions of the frame to five places, times to three."""
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, tuple):
        return tuple(map(short, value))
    if isinstance(value, dict):
        return {key: short(item) for key, item in value.items()}
    if isinstance(value, (messages.Dwell, messages.Queue)):
        return dataclasses.replace(value, **{k: round(v, 3) for k, v in vars(value).items()})
    return value


def only_time_passed(before: ZoneNumbers, after: ZoneNumbers) -> bool:
    """Whether nothing but durations differs."""
    return _timeless(before) == _timeless(after)


def _timeless(numbers: ZoneNumbers) -> ZoneNumbers:
    queue = numbers.queue and messages.Queue(length=numbers.queue.length)
    return dataclasses.replace(numbers, dwell=messages.Dwell(completed=numbers.dwell.completed), queue=queue)
