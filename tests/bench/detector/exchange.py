"""How long frames wait while another file of the model is loaded and takes its place.

`python -m tests.bench.detector.exchange` prints the time of one picture with the built-in model, alone and
while another thread loads and exchanges it, and what an exchange takes.
"""

from __future__ import annotations

import statistics
import threading
import time

import numpy as np

from edge_node.config.model_settings import ModelSettings
from edge_node.detect.detector import Detector

EXCHANGES = 5


def times(detector: Detector, done: threading.Event, least: int) -> list[float]:
    """Milliseconds of each picture until `done`, and at least so many."""
    picture = np.zeros((288, 512, 3), np.uint8)
    found: list[float] = []
    while not done.is_set() or len(found) < least:
        start = time.perf_counter()
        detector.detect(picture)
        found.append((time.perf_counter() - start) * 1e3)
    return found


def main() -> None:
    """Measure and print."""
    settings, done = ModelSettings(threads=1), threading.Event()
    took: list[float] = []

    def exchange() -> None:
        for _ in range(EXCHANGES):
            start = time.perf_counter()
            detector.take_over(Detector(settings).__enter__())
            took.append(time.perf_counter() - start)
        done.set()

    with Detector(settings) as detector:
        done.set()
        alone = times(detector, done, 100)
        done.clear()
        threading.Thread(target=exchange).start()
        meanwhile = times(detector, done, 1)
    for name, found in (("alone", alone), ("while it is exchanged", meanwhile)):
        spread = np.percentile(found, [50, 95, 100])
        print(
            f"{name}: {len(found)} pictures, ms: "
            + ", ".join(f"{one:.1f}" for one in spread)
            + " (p50, p95, max)"
        )
    print(f"an exchange: {statistics.median(took):.2f} s")


if __name__ == "__main__":
    main()
