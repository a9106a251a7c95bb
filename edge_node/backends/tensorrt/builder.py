"""Builds an engine in a thread while another engine runs, and lets the process end meanwhile.

TensorRT's builder cannot be interrupted. It crashes the process if the interpreter shuts down while it works.
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
    """Return the exit code; while an engine is being built, end the process with it at once instead.

    A program calls this last. The driver then frees the GPU's memory, and files appear only when they are
    complete.
    """
    if any(thread.name == _NAME for thread in threading.enumerate()):
        log.info("the node ends before its TensorRT engine is built; the next start builds it again")
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    return code
