"""What rules cost the thread that tracks: 30 rules on 8 crowded cameras.

    python tests/bench/pipeline/rules.py [--frames 900] [--rounds 5] [--objects 40]

Made-up people walk through four zones and over two lines on each camera, so that something happens in nearly
every frame. Tracker, analytics and publisher are the real ones, with an outbox on disk; the broker is away. A
node without rules and one with 30 rules, each about all cameras, take turns on the very same frames. The
share is the processor time that rules and their alerts take of all that the thread does with the frames; the
ratio of both nodes is shown beside it, and is mostly noise. Memory is what the engines hold at the end. Exit
code 1 when the share is above its target.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.analytics.watch import Watch, update_all
from edge_node.config.live import LiveStore
from edge_node.config.saved.definitions import DefinitionStore
from edge_node.config.settings import EdgeConfig
from edge_node.frames import Detected, Detections, Frame
from edge_node.outbox.outbox import Outbox
from edge_node.publish.compose import Composer
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from edge_node.rules.alerts import Alerts
from edge_node.rules.scenes import Scenes
from shared.mqtt.client import Client
from shared.settings import convert

CAMERAS, FPS = 8, 15.0
WIDTH, HEIGHT = 1280, 720
MOST_SHARE = 0.05
CLASSES = ("person", "car", "dog")


def box(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    """The corners of a zone."""
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


CAMERA = {
    "source": "rtsp://camera/stream",
    "zones": {
        "till": {"polygon": box(0.0, 0.3, 0.3, 0.9), "loitering_s": 5, "queue": True},
        "shelf": {"polygon": box(0.3, 0.3, 0.6, 0.9), "crowd": {"count": 8}},
        "door": {"polygon": box(0.6, 0.3, 0.9, 0.9), "presence": {}},
        "all": {"polygon": box(0.0, 0.0, 1.0, 1.0)},
    },
    "lines": {"in": {"points": [[0.5, 0.0], [0.5, 1.0]]}, "out": {"points": [[0.0, 0.6], [1.0, 0.6]]}},
}


def thirty() -> dict[str, Any]:
    """Rules of each kind, with the cool-downs that people set."""
    zones = ("till", "shelf", "door", "all")
    rules: dict[str, Any] = {}
    for number, zone in enumerate(zones * 2):
        rules[f"stay{number}"] = {"when": {"trigger": "stay", "zones": [zone], "for_s": 2 + number}}
        rules[f"level{number}"] = {
            "when": {"trigger": "occupancy", "zones": [zone], "at_least": 3 + number, "for_s": 1}
        }
        rules[f"enters{number}"] = {"when": {"trigger": "event", "events": ["zone_entered"], "zones": [zone]}}
    rules["count0"] = {
        "when": {"trigger": "count", "events": ["line_crossed"], "at_least": 50, "within_s": 60}
    }
    rules["count1"] = {
        "when": {"trigger": "count", "events": ["zone_entered"], "at_least": 200, "within_s": 600}
    }
    rules["first"] = {"when": {"trigger": "event", "events": ["line_crossed"]}, "first_of": "day"}
    rules["loiters"] = {"when": {"trigger": "event", "events": ["loitering", "crowd_started"]}}
    rules["empty"] = {"when": {"trigger": "occupancy", "at_most": 0, "for_s": 10}}
    rules["blind"] = {"when": {"trigger": "problem", "for_s": 5}}
    return {name: rule | {"cooldown_s": 60, "object_cooldown_s": 600} for name, rule in rules.items()}


def people(frames: int, objects: int) -> Iterator[list[Detected]]:
    """One frame of each camera at a time, in which people walk to and fro."""
    random = np.random.default_rng(1)
    picture = random.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    middle, reach = (
        random.uniform(0.2, 0.8, (2, CAMERAS, objects)),
        random.uniform(0.1, 0.5, (CAMERAS, objects)),
    )
    speed, phase = (
        random.uniform(0.1, 0.5, (2, CAMERAS, objects)),
        random.uniform(0, 6, (2, CAMERAS, objects)),
    )
    began_ns = time.time_ns()
    for number in range(frames):
        now_s, batch = number / FPS, []
        x = (middle[0] + reach * np.sin(speed[0] * now_s + phase[0])) * WIDTH
        y = (middle[1] + reach * np.sin(speed[1] * now_s + phase[1])) * HEIGHT
        for camera in range(CAMERAS):
            corners = np.stack([x[camera] - 20, y[camera] - 60, x[camera] + 20, y[camera] + 60], axis=1)
            found = Detections(
                corners.clip(0, [WIDTH, HEIGHT] * 2).astype(np.float32),
                np.full(objects, 0.9, np.float32),
                np.zeros(objects, np.int32),
            )
            passed_ns = round(now_s * 1e9)
            frame = Frame(f"c{camera}", number, began_ns + passed_ns, passed_ns, picture)
            batch.append(Detected(frame, found, {}))
        yield batch


class Node:
    """What the thread that tracks works with, and how long it took."""

    def __init__(self, folder: Path, rules: dict[str, Any]) -> None:
        self.config = config = convert(
            EdgeConfig,
            {
                "node": "bench",
                "zones_file": None,
                "mqtt": {"url": "mqtt://127.0.0.1:1"},
                "outbox": {"path": str(folder / f"outbox{len(rules)}.db")},
                "cameras": {f"c{number}": CAMERA for number in range(CAMERAS)},
                "rules": rules,
            },
            where="bench",
        )
        definitions = DefinitionStore(None, config.cameras)
        self.watches = {
            name: Watch(camera.analytics, definitions[name], config.tracker, CLASSES)
            for name, camera in config.cameras.items()
        }
        self.alerts = Alerts(config.rules, Scenes(config, definitions).of, config.cameras)
        client = Client(config.mqtt, name="bench")
        self.outbox = Outbox(client, config.outbox, config.node, config.mqtt.prefix, "s")
        composer = Composer(config.node, "s", CLASSES)
        self.publisher = Publisher(
            client,
            self.outbox,
            SnapshotSender(client),
            config,
            LiveStore(config),
            composer,
            alerts=self.alerts,
        )
        self.all_s = self.rules_s = 0.0
        self.events = self.made = 0
        alerting = self.publisher.alerting
        assert alerting is not None
        inner = alerting.frame

        def timed(item: Any, events: Any) -> Any:
            start = time.thread_time()
            made = inner(item, events)
            self.rules_s += time.thread_time() - start
            self.events += len(events)
            self.made += len(made)
            return made

        alerting.frame = timed  # type: ignore[method-assign]  # to look at it from outside

    def work(self, frames: int, objects: int) -> None:
        """Pass all frames."""
        with self.outbox:
            for batch in people(frames, objects):
                start = time.thread_time()
                self.publisher.publish_all(update_all(batch, self.watches))
                self.all_s += time.thread_time() - start


def memory(frames: int, objects: int) -> float:
    """Bytes that the engines of all cameras hold in the end, with everything that they refer to."""
    with tempfile.TemporaryDirectory() as folder:
        node = Node(Path(folder), thirty())
        node.work(frames, objects)
        seen: set[int] = set()
        return float(sum(_size(one, seen) for one in [node.alerts]))


def _size(value: Any, seen: set[int]) -> int:
    """Bytes of an object and of all that only data structures lead to."""
    if id(value) in seen or isinstance(value, type) or callable(value):
        return 0
    seen.add(id(value))
    inner: list[Any] = []
    if isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset)) or hasattr(value, "maxlen"):
        inner = list(value)
    if hasattr(value, "__dict__"):
        inner.append(vars(value))
    inner += [getattr(value, name) for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)]
    return sys.getsizeof(value) + sum(_size(one, seen) for one in inner)


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=900, help="of each camera")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--objects", type=int, default=40, help="on each camera")
    options = parser.parse_args()
    rows: dict[int, list[Node]] = {0: [], 30: []}
    for _ in range(options.rounds):
        for count, nodes in rows.items():
            with tempfile.TemporaryDirectory() as folder:
                node = Node(Path(folder), thirty() if count else {})
                node.work(options.frames, options.objects)
                nodes.append(node)
    per_frame = options.frames * CAMERAS / 1e3
    print(f"{CAMERAS} cameras, {options.objects} objects each, medians of {options.rounds} rounds\n")
    print("| rules | events/frame | alerts | all, ms a frame | rules, ms a frame | share |")
    print("|--:|--:|--:|--:|--:|--:|")
    for count, nodes in rows.items():
        share = median(one.rules_s / one.all_s for one in nodes)
        print(
            f"| {count} | {nodes[0].events / per_frame / 1e3:.2f} | {nodes[0].made} "
            f"| {median(one.all_s for one in nodes) / per_frame:.3f} "
            f"| {median(one.rules_s for one in nodes) / per_frame:.4f} | {share:.2%} |"
        )
    whole = [median(one.all_s for one in nodes) for nodes in rows.values()]
    print(f"\nwhole thread with 30 rules / without: {whole[1] / whole[0]:.3f}")
    print(f"memory of all engines: {memory(options.frames, options.objects) / 1e3:.0f} kB")
    if share > MOST_SHARE:
        print(f"missed: rules take {share:.2%}, and may take {MOST_SHARE:.0%}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
