"""Keeps the C library (glibc) from holding on to free memory; with another C library it does nothing.

glibc gives every new thread an arena of its own, up to eight a core, and the viewer has a thread for each
request. Memory that is free in one arena is of no use to another: from the 120th to the 580th visit memory
rose by 2.3 MB, but only by 0.9 MB with two arenas. Two are enough: the interpreter's lock lets one thread at
a time allocate.

When the viewer is held up, up to 2,000 messages wait for it, and most of their bytes are pictures. Afterwards
that memory is free but stays with the process: glibc returns only the free end of an arena, and some small
object in use always lies there. After a stall of 460 messages, 15 MB were still there four minutes later.
`malloc_trim` returns free pages wherever they lie, within a millisecond.
"""

from __future__ import annotations

import ctypes
import time

EVERY_S = 10.0
ARENAS = 2
M_ARENA_MAX = -8
"""``<malloc.h>``"""


def few_arenas() -> None:
    """Limit the arenas; called before the first thread starts."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, ARENAS)


class Trimmer:
    """Returns free memory every ten seconds; call it often."""

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._due_s = time.monotonic() + EVERY_S

    def __call__(self) -> None:
        """Return free memory if it is time."""
        if time.monotonic() >= self._due_s:
            self.now()

    def now(self) -> None:
        """Return free memory."""
        self._due_s = time.monotonic() + EVERY_S
        if self._trim is not None:
            self._trim(0)
