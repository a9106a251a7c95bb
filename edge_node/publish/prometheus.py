"""The node's metrics message over HTTP, as Prometheus reads it; off unless a port is configured."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from types import TracebackType
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.errors import ConfigError
from shared.wire.messages import CameraMetrics, Metrics

_CAMERA_COUNTERS = {
    "captured": "Frames read",
    "processed": "Frames analysed",
    "dropped": "Frames replaced by a newer one before the detector took them",
    "thumbnails": "JPEGs published",
    "still": "Frames that skipped the network because nothing moved",
}
_IGNORED = "Detections that masks and filters dropped, by reason and name of the mask"
_LOOKS = "Parts of frames that went through the network, by what they were for; of cameras with tiles"
_GPU_GAUGES = {
    "utilisation_percent": "Percent of the time during which the GPU was busy",
    "memory_used_mb": "Megabytes of memory in use",
    "memory_peak_mb": "Most megabytes of memory in use since the node started, as the reports saw it",
    "memory_total_mb": "Megabytes of memory",
    "own_memory_mb": "Megabytes of memory that the node itself uses",
    "own_memory_peak_mb": "Most megabytes that the node itself used, as the reports saw it",
    "temperature_c": "Degrees Celsius",
    "power_w": "Watts",
}
_COLLECTED = {"pictures": "Pictures kept for labelling", "bytes": "Bytes of the pictures kept for labelling"}
_NOT_COLLECTED = "Frames that were worth labelling and are not kept, by reason"
_CAMERA_GAUGES = {"fps_in": "Frames read a second", "fps_out": "Frames analysed a second"}


class Exporter(Collector):
    """Answers `GET /metrics` with the newest metrics message; `with` opens the port.

    Args:
        host: Address to listen on.
        port: 0 takes a free one.

    Attributes:
        port: The port in use.

    Raises:
        ConfigError: On entering: the port cannot be opened.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self.port = host, port
        self._message: Metrics | None = None

    def __enter__(self) -> Exporter:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        try:
            self._server, self._thread = self._start(registry)
        except OSError as error:
            raise ConfigError(f"prometheus: {self._host}:{self.port}: {error.strerror}") from None
        self.port = self._server.server_port
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def update(self, message: Metrics) -> None:
        """Answer with this message from now on."""
        self._message = message

    def collect(self) -> Iterator[Metric]:
        """The newest message as Prometheus' metrics; nothing before the first message."""
        message = self._message
        if message is None:
            return
        yield GaugeMetricFamily(
            "darner_edge_uptime_seconds", "Seconds since the node started", message.uptime_s
        )
        yield GaugeMetricFamily(
            "darner_edge_cpu_percent", "Processor time, percent of one core", message.cpu_percent
        )
        yield GaugeMetricFamily("darner_edge_memory_bytes", "Resident memory", message.memory_mb * 1e6)
        yield from _cameras(message.cameras)
        yield from _stages(message)
        yield from _machine(message)
        dropped = CounterMetricFamily(
            "darner_edge_publish_dropped", "Messages not sent, by topic name", labels=["topic"]
        )
        for topic, count in message.publish_dropped.items():
            dropped.add_metric([topic], count)
        yield dropped
        if message.outbox is not None:
            outbox = message.outbox
            yield GaugeMetricFamily(
                "darner_edge_outbox_events", "Events not known to be stored elsewhere", outbox.backlog
            )
            yield GaugeMetricFamily(
                "darner_edge_outbox_bytes",
                "Bytes of the events not known to be stored elsewhere",
                outbox.bytes,
            )
            yield CounterMetricFamily("darner_edge_outbox_dropped", "Events given up", outbox.dropped)

    def _start(self, registry: CollectorRegistry) -> tuple[WSGIServer, Thread]:
        return start_http_server(self.port, self._host, registry)


