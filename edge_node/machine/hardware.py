"""What this machine has: processor, memory, GPUs, Jetson model, cameras. Reads files, changes nothing."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_VECTOR = ("avx512_vnni", "avx_vnni", "avx512f", "avx2", "asimddp", "asimd")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One NVIDIA GPU.

    Attributes:
        name: As the driver calls it.
        memory_mb: In all.
        compute: Compute capability, such as "7.5".
    """

    name: str
    memory_mb: int
    compute: str


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """A machine.

    Attributes:
        machine: Instruction set, such as "x86_64" or "aarch64".
        processor: The processor's name.
        cores: Those this process may use.
        vector: The vector instructions that matter for inference, best first.
        memory_mb: In all.
        jetson: Model of an NVIDIA Jetson, else None.
        l4t: Its release of Linux for Tegra.
        gpus: In the driver's order; a Jetson's own is not among them.
        video_devices: Of V4L2.
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
    """Look at the machine.

    Args:
        root: Where /proc, /etc and /dev are.
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
        vector=tuple(name for name in _VECTOR if name in words),
        memory_mb=int(_field(_text(root / "proc/meminfo"), "MemTotal").split(" ")[0] or 0) // 1024,
        jetson=model if "jetson" in model.lower() or release else None,
        l4t=f"{release[1]}.{release[2]}" if release else None,
        gpus=_gpus(),
        video_devices=tuple(f"/dev/{name}" for name in sorted(videos, key=lambda name: (len(name), name))),
    )


def usable_cores() -> int:
    """Cores this process may run on: its affinity, or what a container grants it if that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _granted(_text(Path("/sys/fs/cgroup/cpu.max")))))


def _granted(cpu_max: str) -> int:
    """Cores by cgroup version 2's quota; many when there is none."""
    quota = re.fullmatch(r"(\d+) (\d+)\s*", cpu_max)
    return -(-int(quota[1]) // int(quota[2])) if quota else 10_000


def _gpus() -> tuple[Gpu, ...]:
    """By nvidia-smi, which is there where the driver is."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits"]
    try:
        # The program is the driver's own, found on the PATH, and its arguments are constants.
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ()
    return gpus_in(done.stdout)


def gpus_in(table: str) -> tuple[Gpu, ...]:
    """GPUs from nvidia-smi's lines of name, memory and compute capability; unreadable lines are left out."""
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
