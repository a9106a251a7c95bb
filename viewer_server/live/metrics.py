"""The viewer's own Prometheus metrics; those of edge nodes are on the broker."""

from __future__ import annotations

import os
import time
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from viewer_server.live.hub import Hub


class ViewerMetrics(Collector):
    """The viewer's counters, on a registry of its own.

    Args:
        hub: Read when metrics are collected.

    Attributes:
        broker_connected: Set by the subscriber.
    """

    def __init__(self, hub: Hub) -> None:
        # Without a time for each counter, which nobody asks for. The library forgot this function's types.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._hub, self._started_s = hub, time.monotonic()
        self.broker_connected = False
        self.registry = CollectorRegistry(auto_describe=False)
        self.received = Counter(
            "darner_viewer_messages",
            "Messages from the broker, by topic name",
            ["topic"],
            registry=self.registry,
        )
        self.refused = Counter(
            "darner_viewer_messages_refused",
            "Messages that were skipped: they broke the contract or went over a cap",
            ["topic"],
            registry=self.registry,
        )
        self.repeated = Counter(
            "darner_viewer_events_repeated",
            "Events that came again and were stored already",
            registry=self.registry,
        )
        self.holes = Counter("darner_viewer_events_missing", "Events that never came", registry=self.registry)
        self.turned_away = Counter(
            "darner_viewer_browsers_turned_away",
            "Websockets refused, and requests of foreign pages",
            ["why"],
            registry=self.registry,
        )
        self.cut = Counter(
            "darner_viewer_connections_cut",
            "Connections and requests that gave way: too many, or too slow",
            ["why"],
            registry=self.registry,
        )
        self.alerts_sent = Counter(
            "darner_viewer_alert_messages",
            "Attempts to send alerts to a target: delivered, or failed",
            ["target", "result"],
            registry=self.registry,
        )
        self.alerts_waiting = Gauge(
            "darner_viewer_alerts_waiting",
            "Alerts that wait for a target",
            ["target"],
            registry=self.registry,
        )
        self.registry.register(self)

    def collect(self) -> list[Metric]:
        """The numbers that the hub has."""
        hub, census, counts = self._hub, self._hub.census(), self._hub.counts
        online = GaugeMetricFamily(
            "darner_viewer_node_online",
            "1 while the node says on the broker that it is online",
            labels=["node"],
        )
        for node, is_online in hub.online().items():
            online.add_metric([node], is_online)
        info = GaugeMetricFamily("darner_viewer_info", "1; the labels say what runs", labels=["version"])
        info.add_metric([version("darner")], 1)
        gauges = {
            "uptime_seconds": ("Seconds since the start", round(time.monotonic() - self._started_s, 6)),
            "broker_connected": ("Whether the broker is connected", self.broker_connected),
            "browsers": ("Live pages connected now", len(hub)),
            "nodes": ("Edge nodes known", census["nodes"]),
            "cameras": ("Cameras known", census["cameras"]),
            "cameras_watched": (
                "Cameras whose detections and pictures are received, because somebody looks at them",
                census["cameras"] if hub.listened is None else hub.listened,
            ),
            "all_watched": (
                "Whether a program looks at all cameras; the live page names those on the screen",
                hub.listened is None,
            ),
        }
        if (memory := _memory()) is not None:
            gauges["memory_bytes"] = "Resident memory", memory
        counters = {
            "cpu_seconds": ("Processor time", round(time.process_time(), 6)),
            "frames_joined": ("Pictures that found their boxes", census["joined"]),
            "frames_unmatched": ("Pictures whose boxes never came", census["unmatched"]),
            "pictures_not_joinable": (
                "Pictures that did not say which frame they show, as over MQTT 3.1.1",
                census["unnamed"],
            ),
            "frames_sent": ("Frames sent, to all browsers together", counts["sent"]),
            "frames_replaced": ("Frames a slow browser did not get: a newer one came", counts["replaced"]),
        }
        limits = CounterMetricFamily(
            "darner_viewer_limit_reached",
            "Things of a node that gave way at a limit, or were put right; no node: all nodes together",
            labels=["node", "limit"],
        )
        for one in hub.state.quotas.reached():
            limits.add_metric([one.node, one.limit], one.count)
        return [
            info,
            online,
            limits,
            *(GaugeMetricFamily(f"darner_viewer_{name}", *about) for name, about in gauges.items()),
            *(CounterMetricFamily(f"darner_viewer_{name}", *about) for name, about in counters.items()),
        ]

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


def _memory() -> int | None:
    """Bytes of resident memory; None where the system is not Linux."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