def _cameras(cameras: dict[str, CameraMetrics]) -> Iterator[Metric]:
    for name, about in _CAMERA_COUNTERS.items():
        counter = CounterMetricFamily(f"darner_edge_camera_{name}", about, labels=["camera"])
        for camera, metrics in cameras.items():
            counter.add_metric([camera], getattr(metrics, name))
        yield counter
    ignored = CounterMetricFamily("darner_edge_camera_ignored", _IGNORED, labels=["camera", "reason", "mask"])
    for camera, metrics in cameras.items():
        for key, count in metrics.ignored.items():
            reason, _, mask = key.partition(":")
            if mask or reason != "mask":  # the count of all masks would count each of them twice
                ignored.add_metric([camera, reason, mask], count)
    yield ignored
    looks = CounterMetricFamily("darner_edge_camera_looks", _LOOKS, labels=["camera", "purpose"])
    for camera, metrics in cameras.items():
        for purpose, count in metrics.looks.items():
            looks.add_metric([camera, purpose], count)
    yield looks
    for name, about in _CAMERA_GAUGES.items():
        gauge = GaugeMetricFamily(f"darner_edge_camera_{name}", about, labels=["camera"])
        for camera, metrics in cameras.items():
            gauge.add_metric([camera], getattr(metrics, name))
        yield gauge
    kept = {camera: metrics.collected for camera, metrics in cameras.items() if metrics.collected}
    for name, about in _COLLECTED.items():
        gauge = GaugeMetricFamily(f"darner_edge_camera_collected_{name}", about, labels=["camera"])
        for camera, collected in kept.items():
            gauge.add_metric([camera], getattr(collected, name))
        yield gauge
    lost = CounterMetricFamily(
        "darner_edge_camera_not_collected", _NOT_COLLECTED, labels=["camera", "reason"]
    )
    for camera, collected in kept.items():
        for reason, count in collected.dropped.items():
            lost.add_metric([camera, reason], count)
    yield lost


def _stages(message: Metrics) -> Iterator[Metric]:
    """Quantiles since the last report: gauges, because the quantiles of a summary count from the start."""
    gauge = GaugeMetricFamily(
        "darner_edge_stage_milliseconds",
        "Milliseconds that the stage took, since the last report",
        labels=["stage", "quantile"],
    )
    for stage, quantiles in message.stages_ms.items():
        for name in ("p50", "p90", "p95", "p99"):
            gauge.add_metric([stage, f"0.{name[1:]}"], getattr(quantiles, name))
    yield gauge
    waiting = GaugeMetricFamily(
        "darner_edge_stage_waiting", "Items that wait for the stage now", labels=["stage"]
    )
    dropped = CounterMetricFamily(
        "darner_edge_stage_dropped", "Items lost before the stage took them", labels=["stage"]
    )
    for stage, metrics in message.stages.items():
        waiting.add_metric([stage], metrics.waiting)
        dropped.add_metric([stage], metrics.dropped)
    yield waiting
    yield dropped
    runs = CounterMetricFamily(
        "darner_edge_batches", "Runs of the network, by the number of frames in a run", labels=["frames"]
    )
    for frames, count in message.batches.items():
        runs.add_metric([frames], count)
    yield runs


def _machine(message: Metrics) -> Iterator[Metric]:
    """GPUs, temperatures, and the reasons that slow the machine down."""
    for name, about in _GPU_GAUGES.items():
        gauge = GaugeMetricFamily(f"darner_edge_gpu_{name}", about, labels=["gpu"])
        for gpu in message.gpus:
            if (value := getattr(gpu, name)) is not None:
                gauge.add_metric([str(gpu.index)], value)
        yield gauge
    temperatures = GaugeMetricFamily("darner_edge_temperature_c", "Degrees Celsius", labels=["zone"])
    for zone, value in message.temperatures_c.items():
        temperatures.add_metric([zone], value)
    yield temperatures
    throttled = GaugeMetricFamily(
        "darner_edge_throttled", "1 while the machine is slowed down for this reason", labels=["reason"]
    )
    for reason in message.throttled:
        throttled.add_metric([reason], 1)
    yield throttled
