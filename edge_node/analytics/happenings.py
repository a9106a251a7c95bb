"""What analytics reports to have happened, on its own clock; ids and wall time are the publisher's to add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.geometry import F64
from shared.wire.messages import EventType

TICK_S = 1e-6
"""Durations are compared to the microsecond, the wire's resolution: a sum of frame intervals that falls a
rounding error short of a limit has reached it."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Happening:
    """Something that happened once; what does not apply is None.

    Attributes:
        type: What happened.
        occurred_s: When, seconds on the clock of `Analytics.update`; may lie before the frame that showed it.
        track_id: Who.
        class_id: Its class; of a stay, the class it entered with.
        zone: Name of the zone or line.
        direction: Of a line crossing.
        dwell_s: Time in the zone until `occurred_s`, or the track's age.
        count: Occupancy that started or ended the queue or crowd.
        linked_track_id: The lost track that goes on under `track_id`.
        box: Where it was seen last, fractions of the frame, x1, y1, x2, y2.
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
