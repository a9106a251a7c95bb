"""The software between a GPU and this process: NVIDIA's driver and its libraries. It only looks."""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_NVIDIA = "0x10de"
"""NVIDIA's number as a maker of PCI devices."""
_DISPLAY = "0x03"
"""The beginning of the PCI classes of graphics and 3D controllers."""
_JPEG = ("libnvjpeg.so.13", "libnvjpeg.so.12", "libnvjpeg.so.11", "libnvjpeg.so")
_WHEELS = "*/lib/libnvjpeg.so.1[123]"
"""Where NVIDIA's wheels have it, below the package `nvidia`."""
Load = Callable[[str], ctypes.CDLL]


@dataclass(frozen=True, kw_only=True)
class GpuSoftware:
    """What there is between a GPU and this process.

    Attributes:
        on_bus: Number of NVIDIA's graphics controllers on the PCI bus; a container sees those of its host.
        driver: Version of the kernel's driver, such as "535.183.01"; None if it is not loaded.
        cuda: The newest CUDA version that the driver's library knows; None without that library.
        decoder: Whether the driver's video decoder library (NVDEC) is there.
        jpeg: Name or path of CUDA's JPEG library (nvJPEG); None if it is not there.
        container: Whether this process runs in a container.
        docker: Whether Docker is installed here.
        toolkit: Whether the NVIDIA Container Toolkit is installed here.
    """

    on_bus: int
    driver: str | None
    cuda: tuple[int, int] | None
    decoder: bool
    jpeg: str | None
    container: bool
    docker: bool
    toolkit: bool


def find(root: Path = Path("/"), load: Load = ctypes.CDLL) -> GpuSoftware:
    """Find out what there is.

    Args:
        root: The folder that holds /proc, /sys and /run.
        load: Loads a shared library by its name.
    """
    return GpuSoftware(
        on_bus=_on_bus(root / "sys/bus/pci/devices"),
        driver=_driver(root / "proc/driver/nvidia/version"),
        cuda=_cuda(load),
        decoder=_loads(load, "libnvcuvid.so.1"),
        jpeg=next(jpeg_libraries(load), None),
        container=(root / ".dockerenv").exists() or (root / "run/.containerenv").exists(),
        docker=shutil.which("docker") is not None,
        toolkit=any(shutil.which(name) for name in ("nvidia-ctk", "nvidia-container-runtime")),
    )


def jpeg_libraries(load: Load = ctypes.CDLL) -> Iterator[str]:
    """Name or path of each of CUDA's JPEG libraries that can be loaded, the system's first."""
    installed = importlib.util.find_spec("nvidia")
    folders = list(installed.submodule_search_locations or ()) if installed else []
    wheels = (str(path) for folder in folders for path in sorted(Path(folder).glob(_WHEELS), reverse=True))
    return (name for name in itertools.chain(_JPEG, wheels) if _loads(load, name))


def _on_bus(devices: Path) -> int:
    found = [path.parent for path in devices.glob("*/vendor") if _text(path).strip() == _NVIDIA]
    return sum(_text(path / "class").startswith(_DISPLAY) for path in found)


def _driver(version: Path) -> str | None:
    """The version in the driver's own line: the first word that is numbers and dots."""
    line = _text(version).split("\n", 1)[0]
    return next((word for word in line.split() if word[:1].isdigit() and "." in word), None)


def _cuda(load: Load) -> tuple[int, int] | None:
    try:
        library, version = load("libcuda.so.1"), ctypes.c_int()
        if library.cuDriverGetVersion(ctypes.byref(version)):
            return None
    except (OSError, AttributeError):
        return None
    return version.value // 1000, version.value % 1000 // 10


def _loads(load: Load, name: str) -> bool:
    try:
        load(name)
    except OSError:
        return False
    return True


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
