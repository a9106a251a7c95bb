"""The metrics of cameras, and of what they see: classes, zones, lines and events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import get_args

from prometheus_client.core import Metric as Family

from edge_node.monitoring.families import Families, Now, Seen
from shared.wire.messages import CameraMetrics, CameraState, EventType, Flow, IgnoreReason, ZoneNumbers

_COUNTERS = {
    "captured": "Frames read",
    "processed": "Frames analysed",
    "dropped": "Frames replaced by a newer one before the detector took them",
    "thumbnails": "JPEGs published",
    "thumbnails_unwatched": "JPEGs not made because nobody looked (thumbnail.on_demand)",
    "still": "Frames that skipped the network because nothing moved",
}
_RATES = {"fps_in": "Frames read a second", "fps_out": "Frames analysed a second"}
_COLLECTED = {"pictures": "Pictures kept for labelling", "bytes": "Bytes of the pictures kept for labelling"}
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
_IGNORED = frozenset(get_args(IgnoreReason))
_HAPPENING = tuple(kind for kind in get_args(EventType) if kind != "gap")
_VISIBLE: frozenset[CameraState | None] = frozenset(("streaming", "paused"))


def cameras(families: Families, seen: Seen) -> Iterator[Family]:
    """Throughput, losses and state of every camera."""
    now = seen.now
    yield families.gauge(
        "darner_edge_camera_info",
        "1; `name` is what people call the camera",
        (((camera, name), 1) for camera, name in now.names.items()),
        "camera",
        "name",
    )
    yield families.gauge(
        "darner_edge_camera_status",
        "1 for the state that the camera is in, 0 for the others",
        (
            ((camera, state), float(state == (current or "starting")))
            for camera, current in now.states.items()
            for state in get_args(CameraState)
        ),
        "camera",
        "status",
    )
    yield families.counter(
        "darner_edge_camera_reconnects",
        "Times that the camera was lost or could not be opened",
        (((camera,), now.reconnects.get(camera, 0)) for camera in now.states),
        "camera",
    )
    yield families.histogram(
        "darner_edge_latency_seconds",
        "From a frame's capture until its detections were sent",
        now.meter.latency,
        "camera",
    )
    if seen.message is not None:
        yield from _throughput(families, seen.message.cameras)
        yield from _collected(families, seen.message.cameras)


def _throughput(families: Families, known: dict[str, CameraMetrics]) -> Iterator[Family]:
    for name, about in _COUNTERS.items():
        rows = (((camera,), getattr(metrics, name)) for camera, metrics in known.items())
        yield families.counter(f"darner_edge_camera_{name}", about, rows, "camera")
    for name, about in _RATES.items():
        rows = (((camera,), getattr(metrics, name)) for camera, metrics in known.items())
        yield families.gauge(f"darner_edge_camera_{name}", about, rows, "camera")
    yield families.counter(
        "darner_edge_camera_looks",
        "Parts of frames that went through the network, by what they were for; of cameras with tiles",
        (
            ((camera, purpose), count)
            for camera, metrics in known.items()
            for purpose, count in metrics.looks.items()
        ),
        "camera",
        "purpose",
    )
    yield families.counter(
        "darner_edge_camera_ignored",
        "Detections that masks and filters dropped, by reason and mask",
        (
            ((camera, reason, mask), count)
            for camera, metrics in known.items()
            for key, count in metrics.ignored.items()
            for reason, _, mask in [key.partition(":")]
            if reason in _IGNORED and (mask or reason != "mask")  # "mask" alone is the sum over the masks
        ),
        "camera",
        "reason",
        "mask",
    )
    yield families.counter(
        "darner_edge_camera_left_out",
        "Objects and messages that were left out, by reason; of cameras that detect by themselves",
        (
            ((camera, reason), count)
            for camera, metrics in known.items()
            for reason, count in metrics.ignored.items()
            if reason.partition(":")[0] not in _IGNORED
        ),
        "camera",
        "reason",
    )


def _collected(families: Families, known: dict[str, CameraMetrics]) -> Iterator[Family]:
    kept = {camera: metrics.collected for camera, metrics in known.items() if metrics.collected}
    for name, about in _COLLECTED.items():
        rows = (((camera,), getattr(collected, name)) for camera, collected in kept.items())
        yield families.gauge(f"darner_edge_camera_collected_{name}", about, rows, "camera")
    yield families.counter(
        "darner_edge_camera_not_collected",
        "Frames worth labelling that were not kept, by reason",
        (
            ((camera, reason), count)
            for camera, collected in kept.items()
            for reason, count in collected.dropped.items()
        ),
        "camera",
        "reason",
    )


def sights(families: Families, now: Now) -> Iterator[Family]:
    """What the cameras see. What stands where is told only of cameras that see it now."""
    yield families.counter(
        "darner_detections",
        "Detections of objects: an object counts once for each analysed frame that shows it",
        (
            ((camera, label), count)
            for camera in now.states
            for label, count in now.meter.detections(camera).items()
        ),
        "camera",
        "class",
    )
    events = dict(now.meter.events)
    yield families.counter(
        "darner_events",
        "Events, by type",
        (((camera, kind), events.get((camera, kind), 0)) for camera in now.states for kind in _HAPPENING),
        "camera",
        "type",
    )
    yield families.gauge("darner_objects", "Objects in view now", _objects(now), "camera", "class")
    places = [
        (camera, numbers) for camera, one in now.newest.items() for numbers in one.report.numbers.values()
    ]
    zones = [(camera, numbers) for camera, numbers in places if numbers.kind == "zone"]
    yield from _zones(families, now, zones)
    yield from _lines(
        families, now, [(camera, numbers) for camera, numbers in places if numbers.kind == "line"]
    )


def _objects(now: Now) -> Iterator[tuple[tuple[str, str], float]]:
    for camera, one in now.newest.items():
        if now.states.get(camera) in _VISIBLE:
            in_view = Counter(map(now.meter.class_name, one.tracks.class_id.tolist()))
            for label in now.meter.detections(camera).keys() | in_view.keys():
                yield (camera, label), in_view[label]


def _zones(families: Families, now: Now, zones: list[tuple[str, ZoneNumbers]]) -> Iterator[Family]:
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
    visible = [(camera, numbers) for camera, numbers in zones if now.states.get(camera) in _VISIBLE]
    for name, about in _GAUGES.items():
        rows = (((camera, numbers.zone), getattr(numbers, name)) for camera, numbers in visible)
        yield families.gauge(f"darner_zone_{name}", about, rows, *place)
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


def _lines(families: Families, now: Now, lines: list[tuple[str, ZoneNumbers]]) -> Iterator[Family]:
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


def _flows(places: Iterable[tuple[str, ZoneNumbers]]) -> Iterator[tuple[str, str, str, Flow]]:
    for camera, numbers in places:
        for label, flow in numbers.by_class.items():
            yield camera, numbers.zone, label, flow
