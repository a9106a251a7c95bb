from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_node.machine import hardware
from edge_node.machine.hardware import Gpu

LAPTOP = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Intel(R) Core(TM) i5-8350U\nflags\t\t: fpu sse avx avx2\n",
    "proc/meminfo": "MemTotal:        8052384 kB\nMemFree:  100 kB\n",
    "dev/video0": "",
    "dev/video10": "",
    "dev/video2": "",
}
ORIN = {
    "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd evtstrm aes asimddp\n",
    "proc/meminfo": "MemTotal:        7802012 kB\n",
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
    "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n",
}


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_laptop_is_read_from_its_files(tmp_path: Path) -> None:
    found = hardware.find(tree(tmp_path, LAPTOP))
    assert found.processor == "Intel(R) Core(TM) i5-8350U"
    assert found.vector == ("avx2",)
    assert found.memory_mb == 7863
    assert found.video_devices == ("/dev/video0", "/dev/video2", "/dev/video10")
    assert found.jetson is None
    assert 1 <= found.cores <= len(os.sched_getaffinity(0))


def test_a_jetson_is_recognised_by_its_model_and_release(tmp_path: Path) -> None:
    found = hardware.find(tree(tmp_path, ORIN))
    assert found.jetson == found.processor == "NVIDIA Jetson Orin Nano Developer Kit"
    assert found.l4t == "36.4.3"
    assert found.vector == ("asimddp", "asimd")


def test_a_machine_without_any_of_the_files_gives_empty_values(tmp_path: Path) -> None:
    found = hardware.find(tmp_path)
    assert (found.memory_mb, found.vector, found.video_devices, found.jetson) == (0, (), (), None)


def test_gpus_are_read_from_the_drivers_table() -> None:
    table = "Tesla T4, 15360, 7.5\nNVIDIA H200, 143771, 9.0\n[Unknown Error], [N/A], \n"
    assert hardware.gpus_in(table) == (
        Gpu(name="Tesla T4", memory_mb=15360, compute="7.5"),
        Gpu(name="NVIDIA H200", memory_mb=143771, compute="9.0"),
    )


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000\n", 10_000), ("150000 100000\n", 2), ("50000 100000\n", 1), ("", 10_000)],
)
def test_a_containers_quota_is_rounded_up_to_cores(quota: str, cores: int) -> None:
    assert hardware.granted_cores(quota) == cores
