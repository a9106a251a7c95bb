"""Batch jobs on a CPU: one session with all cores against several with their share, in frames a second.

Run it from the project's root: `python tests/bench/detector/batch_jobs.py VIDEO [FRAMES] [ROUNDS]`.
The ways take turns, and the median of the rounds counts; so does that of each round's ratio to one session,
which hardly feels what else the machine does. Reading, tracking and analytics are part of it, as in
`edge_node process`.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import threading
import time
from contextlib import ExitStack

from edge_node.analytics.watch import Watch
from edge_node.batch.parallel import ahead, inferred
from edge_node.capture.camera import capture
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.live import LiveStore
from edge_node.config.saved.definitions import Definitions
from edge_node.config.settings import EdgeConfig
from edge_node.detect.detector import Detector
from edge_node.detect.devices import for_throughput
from edge_node.detect.stages import Detect
from edge_node.machine.hardware import usable_cores


def rate(detectors: list[Detector], video: str, frames: int) -> tuple[float, float]:
    """Frames per second and processor milliseconds per frame of one pass."""
    cameras = {"c": CameraSettings(source=video, pace="fast")}
    config = EdgeConfig(cameras=cameras)
    detects = [Detect(detector, cameras, LiveStore(config), limit=1) for detector in detectors]
    watches = {
        "c": Watch(
            cameras["c"].analytics,
            Definitions(version=1, zones={}, lines={}),
            config.tracker,
            detectors[0].class_names,
        )
    }
    source = itertools.islice(capture("c", cameras["c"], threading.Event(), lambda *_: None), frames)
    start, cpu = time.perf_counter(), time.process_time()
    count = 0
    for detected in detects[0].decode(inferred(ahead(source, 4), detects)):
        watches[detected.frame.camera].update(detected)
        count += 1
    return count / (time.perf_counter() - start), (time.process_time() - cpu) / count * 1e3


def main() -> int:
    """Measure and print."""
    video = sys.argv[1]
    frames, rounds = (int(word) for word in [*sys.argv[2:4], "60", "15"][:2])
    cores = usable_cores()
    found: dict[int, list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        ways = {
            n: stack.enter_context(for_throughput(EdgeConfig().model, n))
            for n in sorted({1, cores, 2 * cores})
        }
        for _ in range(rounds):
            for sessions, detectors in ways.items():
                found.setdefault(sessions, []).append(rate(detectors, video, frames))
    for sessions, results in found.items():
        fps, cpu_ms = (statistics.median(column) for column in zip(*results, strict=True))
        ratio = statistics.median(mine[0] / one[0] for mine, one in zip(results, found[1], strict=True))
        threads = max(1, cores // sessions)
        about = f"{fps:.1f} fps, {ratio:.2f} of one session, {cpu_ms:.1f} ms of processor time a frame"
        print(f"{sessions} sessions of {threads} threads: {about}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
