from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from edge_node.machine.nvml import Gpus
from shared.wire.messages import GpuMetrics


class NVMLError(Exception):
    pass


def refuse(*_: object) -> None:
    raise NVMLError("Not Supported")


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


def test_the_real_library_gives_metrics_where_there_is_a_gpu() -> None:
    monkey = pytest.importorskip("pynvml")
    with Gpus() as gpus:
        found = gpus.read()
    if not found:
        pytest.skip(f"needs an NVIDIA GPU; {monkey.__name__} finds none")
    assert 0 < (found[0].memory_used_mb or 0) <= (found[0].memory_total_mb or 0)
    assert 0 < (found[0].temperature_c or 0) < 120
