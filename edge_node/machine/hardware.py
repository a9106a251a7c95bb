"""What this machine has: processor, memory, GPUs, Jetson model, webcams. It only reads."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_VECTOR_FLAGS = ("avx512_vnni", "avx_vnni", "avx512f", "avx2", "asimddp", "asimd")
"""The vector instructions that speed inference up, best first, as the kernel names them."""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One NVIDIA GPU.

    Attributes:
        name: The driver's name for it.
        memory_mb: All its memory, MB.
        compute: Compute capability, such as "7.5".
    """

    name: str
    memory_mb: int
    compute: str


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """The hardware of a machine.

    Attributes:
        machine: Instruction set, such as "x86_64" or "aarch64".
        processor: The processor's name.
        cores: Number of cores that this process may use.
        vector: The vector instructions that speed inference up, best first.
        memory_mb: All memory, MB; 0 when the machine does not tell.
        jetson: Model of the NVIDIA Jetson; None on other machines.
        l4t: The Jetson's release of Linux for Tegra.
        gpus: NVIDIA GPUs in the driver's order, without the one built into a Jetson.
        video_devices: Paths of the webcams (V4L2).
    """

    machine: str
    processor: str
    cores: int
    vector: tuple[str, ...]
    memory_mb: int
    jetson: str | None
    l4t: str | None
    gpus: tuple[Gpu, ...]
    video_devices: tuple[str, ...]


def find(root: Path = Path("/")) -> Hardware:
    """Find out what the machine has.

    Args:
        root: The folder that holds /proc, /etc and /dev.
    """
    cpu = _text(root / "proc/cpuinfo")
    model = _text(root / "proc/device-tree/model").rstrip("\0").strip()
    release = re.search(r"R(\d+) .*REVISION: ([\d.]+)", _text(root / "etc/nv_tegra_release"))
    videos = [path.name for path in (root / "dev").glob("video*")]
    words = set(re.findall(r"[a-z0-9_]+", cpu))
    return Hardware(
        machine=platform.machine(),
        processor=_field(cpu, "model name") or model or platform.processor() or platform.machine(),
        cores=usable_cores(),
        vector=tuple(name for name in _VECTOR_FLAGS if name in words),
        memory_mb=int(_field(_text(root / "proc/meminfo"), "MemTotal").split(" ")[0] or 0) // 1024,
        jetson=model if "jetson" in model.lower() or release else None,
        l4t=f"{release[1]}.{release[2]}" if release else None,
        gpus=_gpus(),
        video_devices=tuple(f"/dev/{name}" for name in sorted(videos, key=lambda name: (len(name), name))),
    )


def usable_cores() -> int:
    """Number of cores this process may use: its affinity's, or the container's quota where that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, granted_cores(_text(Path("/sys/fs/cgroup/cpu.max")))))


def granted_cores(cpu_max: str) -> int:
    """Number of cores that a container may use.

    Args:
        cpu_max: Content of cgroup version 2's ``cpu.max``; empty outside of a container.

    Returns:
        The quota rounded up to whole cores; 10,000 when there is none.
    """
    quota = re.fullmatch(r"(\d+) (\d+)\s*", cpu_max)
    return -(-int(quota[1]) // int(quota[2])) if quota else 10_000


def _gpus() -> tuple[Gpu, ...]:
    """Ask nvidia-smi, which comes with the driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits"]
    try:
        # The program is the driver's own, and its arguments are constants.
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError):
        return ()
    return gpus_in(done.stdout)


def gpus_in(table: str) -> tuple[Gpu, ...]:
    """Read nvidia-smi's lines of name, memory and compute capability; skip those that cannot be read."""
    rows = [[cell.strip() for cell in line.split(",")] for line in table.splitlines()]
    return tuple(
        Gpu(name=row[0], memory_mb=int(row[1]), compute=row[2])
        for row in rows
        if len(row) == 3 and row[1].isdecimal()
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
