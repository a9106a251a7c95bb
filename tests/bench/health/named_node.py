"""An edge node whose threads have their names for the system, too, so that their time can be read.

python -m tests.bench.health.named_node [the edge node's arguments]
"""

from __future__ import annotations

import ctypes
import runpy
import threading
from collections.abc import Callable

_SET_NAME = 15  # PR_SET_NAME


def _naming(run: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    system = ctypes.CDLL(None)

    def named(thread: threading.Thread) -> None:
        system.prctl(_SET_NAME, thread.name[:15].encode(), 0, 0, 0)
        run(thread)

    return named


if __name__ == "__main__":
    setattr(threading.Thread, "run", _naming(threading.Thread.run))  # noqa: B010 - a method of this program alone
    runpy.run_module("edge_node", run_name="__main__", alter_sys=True)
