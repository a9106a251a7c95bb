"""Times the stages of the pipeline, cheaply enough for every frame."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from shared.wire.messages import Quantiles

BOUNDS_S = (0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper bounds of a histogram's buckets, seconds: from a tracker's step to a stream that hangs."""


class Histogram:
    """How many durations were at most how long, since the start.

    Attributes:
        counts: Durations of each bucket of `BOUNDS_S`, and of those that are longer.
        total_s: Sum of all durations, seconds.
    """

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration; one thread at a time may do this."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.total_s += seconds


class Stopwatch:
    """Durations of named stages since the last report; only the newest are kept.

    Args:
        keep: Most durations of a stage.
        histograms: Whether to count all durations in histograms, too.

    Attributes:
        histograms: By stage; None: there are none.
    """

    def __init__(self, keep: int = 2000, *, histograms: bool = False) -> None:
        self._keep = keep
        self.histograms: dict[str, Histogram] | None = {} if histograms else None
        self._samples: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def add(self, stage: str, milliseconds: float) -> None:
        """Record one duration."""
        self.add_all({stage: milliseconds})

    def add_all(self, milliseconds: Mapping[str, float]) -> None:
        """Record one duration of each of several stages."""
        with self._lock:
            for stage, duration in milliseconds.items():
                samples = self._samples.get(stage)
                if samples is None:
                    samples = self._samples[stage] = deque(maxlen=self._keep)
                samples.append(duration)
            if self.histograms is not None:
                for stage, duration in milliseconds.items():
                    histogram = self.histograms.get(stage)
                    if histogram is None:
                        histogram = self.histograms[stage] = Histogram()
                    histogram.add(duration / 1e3)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Record how long the block takes."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, (time.perf_counter() - start) * 1e3)

    def report(self) -> dict[str, Quantiles]:
        """Quantiles of every stage that ran since the last report; the next report starts from here."""
        with self._lock:
            taken, self._samples = self._samples, {}
        result = {}
        for stage, samples in sorted(taken.items()):
            p50, p90, p95, p99 = np.percentile(samples, [50, 90, 95, 99]).round(3).tolist()
            result[stage] = Quantiles(count=len(samples), p50=p50, p90=p90, p95=p95, p99=p99)
        return result
