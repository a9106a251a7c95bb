"""Runs one of Darner's programs as `python -m NAME` does, watched: `python -m tests.faults.program NAME ...`.

FAULTS_COMMITTED names a file to which every event that the outbox has taken is written. So the promises are
known without asking a program that delivers. FAULTS_CLOCK names a file with the seconds (a double) by which
this process's wall clock is off, read at every look at the clock. Only `time.time` and `time.time_ns` change.
The monotonic clock goes on, as when somebody sets the machine's clock. (libfaketime 0.9.10 cannot be used:
with the monotonic clock left alone, it breaks `time.sleep` of Python 3.11.) FAULTS_FROZEN is a file: the
stage of `freeze.py` whose name it holds stands still. FAULTS_HURRY makes the watchdog as many times faster.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import runpy
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

from tests.faults.freeze import freeze, hurry

WATCHDOGS = {"edge_node": "edge_node.node", "viewer_server": "viewer_server.server"}


def set_clock(file: Path) -> None:
    """Shift the wall clock of this process by the seconds in a file, from now on."""
    with file.open("rb") as opened:
        offset = mmap.mmap(opened.fileno(), 8, prot=mmap.PROT_READ)
    real_ns = time.time_ns

    def shifted_ns() -> int:
        (seconds,) = struct.unpack("d", offset[:8])
        return real_ns() + round(float(seconds) * 1e9)

    time.time_ns = shifted_ns
    time.time = lambda: shifted_ns() / 1e9


def record_commits(file: Path) -> None:
    """Write down boot, number and camera of each event that the outbox has committed."""
    from edge_node.outbox.backlog import Backlog
    from edge_node.outbox.event_file import Row

    committed = file.open("ab", buffering=0)
    write = Backlog.write

    def recorded(self: Backlog, *given: Any, **named: Any) -> list[Row]:
        rows = write(self, *given, **named)
        if rows:
            committed.write(b"".join(f"{row.boot} {row.number} {row.camera}\n".encode() for row in rows))
        return rows

    Backlog.write = recorded  # type: ignore[method-assign]  # to see what was committed


if __name__ == "__main__":
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # where it hangs, if it does not end
    if "FAULTS_CLOCK" in os.environ:
        set_clock(Path(os.environ["FAULTS_CLOCK"]))
    if "FAULTS_FROZEN" in os.environ:
        freeze(sys.argv[1], Path(os.environ["FAULTS_FROZEN"]))
    if "FAULTS_HURRY" in os.environ:
        hurry(float(os.environ["FAULTS_HURRY"]), WATCHDOGS[sys.argv[1]])
    if "FAULTS_COMMITTED" in os.environ:
        record_commits(Path(os.environ["FAULTS_COMMITTED"]))
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
