"""The metrics of zones and lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric as Family

from edge_node.days.book import NO_DAYS
from edge_node.monitoring.families import Families, Now
from shared.wire.messages import CameraState, DayCounters, Flow, ZoneNumbers

_GAUGES = {
    "occupancy": "Objects in the zone now",
    "loitering": "Objects in the zone that have stayed longer than its limit",
    "crowded": "1 while the zone is crowded",
}
_COUNTS = {
    "entered": "Objects that entered the zone",
    "exited": "Objects that left the zone",
    "lost": "Stays that ended because the object was lost inside",
}
_OF_THE_DAY = {
    "entered": "Objects that entered the zone since the day began; a restart keeps it",
    "exited": "Objects that left the zone since the day began; a restart keeps it",
}
VISIBLE: frozenset[CameraState | None] = frozenset(("streaming", "paused"))
"""States of a camera in which it sees what is there."""


def zone_families(families: Families, now: Now, zones: list[tuple[str, ZoneNumbers]]) -> Iterator[Family]:
    """What stands in the zones, each with its camera, and what they have counted."""
    place = ("camera", "zone")
    yield families.gauge(
        "darner_zone_info",
        "1; `name` is what people call the zone",
        (
            ((camera, zone, definition.name or zone), 1)
            for camera, known in now.definitions.items()
            for zone, definition in known.zones.items()
        ),
        *place,
        "name",
    )
    visible = [(camera, numbers) for camera, numbers in zones if now.states.get(camera) in VISIBLE]
    for name, about in _GAUGES.items():
        rows = (((camera, numbers.zone), getattr(numbers, name)) for camera, numbers in visible)
        yield families.gauge(f"darner_zone_{name}", about, rows, *place)
    yield families.gauge(
        "darner_zone_present",
        "1 while somebody is present; of zones that ask for presence",
        (
            ((camera, numbers.zone), numbers.present)
            for camera, numbers in visible
            if numbers.present is not None
        ),
        *place,
    )
    yield families.gauge(
        "darner_zone_paused",
        "1 while the zone counts nothing: it is off schedule, or the picture cannot be trusted",
        (((camera, numbers.zone), numbers.paused is not None) for camera, numbers in zones),
        *place,
    )
    yield families.gauge(
        "darner_zone_queue_longest_wait_seconds",
        "The longest wait of those who wait now; of zones that are queues",
        (
            ((camera, numbers.zone), numbers.queue.wait_longest_s)
            for camera, numbers in visible
            if numbers.queue is not None
        ),
        *place,
    )
    for name, about in _COUNTS.items():
        rows = (((camera, numbers.zone), getattr(numbers, name)) for camera, numbers in zones)
        yield families.counter(f"darner_zone_{name}", about, rows, *place)
    for name, about in _OF_THE_DAY.items():
        rows = (
            ((camera, numbers.zone), getattr(day, name))
            for camera, numbers in zones
            if (day := _day(now, camera, numbers.zone)) is not None
        )
        yield families.gauge(f"darner_zone_day_{name}", about, rows, *place)
    yield families.counter(
        "darner_zone_entered_by_class",
        "Objects that entered the zone, by class; a class appears with its first object",
        (((camera, zone, label), flow.entered) for camera, zone, label, flow in _flows(zones)),
        *place,
        "class",
    )
    yield families.summary(
        "darner_zone_dwell_seconds",
        "Stays in the zone that ended",
        (
            ((camera, one.zone), one.dwell.completed, one.dwell.average_s * one.dwell.completed)
            for camera, one in zones
        ),
        *place,
    )


def line_families(families: Families, now: Now, lines: list[tuple[str, ZoneNumbers]]) -> Iterator[Family]:
    """What has crossed the lines, each with its camera."""
    yield families.gauge(
        "darner_line_info",
        "1; `name` is what people call the line",
        (
            ((camera, line, definition.name or line), 1)
            for camera, known in now.definitions.items()
            for line, definition in known.lines.items()
        ),
        "camera",
        "line",
        "name",
    )
    yield families.counter(
        "darner_line_crossed",
        "Objects that crossed the line, by direction",
        (
            ((camera, numbers.zone, direction), count)
            for camera, numbers in lines
            for direction, count in (("in", numbers.entered), ("out", numbers.exited))
        ),
        "camera",
        "line",
        "direction",
    )
    yield families.gauge(
        "darner_line_day_crossed",
        "Objects that crossed the line since the day began, by direction; a restart keeps it",
        (
            ((camera, numbers.zone, direction), count)
            for camera, numbers in lines
            if (day := _day(now, camera, numbers.zone)) is not None
            for direction, count in (("in", day.entered), ("out", day.exited))
        ),
        "camera",
        "line",
        "direction",
    )
    yield families.gauge(
        "darner_line_paused",
        "1 while the line counts nothing: it is off schedule, or the picture cannot be trusted",
        (((camera, numbers.zone), numbers.paused is not None) for camera, numbers in lines),
        "camera",
        "line",
    )
    yield families.counter(
        "darner_line_crossed_by_class",
        "Objects that crossed the line, by direction and class; a class appears with its first object",
        (
            ((camera, line, direction, label), count)
            for camera, line, label, flow in _flows(lines)
            for direction, count in (("in", flow.entered), ("out", flow.exited))
        ),
        "camera",
        "line",
        "direction",
        "class",
    )


def _day(now: Now, camera: str, place: str) -> DayCounters | None:
    return now.days.get(camera, NO_DAYS).of(place)


def _flows(places: Iterable[tuple[str, ZoneNumbers]]) -> Iterator[tuple[str, str, str, Flow]]:
    for camera, numbers in places:
        for label, flow in numbers.by_class.items():
            yield camera, numbers.zone, label, flow
