"""How the interpreter is set for a node, so that no frame waits for it longer than it must."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

SWITCH_S = 2e-4
"""How long a thread may keep the interpreter from others, seconds. Python's default is longer than a GPU's
inference. With a 3 ms detector, 16 cores give 7 to 13 % more frames than with 0.5 ms; two cores as many."""


def share() -> None:
    """Let threads give up the interpreter soon."""
    sys.setswitchinterval(SWITCH_S)


def settle() -> None:
    """Exempt everything that exists now from garbage collection; call it when all parts of a node are built.

    A full collection visits every object, and all threads wait for it: 0.1 to 0.2 s with the modules and
    parts of a node. Afterwards one visits only what is new, in about a millisecond.
    """
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Give the system the memory of large parts that were let go, such as a model that was exchanged.

    The C library keeps it for later: 150 MB after a model of 8 MB.
    """
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):  # another C library than GNU's
        ctypes.CDLL(None).malloc_trim(0)
