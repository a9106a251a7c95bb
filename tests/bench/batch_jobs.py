"""Batch jobs on a CPU: one session with all cores against several with their share, in frames a second.

Run it from the project's root: `python tests/bench/batch_jobs.py VIDEO [FRAMES] [ROUNDS]`. The ways take
turns, and the median of the rounds counts. Reading, tracking and analytics are part of it, as they are in
`edge_node process`.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import threading
import time

from edge_node.capture import capture
from edge_node.config import CameraSettings, EdgeConfig
from edge_node.definitions import Definitions
from edge_node.detect import Detect
from edge_node.detector import Detector
from edge_node.detectors import at_once
from edge_node.hardware import usable_cores
from edge_node.live import Controls
from edge_node.parallel import ahead, looked
from edge_node.watch import Watch, watch


def fps(detectors: list[Detector], video: str, frames: int) -> float:
    """Frames a second of one pass."""
    cameras = {"c": CameraSettings(source=video, pace="fast")}
    config = EdgeConfig(cameras=cameras)
    detects = [Detect(detector, cameras, Controls(config), limit=1) for detector in detectors]
    watches = {
        "c": Watch(
            cameras["c"].analytics,
            Definitions(version=1, zones={}, lines={}),
            config.tracker,
            detectors[0].class_names,
        )
    }
    source = itertools.islice(capture("c", cameras["c"], threading.Event(), lambda *_: None), frames)
    start = time.perf_counter()
    count = sum(1 for _ in watch(detects[0].decode(looked(ahead(source, 4), detects)), watches))
    return count / (time.perf_counter() - start)


def main() -> int:
    """Measure and print."""
    video = sys.argv[1]
    frames, rounds = (int(word) for word in [*sys.argv[2:4], "150", "7"][:2])
    cores = usable_cores()
    ways = sorted({1, cores, 2 * cores})
    results: dict[int, list[float]] = {sessions: [] for sessions in ways}
    for _ in range(rounds):
        for sessions in ways:
            with at_once(EdgeConfig().model, sessions) as detectors:
                results[sessions].append(fps(detectors, video, frames))
    for sessions, found in results.items():
        threads = max(1, cores // sessions)
        print(
            f"{sessions} sessions of {threads} threads: {statistics.median(found):.1f} fps, {sorted(found)}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
