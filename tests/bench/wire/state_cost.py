"""What retained state costs: microseconds a frame, and of each turn of the main thread (ten a second).

Run it from the project's root: `python tests/bench/wire/state_cost.py`. On the frame's way, zones are
compared with what was published last. The main thread looks at counts and live settings.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.analytics.paused import NOTHING
from edge_node.config.live import LiveStore
from edge_node.config.settings import EdgeConfig
from edge_node.publish.compose import Composer
from edge_node.publish.state.node import NodeState
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.settings import convert
from shared.wire.messages import ZoneNumbers
from tests.edge_node.publish.analysed import analysed
from tests.edge_node.scenes import CLASSES

CAMERAS, ZONES, ROUNDS = 16, 8, 2000
TURN_S = 0.1


def main() -> int:
    """Measure and print."""
    names = [f"c{number}" for number in range(CAMERAS)]
    given = {"node": "box", "cameras": {name: {"source": "0"} for name in names}}
    config = convert(EdgeConfig, given, where="bench")
    live, now = LiveStore(config), [0.0]
    client = Client(MqttSettings(url="mqtt://127.0.0.1:9"), name="bench")  # it is never connected
    numbers = {f"z{index}": ZoneNumbers(zone=f"z{index}", kind="zone") for index in range(ZONES)}
    for objects in (0, 10, 50):
        state = NodeState(client, config, Composer("box", "s", CLASSES), lambda: now[0])
        one = analysed(objects)
        report = dataclasses.replace(one.report, numbers=numbers)
        items = {
            name: dataclasses.replace(one, frame=dataclasses.replace(one.frame, camera=name), report=report)
            for name in names
        }
        frames, turns = [], []
        for _ in range(ROUNDS):
            now[0] += TURN_S
            items = {name: dataclasses.replace(item) for name, item in items.items()}
            start = time.thread_time_ns()
            for item in items.values():
                state.analysed(item)
            between = time.thread_time_ns()
            state.attend(items.get, live, lambda _: NOTHING)
            frames.append((between - start) / CAMERAS / 1e3)
            turns.append((time.thread_time_ns() - between) / 1e3)
        share = statistics.mean(turns) / (TURN_S * 1e6)
        print(
            f"{objects:2} objects, {ZONES} zones: {statistics.median(frames):.2f} us a frame; "
            f"{CAMERAS} cameras: {statistics.median(turns):.0f} us a turn, {share:.3%} of a core"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
