"""The metrics of the process, its stages and its machine."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client.core import Metric as Family

from edge_node.monitoring.families import Families, Now
from shared.wire.messages import GpuMetrics, Metrics

_MB = 1e6
_GPU_GAUGES = {
    "utilisation_ratio": (
        "utilisation_percent",
        0.01,
        "Share of the time during which the GPU was busy, 0..1",
    ),
    "memory_used_bytes": ("memory_used_mb", _MB, "Memory in use"),
    "memory_peak_bytes": ("memory_peak_mb", _MB, "Highest memory in use in a report since the start"),
    "memory_total_bytes": ("memory_total_mb", _MB, "Memory"),
    "own_memory_bytes": ("own_memory_mb", _MB, "Memory that the node itself uses"),
    "own_memory_peak_bytes": ("own_memory_peak_mb", _MB, "Highest memory of the node itself in a report"),
    "temperature_celsius": ("temperature_c", 1.0, "Temperature"),
    "power_watts": ("power_w", 1.0, "Power"),
}


def process(families: Families, now: Now) -> Iterator[Family]:
    """What runs, and whether it can say what it sees."""
    yield families.gauge(
        "darner_edge_info", "1; the labels say what runs", [(tuple(now.about.values()), 1)], *now.about
    )
    yield families.gauge(
        "darner_edge_broker_connected", "1 while the broker is connected", [((), now.connected)]
    )
    yield families.counter(
        "darner_edge_broker_connections", "Times that the broker was connected", [((), now.connections)]
    )
    yield families.counter("darner_edge_cpu_seconds", "Processor time", [((), time.process_time())])
    yield families.histogram(
        "darner_edge_stage_seconds", "How long a stage took, for each frame or message", now.stages, "stage"
    )


def reported(families: Families, message: Metrics) -> Iterator[Family]:
    """What the newest metrics message says of process, stages and machine."""
    yield families.gauge(
        "darner_edge_report_timestamp_seconds",
        "When the node made its last report, seconds since 1970; it makes one every 5 s",
        [((), message.published_us / 1e6)],
    )
    yield families.gauge("darner_edge_uptime_seconds", "Seconds since the start", [((), message.uptime_s)])
    yield families.gauge("darner_edge_memory_bytes", "Resident memory", [((), message.memory_mb * _MB)])
    yield from _stages(families, message)
    yield from _losses(families, message)
    yield from _gpus(families, message.gpus)
    yield families.gauge(
        "darner_edge_temperature_celsius",
        "Temperature, by the kernel's name of the sensor",
        (((sensor,), value) for sensor, value in message.temperatures_c.items()),
        "sensor",
    )
    yield families.gauge(
        "darner_edge_throttled",
        "1 while the machine is slowed down for this reason",
        (((reason,), 1) for reason in message.throttled),
        "reason",
    )


def _stages(families: Families, message: Metrics) -> Iterator[Family]:
    stages = message.stages.items()
    yield families.gauge(
        "darner_edge_stage_waiting",
        "Items that wait for the stage now",
        (((stage,), metrics.waiting) for stage, metrics in stages),
        "stage",
    )
    yield families.counter(
        "darner_edge_stage_dropped",
        "Items lost before the stage took them",
        (((stage,), metrics.dropped) for stage, metrics in stages),
        "stage",
    )
    yield families.counter(
        "darner_edge_batches",
        "Runs of the network, by the number of frames in a run",
        (((frames,), count) for frames, count in message.batches.items()),
        "frames",
    )


def _losses(families: Families, message: Metrics) -> Iterator[Family]:
    # An alert asks for the rise of what the broker refused: it must be seen at 0 first.
    lost = {"refused": 0, **message.publish_dropped}
    yield families.counter(
        "darner_edge_publish_dropped",
        "Messages not sent, by name of the topic; refused: the broker did not take them",
        (((topic,), count) for topic, count in lost.items()),
        "topic",
    )
    if (outbox := message.outbox) is not None:
        yield families.gauge(
            "darner_edge_outbox_events", "Events not known to be stored elsewhere", [((), outbox.backlog)]
        )
        yield families.gauge(
            "darner_edge_outbox_bytes",
            "Bytes of the events not known to be stored elsewhere",
            [((), outbox.bytes)],
        )
        yield families.gauge(
            "darner_edge_outbox_on_disk",
            "0 while events are only in memory, and lost when the process ends",
            [((), outbox.on_disk)],
        )
        yield families.counter("darner_edge_outbox_dropped", "Events given up", [((), outbox.dropped)])
    if (snapshots := message.snapshots) is not None:
        yield families.gauge(
            "darner_edge_snapshots_waiting", "Snapshots not acknowledged yet", [((), snapshots.waiting)]
        )
        yield families.counter(
            "darner_edge_snapshots_dropped",
            "Snapshots given up, by reason",
            (((reason,), count) for reason, count in snapshots.dropped.items()),
            "reason",
        )


def _gpus(families: Families, gpus: tuple[GpuMetrics, ...]) -> Iterator[Family]:
    for name, (field, unit, about) in _GPU_GAUGES.items():
        rows = (
            ((str(gpu.index),), value * unit)
            for gpu in gpus
            for value in [getattr(gpu, field)]
            if value is not None
        )
        yield families.gauge(f"darner_edge_gpu_{name}", about, rows, "gpu")
