"""`python -m tests.docs.document_metrics`: write docs/reference/metrics.md from what Prometheus is shown.

``--check`` only says whether the page is stale.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from shared.wire import topics
from tests.docs import written
from tests.edge_node.monitoring.seen import everything, exporter
from tests.viewer_server.wire import status
from viewer_server.live.hub import Hub
from viewer_server.live.metrics import ViewerMetrics
from viewer_server.live.state import State
from viewer_server.quotas import Quotas

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md"

_INTRO = """\
# Metrics
<!-- Written by `make docs` from edge_node/monitoring and viewer_server/live/metrics.py: change those. -->

What [Prometheus](../how-to/grafana.md) reads at `/metrics`. A metric whose name ends in `_total` only rises.
Durations are in seconds, sizes in bytes.

- A line or zone, each type of event, and what the broker refuses are counted from 0, so that the first one
  is a rise. A class appears when it is first seen.
- `darner_zone_occupancy`, `darner_objects` and the like are there only while their camera is `streaming` or
  `paused`: of a camera that is lost, nobody knows what it would see.
- `darner_edge_stage_seconds` has a stage for each step of a frame: `capture` (from the camera's time stamp
  until the frame is decoded and prepared), `wait` (until the network takes it), `preprocess`, `inference`,
  `decode` (the network's output), `track`, `analyse`, `message`, `thumbnail`, `send`, and
  `capture_to_publish` for the whole way.
- What is unknown is left out: GPUs, temperatures and throttling where the machine does not tell them.

"""
_HEAD = "| metric | type | labels | meaning |\n|---|---|---|---|\n"


def edge_text() -> str:
    """What a node shows that has everything."""
    return exporter(everything()).metrics().body.decode()


def viewer_text() -> str:
    """What a viewer shows."""
    quotas = Quotas()
    hub = Hub(State(topics.DEFAULT_PREFIX, quotas), 1, {})
    hub.handle(status())
    metrics = ViewerMetrics(hub)
    quotas.hit("n", "clock", 1)
    for counter in (metrics.received, metrics.refused, metrics.turned_away, metrics.cut):
        counter.labels("x").inc()
    metrics.alerts_sent.labels("mail", "delivered").inc()
    metrics.alerts_waiting.labels("mail").set(0)
    return metrics.text().decode()


def labels_of(text: str) -> dict[str, set[str]]:
    """The names of all series in a scrape, with their labels."""
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def page() -> str:
    """The whole page."""
    return f"{_INTRO}## Edge node\n\n{_table(edge_text())}\n## Viewer\n\n{_table(viewer_text())}"


def _table(text: str) -> str:
    rows = []
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        named = ", ".join(f"`{label}`" for label in sorted(labels))
        rows.append(f"| `{name}` | {family.type} | {named} | {family.documentation} |\n")
    return _HEAD + "".join(sorted(rows))


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the process's exit code."""
    return written.run("tests.docs.document_metrics", __doc__, PAGE, page, arguments)


if __name__ == "__main__":
    logging.disable()  # the viewer's warning about the limit that is hit to show it
    sys.exit(main())
