"""The thread in which TensorRT builds while another engine runs, and a process that ends meanwhile.

TensorRT's builder cannot be interrupted. When the interpreter is taken down under it, it crashes the process.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable

log = logging.getLogger("darner.backend")
_NAME = "engine-builder"


def start(work: Callable[[], None]) -> None:
    """Build in a thread of its own."""
    threading.Thread(target=work, name=_NAME, daemon=True).start()


def leave(code: int) -> int:
    """Call it last in a program: the exit code; or end the process with it at once, while an engine is built.

    The driver takes the GPU's memory back, and files appear only when they are complete.
    """
    if any(thread.name == _NAME for thread in threading.enumerate()):
        log.info("the TensorRT engine that is being built is given up; the next start builds it again")
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    return code
