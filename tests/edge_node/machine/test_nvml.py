from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

from edge_node.machine.nvml import Gpus
from shared.wire.messages import GpuMetrics


class NVMLError(Exception):
    pass


def refuse(*_: object) -> None:
    raise NVMLError("Not Supported")


def processes(*used: tuple[int, int | None]) -> list[SimpleNamespace]:
    """Processes on a GPU, by number, and the MB that each uses."""
    return [SimpleNamespace(pid=pid, usedGpuMemory=mb and mb * 1_000_000) for pid, mb in used]


def driver(reasons: int = 0, **instead: object) -> SimpleNamespace:
    """Stands for a driver with one GPU."""
    calls = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda _: "Tesla T4",
        "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(used=2_000_000_000, total=16_000_000_000),
        "nvmlDeviceGetUtilizationRates": lambda _: SimpleNamespace(gpu=73, memory=20),
        "nvmlDeviceGetTemperature": lambda *_: 81,
        "nvmlDeviceGetPowerUsage": lambda _: 69_500,
        "nvmlDeviceGetCurrentClocksThrottleReasons": lambda _: reasons,
        "nvmlDeviceGetComputeRunningProcesses": lambda _: processes((os.getpid(), 900), (1, 1100)),
    }
    return SimpleNamespace(NVMLError=NVMLError, NVML_TEMPERATURE_GPU=0, **{**calls, **instead})


def gpu(**other: object) -> GpuMetrics:
    known = {
        "index": 0,
        "name": "Tesla T4",
        "utilisation_percent": 73.0,
        "memory_used_mb": 2000.0,
        "memory_total_mb": 16000.0,
        "temperature_c": 81,
        "power_w": 69.5,
        "throttled": (),
        "memory_peak_mb": 2000.0,
        "own_memory_mb": 900.0,
        "own_memory_peak_mb": 900.0,
    }
    return GpuMetrics(**{**known, **other})  # type: ignore[arg-type]  # from a table


@pytest.mark.parametrize(
    ("module", "found"),
    [
        pytest.param(driver(), (gpu(),), id="all well"),
        pytest.param(driver(0x1), (gpu(),), id="idle is not throttling"),
        pytest.param(
            driver(0x4 | 0x20), (gpu(throttled=("power cap", "heat, by software")),), id="power and heat"
        ),
        pytest.param(
            driver(nvmlDeviceGetPowerUsage=refuse, nvmlDeviceGetUtilizationRates=refuse),
            (gpu(power_w=None, utilisation_percent=None),),
            id="a GPU that tells only some values",
        ),
        pytest.param(
            driver(nvmlDeviceGetComputeRunningProcesses=lambda _: processes((1, 1100))),
            (gpu(own_memory_mb=None, own_memory_peak_mb=None),),
            id="a container with process numbers of its own",
        ),
        pytest.param(
            driver(nvmlDeviceGetComputeRunningProcesses=lambda _: processes((os.getpid(), None))),
            (gpu(own_memory_mb=None, own_memory_peak_mb=None),),
            id="a driver that tells no memory of processes",
        ),
        pytest.param(
            driver(nvmlDeviceGetComputeRunningProcesses=refuse),
            (gpu(own_memory_mb=None, own_memory_peak_mb=None),),
            id="a driver that lists no processes",
        ),
        pytest.param(
            driver(
                nvmlDeviceGetCount=lambda: 2,
                nvmlDeviceGetHandleByIndex=lambda index: refuse() if index == 0 else index,
            ),
            (gpu(index=1),),
            id="a GPU that fell off the bus beside one that works",
        ),
        pytest.param(driver(nvmlDeviceGetCount=refuse), (), id="a driver that fails after its start"),
        pytest.param(driver(nvmlShutdown=refuse), (gpu(),), id="a driver that fails at the end"),
        pytest.param(driver(nvmlInit=refuse), (), id="no driver"),
        pytest.param(None, (), id="no nvidia-ml-py"),
    ],
)
def test_what_a_gpu_does_not_tell_is_null(
    module: SimpleNamespace | None, found: tuple[GpuMetrics, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", module)
    with Gpus() as gpus:
        assert gpus.read() == found


def test_peaks_stay_when_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    used, own = iter([2000, 3500, 1000]), iter([800, 2400, None])
    module = driver(
        nvmlDeviceGetMemoryInfo=lambda _: SimpleNamespace(used=next(used) * 1_000_000, total=16_000_000_000),
        nvmlDeviceGetComputeRunningProcesses=lambda _: processes((os.getpid(), next(own))),
    )
    monkeypatch.setitem(sys.modules, "pynvml", module)
    with Gpus() as gpus:
        seen = [gpus.read()[0] for _ in range(3)]
    assert [(one.memory_used_mb, one.memory_peak_mb) for one in seen] == [
        (2000, 2000),
        (3500, 3500),
        (1000, 3500),
    ]
    assert [(one.own_memory_mb, one.own_memory_peak_mb) for one in seen] == [
        (800, 800),
        (2400, 2400),
        (None, 2400),
    ]


def test_the_real_library_gives_metrics_where_there_is_a_gpu() -> None:
    monkey = pytest.importorskip("pynvml")
    with Gpus() as gpus:
        found = gpus.read()
    if not found:
        pytest.skip(f"needs an NVIDIA GPU; {monkey.__name__} finds none")
    assert 0 < (found[0].memory_used_mb or 0) <= (found[0].memory_total_mb or 0)
    assert 0 < (found[0].temperature_c or 0) < 120
