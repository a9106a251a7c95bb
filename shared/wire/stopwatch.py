"""Times the stages of the pipeline, cheaply enough for every frame."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from shared.wire.messages import Quantiles


class Stopwatch:
    """Durations of named stages since the last report; only the newest are kept.

    Args:
        keep: Most durations of a stage.
    """

    def __init__(self, keep: int = 2000) -> None:
        self._keep = keep
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
