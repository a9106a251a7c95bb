from __future__ import annotations

import time

from shared.wire import topics
from tests.viewer_server.wire import status
from viewer_server.live.hub import Hub
from viewer_server.live.metrics import ViewerMetrics
from viewer_server.live.state import State


def test_the_viewer_says_which_nodes_are_online() -> None:
    hub = Hub(State(topics.DEFAULT_PREFIX), 1, {})
    metrics = ViewerMetrics(hub)
    for name, said in (("shop", "online"), ("yard", "online"), ("yard", "offline")):
        hub.handle(status(name, status=said))
    seen = metrics.registry.get_sample_value
    assert seen("darner_viewer_node_online", {"node": "shop"}) == 1
    assert seen("darner_viewer_node_online", {"node": "yard"}) == 0


def test_the_viewer_tells_of_itself_what_a_node_tells() -> None:
    before = time.process_time()
    seen = ViewerMetrics(Hub(State(topics.DEFAULT_PREFIX), 1, {})).registry.get_sample_value
    assert before <= (seen("darner_viewer_cpu_seconds_total") or 0) <= time.process_time()
    assert (seen("darner_viewer_memory_bytes") or 0) > 1e7
    assert 0 <= (seen("darner_viewer_uptime_seconds") or -1) < 10


def test_no_number_has_more_decimals_than_it_means() -> None:
    metrics = ViewerMetrics(Hub(State(topics.DEFAULT_PREFIX), 1, {}))
    numbers = [line.split()[-1] for line in metrics.text().decode().splitlines() if line[0] != "#"]
    assert numbers
    assert [one for one in numbers if len(one.partition(".")[2].partition("e")[0]) > 9] == []
