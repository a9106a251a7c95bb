"""Metrics of NVIDIA GPUs from NVML, their driver's library; needs nvidia-ml-py (in the extra `trt`)."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from types import TracebackType
from typing import Any

from shared.wire.messages import GpuMetrics

log = logging.getLogger("darner.gpu")

_MB = 1e6
_THROTTLES = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "heat, by software",
    0x40: "heat, by hardware",
    0x80: "power brake",
}
"""Bits of nvmlClocksThrottleReasons that mean throttling; the others do not (NVML API reference)."""


class Gpus:
    """The GPUs of this machine; `with` opens the library. Without the library there are no GPUs.

    The GPU built into a Jetson is missing: its driver has no NVML before JetPack 7.
    """

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: dict[int, Any] = {}
        self._peaks: dict[tuple[int, str], float] = {}

    def __enter__(self) -> Gpus:
        try:
            import pynvml
        except ImportError:
            return self
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            log.debug("no GPU metrics: %s", error)
            return self
        self._nvml = pynvml
        for index in range(self._ask(pynvml.nvmlDeviceGetCount) or 0):
            # A GPU that has failed has no handle; the others have theirs, and keep their numbers.
            handle = self._ask(pynvml.nvmlDeviceGetHandleByIndex, index)
            if handle is not None:
                self._handles[index] = handle
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._nvml is not None:
            with contextlib.suppress(self._nvml.NVMLError):  # a driver that failed meanwhile
                self._nvml.nvmlShutdown()

    def read(self) -> tuple[GpuMetrics, ...]:
        """The current metrics of every GPU."""
        return tuple(self._read(index, handle) for index, handle in self._handles.items())

    def _read(self, index: int, handle: Any) -> GpuMetrics:
        nvml = self._nvml
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
        use = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        power_mw = self._ask(nvml.nvmlDeviceGetPowerUsage, handle)
        reasons = self._ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle) or 0
        used = memory and round(memory.used / _MB, 1)
        own = self._own(handle)
        return GpuMetrics(
            index=index,
            name=str(self._ask(nvml.nvmlDeviceGetName, handle) or "GPU"),
            utilisation_percent=use and float(use.gpu),
            memory_used_mb=used,
            memory_total_mb=memory and round(memory.total / _MB, 1),
            temperature_c=self._ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            power_w=None if power_mw is None else round(power_mw / 1e3, 1),
            throttled=tuple(name for bit, name in _THROTTLES.items() if reasons & bit),
            memory_peak_mb=self._peak(index, "used", used),
            own_memory_mb=own,
            own_memory_peak_mb=self._peak(index, "own", own),
        )

    def _own(self, handle: Any) -> float | None:
        """MB that this process uses; None where the driver does not list it or does not tell how much."""
        listed = self._ask(self._nvml.nvmlDeviceGetComputeRunningProcesses, handle) or ()
        here = [one.usedGpuMemory for one in listed if one.pid == os.getpid()]
        known = [used for used in here if used is not None]
        return round(sum(known) / _MB, 1) if known else None

    def _peak(self, index: int, kind: str, now: float | None) -> float | None:
        """The largest value of a kind so far; None before the first."""
        if now is not None:
            self._peaks[index, kind] = max(now, self._peaks.get((index, kind), now))
        return self._peaks.get((index, kind))

    def _ask(self, question: Callable[..., Any], *about: Any) -> Any:
        """Call NVML; None where this GPU or its driver does not support the call."""
        try:
            return question(*about)
        except self._nvml.NVMLError:
            return None
