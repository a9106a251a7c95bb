"""What analytics reports: happenings on the clock of the frames. The publisher adds ids and wall time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.geometry import F64
from shared.wire.messages import EventType

TICK_S = 1e-6
"""Durations are compared to the microsecond, the wire's resolution. So a sum of frame intervals that is
a rounding error below a limit has reached it."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Happening:
    """Something that happened once. An attribute that does not apply is None.

    Attributes:
        type: What happened.
        occurred_s: When it happened, seconds on the clock of `Analytics.update`. This may be before the frame
            that made it certain.
        track_id: Track id of the object.
        class_id: Class of the object; for a stay, its class at entry.
        zone: Name of the zone or line.
        direction: Direction of a line crossing.
        dwell_s: Seconds in the zone until `occurred_s`, or age of a track that ended.
        count: Occupancy that started or ended the queue or crowd.
        linked_track_id: Id of the lost track that `track_id` continues.
        box: Where the object was last seen, fractions of the frame: x1, y1, x2, y2.
    """

    type: EventType
    occurred_s: float
    track_id: int | None = None
    class_id: int | None = None
    zone: str | None = None
    direction: Literal["in", "out"] | None = None
    dwell_s: float | None = None
    count: int | None = None
    linked_track_id: int | None = None
    box: Box | None = None


def wire_box(box: F64) -> Box:
    """A box ``(4,)`` in fractions of the frame, cut at the frame's edges."""
    x1, y1, x2, y2 = (min(max(side, 0.0), 1.0) for side in box.tolist())
    return x1, y1, x2, y2
