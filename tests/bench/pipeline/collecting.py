"""What collecting costs the thread that tracks: microseconds a frame without it, turned off, and turned on.

    python tests/bench/pipeline/collecting.py [--rounds 25]

Without it, the thread tracks, counts, and hands the frame's messages on, as in a node that has no connection.
All ways take turns on the same simulated scene of 25 frames a second, and each round counts the thread's own
time, so that a busy machine changes little. "due": limits of time that are as small as the settings allow.
"on": the settings' defaults. Then comes what the other thread takes for one kept picture of 1920x1080.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.analytics.watch import Analysed, Watch
from edge_node.collect.chooser import Candidate, Chooser
from edge_node.collect.collector import Collector
from edge_node.collect.keeper import Keeper, Source
from edge_node.collect.shelf import Shelf
from edge_node.config.camera_settings import AnalyticsSettings, CameraSettings
from edge_node.config.collecting import CollectSettings
from edge_node.config.live import LiveStore
from edge_node.config.saved.definitions import Definitions
from edge_node.config.settings import EdgeConfig, TrackerSettings
from edge_node.frames import Detected, Detections, Frame, Tracks
from edge_node.outbox.outbox import Outbox
from edge_node.pictures import U8
from edge_node.publish.compose import Composer
from edge_node.publish.publisher import Publisher
from edge_node.publish.snapshot_sender import SnapshotSender
from shared.collected import Seeing
from shared.mqtt.client import Client
from tests.bench.tracker.cost import scene

_COUNTS = (0, 5, 20, 100)
_PICTURES = 40
_SOURCE = Source("bench", "s", ("person",), lambda: Seeing(name="none"))
_NOTHING = Definitions(version=0, zones={}, lines={})


def frames(objects: int) -> list[Detected]:
    """A busy scene: one in twenty is missed in each frame, one in ten scores low."""
    image = np.zeros((1080, 1920, 3), np.uint8)
    made = []
    for seq, (boxes, scores) in enumerate(scene(objects, 1, busy=True)):
        found = Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(scores, np.float32),
            np.zeros(len(scores), np.int32),
        )
        made.append(Detected(Frame("a", seq, seq * 40_000_000, seq * 40_000_000, image), found, {}))
    return made


class Way:
    """One way to run the thread.

    Args:
        settings: What is collected; None: nothing is called.
    """

    def __init__(self, settings: CollectSettings | None) -> None:
        cameras = {"a": CameraSettings(source=0, collect=settings or CollectSettings())}
        config = EdgeConfig(node="bench", cameras=cameras)
        client = Client(config.mqtt, name="bench")
        outbox = Outbox(client, config.outbox, config.node, config.mqtt.prefix, "s")
        composer = Composer(config.node, "s", ("person",))
        self._publisher = Publisher(
            client, outbox, SnapshotSender(client), config, LiveStore(config), composer
        )
        self._collector = None if settings is None else Collector(config, _SOURCE)
        self._watch = Watch(AnalyticsSettings(), _NOTHING, TrackerSettings(), ("person",))

    def run(self, film: Sequence[Detected]) -> float:
        """Microseconds of the thread for a frame."""
        began = time.thread_time_ns()
        for detected in film:
            waiting = [detected]
            analysed = Watch.update_each([self._watch], waiting)
            self._publisher.publish_all(analysed)
            if self._collector is not None:
                self._collector.offer(waiting, analysed)
        return (time.thread_time_ns() - began) / len(film) / 1e3


def kept_ms(folder: Path) -> float:
    """Milliseconds of processor for one picture of noise that is kept."""
    settings = CollectSettings(enabled=True)
    keeper = Keeper("a", Chooser(settings, TrackerSettings()), Shelf(folder), _SOURCE, hourly=False)
    rng = np.random.default_rng(0)
    image: U8 = np.asarray(rng.normal(128, 20, (1080, 1920, 3)).clip(0, 255), np.uint8)
    watch = Watch(AnalyticsSettings(), _NOTHING, TrackerSettings(), ("person",))
    taken = []
    for seq in range(_PICTURES):
        frame = Frame("a", seq, seq * 1_000_000_000, 0, image)
        report = watch.update(Detected(frame, Detections.empty(), {})).report
        item = Analysed(frame, Tracks.empty(), report, float(seq), {})
        began = time.thread_time_ns()
        keeper.take(Candidate("keep", float(seq), item, ("flicker",)))
        taken.append((time.thread_time_ns() - began) / 1e6)
    return statistics.median(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    settings: dict[str, CollectSettings | None] = {
        "without": None,
        "off": CollectSettings(),
        "due": CollectSettings(enabled=True, interval_s=0.2),
        "on": CollectSettings(enabled=True),
    }
    print(f"{'objects':>8}{'without':>12}" + "".join(f"{name:>12}" for name in list(settings)[1:]))
    for count in _COUNTS:
        film = frames(count)
        times: dict[str, list[float]] = {name: [] for name in settings}
        for _ in range(rounds):
            for name, one in settings.items():
                times[name].append(Way(one).run(film))
        base, *others = (statistics.median(values) for values in times.values())
        more = "".join(f"{100 * (value / base - 1):>+11.1f}%" for value in others)
        print(f"{count:>8}{base:>9.1f} us{more}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print(f"one kept picture of 1920x1080: {kept_ms(Path(folder) / 'a'):.1f} ms of another thread")


if __name__ == "__main__":
    main()
