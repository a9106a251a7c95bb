"""The metrics of cameras, and of what they see: classes and events, and through `places` zones and lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import get_args

from prometheus_client.core import Metric as Family

from edge_node.monitoring.families import Families, Now, Seen
from edge_node.monitoring.places import VISIBLE, line_families, zone_families
from shared.wire.messages import (
    CameraMetrics,
    CameraState,
    EventType,
    IgnoreReason,
    Problem,
)

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
_IGNORED = frozenset(get_args(IgnoreReason))
_HAPPENING = tuple(kind for kind in get_args(EventType) if kind != "gap")


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
    yield families.gauge(
        "darner_edge_camera_problem",
        "1 while this is wrong with the camera's picture; of cameras whose picture is judged",
        (
            ((camera, problem), float(problem in {one.problem for one in problems}))
            for camera, problems in now.problems.items()
            for problem in get_args(Problem)
        ),
        "camera",
        "problem",
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
    yield from zone_families(families, now, zones)
    yield from line_families(
        families, now, [(camera, numbers) for camera, numbers in places if numbers.kind == "line"]
    )


def _objects(now: Now) -> Iterator[tuple[tuple[str, str], float]]:
    for camera, one in now.newest.items():
        if now.states.get(camera) in VISIBLE:
            in_view = Counter(map(now.meter.class_name, one.tracks.class_id.tolist()))
            for label in now.meter.detections(camera).keys() | in_view.keys():
                yield (camera, label), in_view[label]
