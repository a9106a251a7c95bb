"""What a program and the processes it started take: memory by kind, descriptors, threads, processor time."""

from __future__ import annotations

from pathlib import Path

import psutil

KINDS = {"Pss_Anon": "anonymous MB", "Pss_File": "file MB", "Pss_Shmem": "shared MB"}
"""By the kernel's names (``/proc/PID/smaps_rollup``). Anonymous memory is what a program has allocated, and
what a leak makes grow. File-backed pages are programs, libraries and the index of a write-ahead log; the
kernel takes them back when it needs the room. A page that several processes have counts in parts, so that the
sum over a family, such as gunicorn's master and worker, counts it once."""


class Family:
    """A running program.

    Args:
        pid: Of its first process.
    """

    def __init__(self, pid: int) -> None:
        self._first = psutil.Process(pid)

    def read(self) -> dict[str, float]:
        """Memory in MB (10^6 bytes), descriptors, threads, and processor seconds since the start."""
        found = dict.fromkeys((*KINDS.values(), "descriptors", "threads", "cpu s"), 0.0)
        for process in [self._first, *self._first.children(recursive=True)]:
            with process.oneshot():
                found["descriptors"] += process.num_fds()
                found["threads"] += process.num_threads()
                found["cpu s"] += sum(process.cpu_times()[:2])
            for kind, kilobytes in _memory(process.pid).items():
                found[kind] += kilobytes * 1024 / 1e6
        return found


def _memory(pid: int) -> dict[str, int]:
    lines = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines())
    return {KINDS[name]: int(rest[0]) for first, *rest in lines if (name := first.rstrip(":")) in KINDS}
