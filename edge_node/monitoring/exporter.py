"""Answers /metrics: what a running node knows, in Prometheus' text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from edge_node.monitoring.cameras import cameras, sights
from edge_node.monitoring.families import Families, Now, Seen
from edge_node.monitoring.machine import process, reported
from edge_node.monitoring.serving import Answer
from shared.wire.messages import Metrics

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Exporter(Collector):
    """Makes the text when somebody asks, at most once for each metrics message.

    So a scrape costs the pipeline little, however many ask.

    Args:
        node: The node's identifier.

    Attributes:
        look: Gives what is known now; None while the node's parts are being built. It must not wait.
    """

    def __init__(self, node: str) -> None:
        self._families = Families(node)
        self.look: Callable[[], Now] | None = None
        self._message: Metrics | None = None
        self._text: tuple[Metrics, bytes] | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def update(self, message: Metrics) -> None:
        """Show this message from now on; any thread may call it."""
        self._message = message

    def metrics(self) -> Answer:
        """All metrics; none before the node's parts are built."""
        message = self._message
        if message is None:
            return Answer(generate_latest(self._registry), content_type=TEXT)
        if self._text is None or self._text[0] is not message:
            self._text = message, generate_latest(self._registry)
        return Answer(self._text[1], content_type=TEXT)

    def collect(self) -> Iterator[Family]:
        """The metrics, family by family."""
        if self.look is None:
            return
        now, message = self.look(), self._message
        yield from process(self._families, now)
        yield from cameras(self._families, Seen(now, message))
        yield from sights(self._families, now)
        if message is not None:
            yield from reported(self._families, message)
