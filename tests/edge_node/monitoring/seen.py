"""A running node with everything that metrics can show, as the exporter sees it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge_node.analytics.happenings import Happening
from edge_node.config.saved.definitions import Definitions
from edge_node.days.book import CameraDays
from edge_node.monitoring.exporter import Exporter
from edge_node.monitoring.families import Now
from edge_node.monitoring.meter import Meter
from shared.wire.messages import (
    CameraMetrics,
    CameraProblem,
    CollectMetrics,
    Dwell,
    Flow,
    GpuMetrics,
    LineDefinition,
    Metrics,
    OutboxMetrics,
    Quantiles,
    Queue,
    SnapshotMetrics,
    StageMetrics,
    ZoneDefinition,
    ZoneNumbers,
    now_us,
)
from shared.wire.stopwatch import Stopwatch
from tests.edge_node.outbox.outboxes import event
from tests.edge_node.publish.analysed import analysed
from tests.edge_node.scenes import CLASSES

MESSAGE = Metrics(
    node="n",
    session="s",
    published_us=1_700_000_000_000_000,
    uptime_s=12.5,
    cameras={
        "street": CameraMetrics(
            fps_in=25,
            fps_out=12.5,
            captured=100,
            processed=50,
            dropped=48,
            thumbnails=9,
            still=5,
            looks={"whole": 20, "track": 70},
            ignored={"mask": 7, "mask:tree": 4, "mask:pond": 3, "min_size": 2, "late": 6},
            collected=CollectMetrics(pictures=12, bytes=3_400, dropped={"busy": 2}),
        ),
        "back": CameraMetrics(fps_in=0, fps_out=0, captured=0, processed=0, dropped=0, thumbnails=0),
    },
    stages_ms={"inference": Quantiles(count=50, p50=3.0, p90=4.0, p95=5.0, p99=6.0)},
    cpu_percent=40.0,
    memory_mb=250.0,
    publish_dropped={"detections": 7},
    stages={"look": StageMetrics(waiting=2, dropped=48), "publish": StageMetrics(waiting=1, dropped=7)},
    batches={"1": 10, "4": 30},
    gpus=(
        GpuMetrics(
            index=1,
            name="Tesla T4",
            utilisation_percent=73.0,
            memory_used_mb=2000.0,
            memory_total_mb=16000.0,
            temperature_c=81,
            power_w=None,
            throttled=("power cap",),
            memory_peak_mb=3500.0,
            own_memory_mb=900.0,
            own_memory_peak_mb=2400.0,
        ),
        GpuMetrics(
            index=2,
            name="of few words",
            utilisation_percent=None,
            memory_used_mb=None,
            memory_total_mb=None,
            temperature_c=None,
            power_w=65.5,
            throttled=(),
        ),
    ),
    temperatures_c={"cpu-thermal": 61.25},
    throttled=("gpu1 power cap",),
    outbox=OutboxMetrics(backlog=3, bytes=1200, dropped=0, on_disk=True),
    snapshots=SnapshotMetrics(waiting=1, bytes=900, dropped={"no_room": 4}),
)

CORNERS = ((0.1, 0.1), (0.9, 0.1), (0.5, 0.9))
PLACES = Definitions(
    version=1,
    zones={"door": ZoneDefinition(polygon=CORNERS, name="Tür")},
    lines={"kerb": LineDefinition(points=CORNERS[:2])},
)
NUMBERS = {
    "door": ZoneNumbers(
        zone="door",
        kind="zone",
        occupancy=3,
        entered=10,
        exited=6,
        lost=1,
        by_class={CLASSES[0]: Flow(entered=10, exited=6)},
        dwell=Dwell(completed=4, average_s=2.5),
        queue=Queue(length=3, wait_longest_s=41.5),
        loitering=2,
        crowded=True,
        present=True,
    ),
    "kerb": ZoneNumbers(
        zone="kerb",
        kind="line",
        entered=8,
        exited=5,
        paused="schedule",
        by_class={CLASSES[0]: Flow(entered=7, exited=5), CLASSES[1]: Flow(entered=1, exited=0)},
    ),
}


def days() -> CameraDays:
    """Of the camera "street": one came in at the door, one crossed the line outwards."""
    counted = CameraDays("street", lambda _: 0)
    counted.define(PLACES, 0)
    came = replace(event(), type="zone_entered", zone="door")
    counted.count([came, replace(event(), type="line_crossed", zone="kerb", direction="out")], now_us())
    return counted


def everything(state: str = "streaming") -> Now:
    """What is known of a node whose camera "street" is in a state, and whose camera "back" had no frame."""
    frame = analysed(objects=2)
    frame.report.numbers.update(NUMBERS)
    frame.report.happenings.append(Happening(type="line_crossed", occurred_s=0.0))
    meter = Meter(("street", "back"), CLASSES)
    odd = replace(
        frame.tracks, class_id=np.array([1000, 0], np.int32), predicted=np.array([False, True], np.bool_)
    )
    meter.note([frame, replace(frame, tracks=odd, report=analysed().report)])
    meter.sent("street", 0.042)
    stopwatch = Stopwatch(histograms=True)
    stopwatch.add_all({"inference": 30.0, "track": 0.1})
    stopwatch.add("inference", 60_000.0)
    assert stopwatch.histograms is not None
    return Now(
        about={"name": "Laden", "version": "1", "model": "nanodet", "backend": "onnx", "device": "cpu"},
        connected=True,
        connections=2,
        names={"street": "Straße", "back": "back"},
        definitions={"street": PLACES, "back": Definitions(version=1, zones={}, lines={})},
        states={"street": state, "back": None},  # type: ignore[dict-item]  # a table of tests names states
        reconnects={"street": 3},
        problems={"street": [CameraProblem(problem="moved", since_us=now_us())]},
        newest={"street": frame},
        days={"street": days()},
        stages=stopwatch.histograms,
        meter=meter,
    )


def exporter(now: Now, message: Metrics | None = MESSAGE) -> Exporter:
    """What answers /metrics on that node."""
    made = Exporter("n")
    made.look = lambda: now
    if message is not None:
        made.update(message)
    return made
