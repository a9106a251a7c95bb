"""The metrics of zones and lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import Metric as Family

from edge_node.days.book import NO_DAYS
from edge_node.monitoring.families import Families, Now
from shared.wire.messages import CameraState, DayCounters, Flow, LineDefinition, ZoneDefinition, ZoneNumbers

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
_ZONE, _LINE = ("camera", "zone"), ("camera", "line")
VISIBLE: frozenset[CameraState | None] = frozenset(("streaming", "paused"))
"""States of a camera in which it sees what is there."""


def zone_families(families: Families, now: Now, zones: list[tuple[str, ZoneNumbers]]) -> Iterator[Family]:
    """What stands in the zones, each with its camera, and what they have counted."""
    yield _names(families, "zone", {camera: known.zones for camera, known in now.definitions.items()})
    yield _paused(families, "zone", zones)
    visible = [(camera, numbers) for camera, numbers in zones if now.states.get(camera) in VISIBLE]
    yield from _in_zones_now(families, visible)
    yield from _counted_in_zones(families, now, zones)


def _in_zones_now(families: Families, visible: list[tuple[str, ZoneNumbers]]) -> Iterator[Family]:
    """What stands in the zones that can be seen."""
    for name, about in _GAUGES.items():
        rows = (((camera, numbers.zone), getattr(numbers, name)) for camera, numbers in visible)
        yield families.gauge(f"darner_zone_{name}", about, rows, *_ZONE)
    yield families.gauge(
        "darner_zone_present",
        "1 while somebody is present; of zones that ask for presence",
        (
            ((camera, numbers.zone), numbers.present)
            for camera, numbers in visible
            if numbers.present is not None
        ),
        *_ZONE,
    )
    yield families.gauge(
        "darner_zone_queue_longest_wait_seconds",
        "The longest wait of those who wait now; of zones that are queues",
        (
            ((camera, numbers.zone), numbers.queue.wait_longest_s)
            for camera, numbers in visible
            if numbers.queue is not None
        ),
        *_ZONE,
    )


def _counted_in_zones(families: Families, now: Now, zones: list[tuple[str, ZoneNumbers]]) -> Iterator[Family]:
    """What the zones have counted."""
    for name, about in _COUNTS.items():
        rows = (((camera, numbers.zone), getattr(numbers, name)) for camera, numbers in zones)
        yield families.counter(f"darner_zone_{name}", about, rows, *_ZONE)
    for name, about in _OF_THE_DAY.items():
        rows = (
            ((camera, numbers.zone), getattr(day, name))
            for camera, numbers in zones
            if (day := _day(now, camera, numbers.zone)) is not None
        )
        yield families.gauge(f"darner_zone_day_{name}", about, rows, *_ZONE)
    yield families.counter(
        "darner_zone_entered_by_class",
        "Objects that entered the zone, by class; a class appears with its first object",
        (((camera, zone, label), flow.entered) for camera, zone, label, flow in _flows(zones)),
        *_ZONE,
        "class",
    )
    yield families.summary(
        "darner_zone_dwell_seconds",
        "Stays in the zone that ended",
        (
            ((camera, one.zone), one.dwell.completed, one.dwell.average_s * one.dwell.completed)
            for camera, one in zones
        ),
        *_ZONE,
    )


def line_families(families: Families, now: Now, lines: list[tuple[str, ZoneNumbers]]) -> Iterator[Family]:
    """What has crossed the lines, each with its camera."""
    yield _names(families, "line", {camera: known.lines for camera, known in now.definitions.items()})
    yield _paused(families, "line", lines)
    yield families.counter(
        "darner_line_crossed",
        "Objects that crossed the line, by direction",
        (
            ((camera, numbers.zone, direction), count)
            for camera, numbers in lines
            for direction, count in (("in", numbers.entered), ("out", numbers.exited))
        ),
        *_LINE,
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
        *_LINE,
        "direction",
    )
    yield families.counter(
        "darner_line_crossed_by_class",
        "Objects that crossed the line, by direction and class; a class appears with its first object",
        (
            ((camera, line, direction, label), count)
            for camera, line, label, flow in _flows(lines)
            for direction, count in (("in", flow.entered), ("out", flow.exited))
        ),
        *_LINE,
        "direction",
        "class",
    )


def _names(
    families: Families, kind: str, places: Mapping[str, Mapping[str, ZoneDefinition | LineDefinition]]
) -> Family:
    """What people call zones or lines.

    Args:
        families: Makes the family.
        kind: "zone" or "line".
        places: By camera and identifier.
    """
    return families.gauge(
        f"darner_{kind}_info",
        f"1; `name` is what people call the {kind}",
        (
            ((camera, place, definition.name or place), 1)
            for camera, known in places.items()
            for place, definition in known.items()
        ),
        "camera",
        kind,
        "name",
    )


def _paused(families: Families, kind: str, places: Iterable[tuple[str, ZoneNumbers]]) -> Family:
    """Which zones or lines pause."""
    return families.gauge(
        f"darner_{kind}_paused",
        f"1 while the {kind} counts nothing: it is off schedule, or the picture cannot be trusted",
        (((camera, numbers.zone), numbers.paused is not None) for camera, numbers in places),
        "camera",
        kind,
    )


def _day(now: Now, camera: str, place: str) -> DayCounters | None:
    return now.days.get(camera, NO_DAYS).of(place)


def _flows(places: Iterable[tuple[str, ZoneNumbers]]) -> Iterator[tuple[str, str, str, Flow]]:
    for camera, numbers in places:
        for label, flow in numbers.by_class.items():
            yield camera, numbers.zone, label, flow
