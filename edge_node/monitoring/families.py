"""Prometheus' metric families, all with the node's identifier: what the files beside this one fill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.core import Metric as Family

from edge_node.analytics.watch import Analysed
from edge_node.config.saved.definitions import Definitions
from edge_node.days.book import CameraDays
from edge_node.monitoring.meter import Meter
from shared.wire.messages import CameraProblem, CameraState, Metrics
from shared.wire.stopwatch import BOUNDS_S, Histogram

Rows = Iterable[tuple[Sequence[str], float]]
"""Label values, without the node's, and the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What is known of a running node beside its metrics message.

    Attributes:
        about: What the node is called and runs, by label: name, version, model, backend, device.
        connected: Whether the broker is connected.
        connections: How often it has been since the start.
        names: What people call each camera.
        definitions: Zones and lines of each camera.
        states: State of each camera; none before its first one.
        reconnects: How often each camera was lost.
        problems: What is wrong with the picture of each camera that is judged.
        newest: The newest analysed frame of each camera that has one.
        days: Counters of the day of each camera.
        stages: Durations of each stage.
        meter: What was counted on the frame path.
    """

    about: Mapping[str, str]
    connected: bool
    connections: int
    names: Mapping[str, str]
    definitions: Mapping[str, Definitions]
    states: Mapping[str, CameraState | None]
    reconnects: Mapping[str, int]
    problems: Mapping[str, Sequence[CameraProblem]]
    newest: Mapping[str, Analysed]
    days: Mapping[str, CameraDays]
    stages: Mapping[str, Histogram]
    meter: Meter


DECIMALS = 6
"""Of numbers: microseconds are enough, and sums of floats have more than they mean."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a scrape shows: what is known now, and the newest metrics message if there is one."""

    now: Now
    message: Metrics | None


class Families:
    """Makes metric families whose first label is the node's identifier.

    Args:
        node: The node's identifier.
    """

    def __init__(self, node: str) -> None:
        self._node = node

    def gauge(self, name: str, about: str, rows: Rows, *labels: str) -> Family:
        """Numbers that rise and fall."""
        family = GaugeMetricFamily(name, about, labels=["node", *labels])
        for values, number in rows:
            family.add_metric([self._node, *values], round(number, DECIMALS))
        return family

    def counter(self, name: str, about: str, rows: Rows, *labels: str) -> Family:
        """Numbers that only rise; Prometheus' text adds `_total` to the name."""
        family = CounterMetricFamily(name, about, labels=["node", *labels])
        for values, number in rows:
            family.add_metric([self._node, *values], round(number, DECIMALS))
        return family

    def histogram(self, name: str, about: str, rows: Mapping[str, Histogram], label: str) -> Family:
        """Durations by the buckets of `BOUNDS_S`."""
        family = HistogramMetricFamily(name, about, labels=["node", label])
        bounds = [*map(str, BOUNDS_S), "+Inf"]
        for value, histogram in rows.items():
            counts = accumulate(list(histogram.counts))
            buckets: list[tuple[str, float]] = list(zip(bounds, counts, strict=True))
            family.add_metric([self._node, value], buckets, round(histogram.total_s, DECIMALS))
        return family

    def summary(
        self, name: str, about: str, rows: Iterable[tuple[Sequence[str], int, float]], *labels: str
    ) -> Family:
        """Durations by their number and sum."""
        family = SummaryMetricFamily(name, about, labels=["node", *labels])
        for values, count, total in rows:
            family.add_metric([self._node, *values], count, round(total, DECIMALS))
        return family
