"""What measuring costs: microseconds a frame on the pipeline's threads, and of a report every 5 s.

Run it from the project's root: `python tests/bench/wire/metrics_cost.py`. The calls are those that the
pipeline makes: a duration for each step of a frame, two around messages, and the counters; then all of a
report. Then what `prometheus.port` adds: histograms, the meter, and the text of a scrape.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # the repository, when run as a script

from edge_node.machine.vitals import Monitor
from edge_node.monitoring.meter import Meter
from shared.channel import Channel
from shared.wire.messages import now_us
from shared.wire.stopwatch import Stopwatch
from tests.edge_node.monitoring.seen import MESSAGE, everything, exporter
from tests.edge_node.publish.analysed import analysed
from tests.edge_node.scenes import CLASSES

STEPS = ("preprocess", "inference", "decode", "track", "analyse")
FPS = 25
REPORT_S = 5.0


def median_us(work: Callable[[], object], times: int, rounds: int = 15) -> float:
    """Microseconds a call, the median of the rounds."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(times):
            work()
        found.append((time.perf_counter() - start) / times * 1e6)
    return statistics.median(found)


def main() -> int:
    """Measure and print."""
    counts = Counter[str]()
    timings = dict.fromkeys(STEPS, 1.234)
    stopwatch = Stopwatch()

    def frame() -> None:
        """One frame's measuring, as in detect, watch, publish and send."""
        clocks = [time.perf_counter() for _ in range(10)]
        for name, value in timings.items():
            stopwatch.add(name, value)
        stopwatch.add("message", (clocks[-1] - clocks[0]) * 1e3)
        with stopwatch.time("send"):
            stopwatch.add("capture_to_publish", now_us() / 1e3)
        counts["captured"] += 1
        counts["processed"] += 1
        counts["batches"] += 1

    def report() -> None:
        for _ in range(round(FPS * REPORT_S)):
            frame()
        stopwatch.report()

    channel: Channel[int] = Channel(2)
    channel.put(1)
    by_frame = median_us(frame, 2000)
    quantiles = median_us(report, 20) - by_frame * FPS * REPORT_S
    waiting = median_us(lambda: len(channel), 2000)
    with Monitor() as monitor:
        machine = median_us(monitor.read, 20)
    total = by_frame + (quantiles + 3 * waiting + machine) / (FPS * REPORT_S)
    print(f"durations and counters: {by_frame:.1f} us a frame")
    lengths = 3 * waiting
    print(f"a report: quantiles {quantiles:.0f} us, queue lengths {lengths:.1f} us, machine {machine:.0f} us")
    print(f"all together at {FPS} fps: {total:.1f} us a frame, {total * FPS / 1e4:.3f} % of one core")
    prometheus()
    return 0


def prometheus() -> None:
    """Measure and print what a node with Prometheus does more, old and new in turn."""
    timings = dict.fromkeys((*STEPS, "capture", "wait", "message", "send", "capture_to_publish"), 1.234)
    off, on, meter = Stopwatch(), Stopwatch(histograms=True), Meter(("street",), CLASSES)
    items = [analysed(objects=20)]

    def without() -> None:
        off.add_all(timings)

    def with_it() -> None:
        on.add_all(timings)
        meter.note(items)
        meter.sent("street", 0.03)

    before, after = zip(*[(_thread_us(without), _thread_us(with_it)) for _ in range(31)], strict=True)
    added = statistics.median(after) - statistics.median(before)
    print(f"prometheus.port adds {added:.1f} us a frame with 20 objects; without it, nothing is called")
    shown = exporter(everything())

    def scrape() -> None:
        shown.update(dataclasses.replace(MESSAGE))
        shown.metrics()

    print(f"a scrape's text: {median_us(scrape, 20) / 1e3:.1f} ms, at most once in {REPORT_S:.0f} s")


def _thread_us(work: Callable[[], object], times: int = 500) -> float:
    start = time.thread_time_ns()
    for _ in range(times):
        work()
    return (time.thread_time_ns() - start) / times / 1e3


if __name__ == "__main__":
    sys.exit(main())
