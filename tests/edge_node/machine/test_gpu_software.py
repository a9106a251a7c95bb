from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from edge_node.machine import gpu_software
from tests.edge_node.machine.test_hardware import tree

VERSION = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n"
    "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
)
OPEN = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  575.57.08  Release Build  (root)  Sat May 24\n"
)
SERVER = {
    "proc/driver/nvidia/version": VERSION,
    "sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
    "sys/bus/pci/devices/0000:01:00.0/class": "0x030000\n",
    "sys/bus/pci/devices/0000:01:00.1/vendor": "0x10de\n",
    "sys/bus/pci/devices/0000:01:00.1/class": "0x040300\n",
    "sys/bus/pci/devices/0000:02:00.0/vendor": "0x10de\n",
    "sys/bus/pci/devices/0000:02:00.0/class": "0x030200\n",
    "sys/bus/pci/devices/0000:00:02.0/vendor": "0x8086\n",
    "sys/bus/pci/devices/0000:00:02.0/class": "0x030000\n",
}


class Libcuda:
    """Stands for the driver's library."""

    def __init__(self, version: int, code: int = 0) -> None:
        self._version, self._code = version, code

    def cuDriverGetVersion(self, answer: Any) -> int:  # noqa: N802 - the driver's name
        answer._obj.value = self._version
        return self._code


def loader(**libraries: object) -> Any:
    def load(name: str) -> object:
        for stem, library in libraries.items():
            if name.startswith(f"{stem}.so"):
                return library
        raise OSError(f"{name}: cannot open shared object file")

    return load


def test_a_server_is_read_from_its_files_and_libraries(tmp_path: Path) -> None:
    load = loader(libcuda=Libcuda(12020), libnvcuvid=object(), libnvjpeg=object())
    found = gpu_software.find(tree(tmp_path, SERVER), load)
    assert (found.driver, found.cuda, found.on_bus) == ("535.183.01", (12, 2), 2), "sound is no GPU"
    assert (found.decoder, found.jpeg, found.container) == (True, "libnvjpeg.so.13", False)


def test_the_jpeg_library_of_a_wheel_is_found_where_the_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "nvidia" / "nvjpeg" / "lib" / "libnvjpeg.so.12"
    wheel.parent.mkdir(parents=True)
    wheel.touch()
    monkeypatch.syspath_prepend(tmp_path)
    load = loader(**{str(wheel.with_suffix("").with_suffix("")): object()})
    assert gpu_software.find(tree(tmp_path, SERVER), load).jpeg == str(wheel)
    both = list(gpu_software.jpeg_libraries(lambda _: None))  # type: ignore[arg-type,return-value]  # all load
    assert both.index("libnvjpeg.so.13") < both.index(str(wheel))


def test_the_open_driver_is_read_too(tmp_path: Path) -> None:
    found = gpu_software.find(tree(tmp_path, {"proc/driver/nvidia/version": OPEN}), loader())
    assert found.driver == "575.57.08"


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv"])
def test_a_container_is_known_by_its_engines_mark(mark: str, tmp_path: Path) -> None:
    assert gpu_software.find(tree(tmp_path, {mark: ""}), loader()).container


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(loader(), id="no library"),
        pytest.param(loader(libcuda=Libcuda(0, 3)), id="a library that fails"),
        pytest.param(loader(libcuda=object()), id="another library of this name"),
    ],
)
def test_a_machine_without_a_gpu_has_nothing(load: Any, tmp_path: Path) -> None:
    found = gpu_software.find(tmp_path, load)
    assert (found.driver, found.cuda, found.on_bus) == (None, None, 0)
    assert (found.decoder, found.jpeg) == (False, None)


def test_this_machine_is_read_without_an_error() -> None:
    assert gpu_software.find().cuda is None or ctypes.CDLL("libcuda.so.1")
