"""Runs a command that lets every other process go first.

The command ends with the process that started it, and is the first that the system ends when memory is short.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

import psutil

_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG of linux/prctl.h


def be_humble(parent: int) -> None:
    """Take the lowest priorities, and end with the parent; what the system does not offer is left out.

    All of it holds for the program, too, that takes this one's place.

    Args:
        parent: The process that is to be the parent still.
    """
    with contextlib.suppress(OSError):
        os.nice(19)
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it had ended before
        sys.exit(1)
    # Linux may share out the processor among sessions, which have a weight of their own.
    for name, value in (("autogroup", "19"), ("oom_score_adj", "1000")):
        with contextlib.suppress(OSError):
            Path("/proc/self", name).write_text(value)
    with contextlib.suppress(psutil.Error, OSError):
        psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)


if __name__ == "__main__":
    be_humble(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - what our own process names
