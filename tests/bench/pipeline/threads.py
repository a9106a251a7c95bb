"""Processor time by thread, as the kernel counts it."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def thread_times() -> dict[str, float]:
    """Seconds that each thread of this process has used so far, by the first word of its name.

    So "capture" has the threads of all cameras. Threads that no Python code started, such as those of an
    engine, count as "native".
    """
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    used: defaultdict[str, float] = defaultdict(float)
    for folder in Path("/proc/self/task").iterdir():
        try:
            stat = (folder / "stat").read_text()
        except OSError:  # it has ended
            continue
        fields = stat.rpartition(")")[2].split()
        used[names.get(int(folder.name), "native").split()[0]] += (
            int(fields[11]) + int(fields[12])
        ) * _TICK_S
    return used


def shares(before: dict[str, float], after: dict[str, float], seconds: float) -> dict[str, float]:
    """Percent of one processor that each thread used between two calls, the busiest first."""
    percent = {name: round((used - before.get(name, 0)) * 100 / seconds, 1) for name, used in after.items()}
    return {name: percent[name] for name in sorted(percent, key=lambda name: -percent[name]) if percent[name]}
