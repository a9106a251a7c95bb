"""What an engine is about, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from shared.wire.messages import Alert, Event, RuleDefinition


class Timetable(Protocol):
    """When schedules are active, in microseconds since 1970 UTC. A schedule it does not know always is."""

    def active(self, schedule: str, at_us: int, mode: str | None) -> bool:
        """Whether a schedule is active."""

    def next_change(self, schedule: str, at_us: int, mode: str | None) -> int | None:
        """When that changes next; None: not within a year."""

    def schedule_start(self, schedule: str, at_us: int, mode: str | None) -> int | None:
        """When the span began in which it is active; None: it is not, or has always been."""

    def day_start(self, at_us: int) -> int:
        """When the counters of the day began."""

    def next_day_start(self, at_us: int) -> int:
        """When they begin anew."""

    def local_time(self, at_us: int) -> str:
        """The time of day on the node's wall clock, as HH:MM."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """What decides when a rule holds.

    Attributes:
        timetable: The node's calendar; None: no schedule is known, and a day begins at midnight UTC.
        mode: The mode that holds.
        mode_since_us: Since when.
    """

    timetable: Timetable | None = None
    mode: str | None = None
    mode_since_us: int = 0


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What an engine watches, and what people call it.

    Attributes:
        node: Identifier of the node.
        camera: Identifier of the camera; None: the engine is a viewer's, about the node itself.
        zones: Names of the camera's zones, by identifier; without a name, the identifier.
        lines: The same of its lines.
        node_name: Name of the node; None: its identifier.
        camera_name: Name of the camera; None: its identifier.
    """

    node: str
    camera: str | None = None
    zones: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, str] = field(default_factory=dict)
    node_name: str | None = None
    camera_name: str | None = None

    def place_name(self, place: str) -> str:
        """What people call a zone or line."""
        return self.zones.get(place) or self.lines.get(place) or place


OF_CAUSE = ("track_id", "class_id", "label", "direction", "box", "snapshot")
"""What an alert takes over from the event that caused it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Firing:
    """One alert.

    Attributes:
        rule: Identifier of the rule.
        definition: The rule.
        occurred_us: When its condition was met, microseconds since 1970 UTC.
        alert: What the alert says besides the fields of an event.
        cause: The event that caused it; of a stay, the one that began it; None: there is none. The fields
            named in `OF_CAUSE` are the event's.
        zone: Zone or line.
        dwell_s: Seconds of a stay so far, or those of the event.
        count: Objects in the zone, or events within the rule's time.
    """

    rule: str
    definition: RuleDefinition
    occurred_us: int
    alert: Alert
    cause: Event | None = None
    zone: str | None = None
    dwell_s: float | None = None
    count: int | None = None
    track_id: int | None = None
    class_id: int | None = None
    label: str | None = None
    direction: Literal["in", "out"] | None = None
    box: tuple[float, float, float, float] | None = None
    snapshot: str | None = None

    def fields(self) -> dict[str, Any]:
        """The alert's own fields of an `Event`, besides those that every message about a frame has."""
        own = {name: getattr(self, name) for name in (*OF_CAUSE, "occurred_us", "zone", "dwell_s", "count")}
        return own | {"type": "alert", "alert": self.alert}
