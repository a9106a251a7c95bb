"""The numbers of the metrics message about the process and its machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

from edge_node.machine import thermal
from edge_node.machine.nvml import Gpus
from shared.wire.messages import CameraMetrics, GpuMetrics, StageMetrics


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """What the pipeline has done.

    Attributes:
        cameras: By camera, since the previous reading.
        stages: By stage: how much waits before it, and how much was dropped there.
        batches: Runs of the network since the start, by number of frames.
    """

    cameras: dict[str, CameraMetrics]
    stages: dict[str, StageMetrics]
    batches: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """What the pipeline costs the machine; the attributes are named like the metrics message's fields."""

    cpu_percent: float
    memory_mb: float
    gpus: tuple[GpuMetrics, ...]
    temperatures_c: dict[str, float]
    throttled: tuple[str, ...]


class Monitor:
    """Reads the vitals of process and machine; `with` opens the GPUs' library.

    Args:
        root: The folder that holds /sys.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._gpus = Gpus()

    def __enter__(self) -> Monitor:
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first call only starts the measurement
        self._heat = thermal.read(self._root)
        self._gpus.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gpus.__exit__(kind, error, trace)

    def read(self) -> Vitals:
        """The vitals now; the CPU's use and over-current are those since the previous call."""
        before, self._heat = self._heat, thermal.read(self._root)
        gpus = self._gpus.read()
        hot = [f"gpu{gpu.index} {reason}" for gpu in gpus for reason in gpu.throttled]
        return Vitals(
            cpu_percent=self._process.cpu_percent(),
            memory_mb=round(self._process.memory_info().rss / 1e6, 1),
            gpus=gpus,
            temperatures_c=self._heat.temperatures_c,
            throttled=(*thermal.throttled(before, self._heat), *hot)[:64],
        )
