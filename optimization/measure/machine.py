"""The load that a measurement puts on processor, memory and GPU, and a description of the machine."""

from __future__ import annotations

import contextlib
import platform
import threading
import time
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import psutil

from edge_node.machine.hardware import usable_cores

_INTERVAL_S = 0.1


class Load:
    """Measures the load of this process while a `with` block runs.

    Attributes:
        found: Filled after the block: "cpu_percent" (100 is one core) and "rss_mb" (the peak). With an NVIDIA
            GPU also "gpu_percent" (the mean) and "gpu_mb" (the peak of the whole GPU).
    """

    def __init__(self) -> None:
        self.found: dict[str, float] = {}
        self._process = psutil.Process()
        self._done = threading.Event()
        self._rss: list[int] = []
        self._gpu: list[tuple[float, float]] = []

    def __enter__(self) -> Load:
        self._thread = threading.Thread(target=self._watch, name="load", daemon=True)
        self._start, self._busy = time.monotonic(), time.process_time()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wall = time.monotonic() - self._start
        self.found["cpu_percent"] = round(100 * (time.process_time() - self._busy) / max(wall, 1e-9), 1)
        self._done.set()
        self._thread.join()
        self.found["rss_mb"] = round(max(self._rss) / 1e6, 1)
        if self._gpu:
            self.found["gpu_percent"] = round(float(np.mean([used for used, _ in self._gpu])), 1)
            self.found["gpu_mb"] = round(max(memory for _, memory in self._gpu), 1)

    def _watch(self) -> None:
        with contextlib.ExitStack() as stack:
            gpu = _gpu(stack)
            while True:
                self._rss.append(self._process.memory_info().rss)
                if gpu is not None:
                    nvml, handle = gpu
                    used = nvml.nvmlDeviceGetUtilizationRates(handle).gpu
                    self._gpu.append((float(used), nvml.nvmlDeviceGetMemoryInfo(handle).used / 1e6))
                if self._done.wait(_INTERVAL_S):
                    return


def _gpu(stack: contextlib.ExitStack) -> tuple[Any, Any] | None:
    """NVML and the first GPU; None without the package, a driver or a GPU."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        stack.callback(pynvml.nvmlShutdown)
        return pynvml, pynvml.nvmlDeviceGetHandleByIndex(0)
    except pynvml.NVMLError:
        return None


def describe() -> dict[str, Any]:
    """Processor, cores, versions and GPU, which readers of a measurement need to know."""
    found: dict[str, Any] = {
        "cpu": _cpu_name(),
        "cores": usable_cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "onnxruntime": ort.__version__,
        "opencv": cv2.__version__,
    }
    with contextlib.ExitStack() as stack:
        gpu = _gpu(stack)
        if gpu is not None:
            found["gpu"] = gpu[0].nvmlDeviceGetName(gpu[1])
    return found


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - a stream, read to the line wanted
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
