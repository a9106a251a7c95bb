"""Keeps the C library (glibc) from holding on to free memory; with another C library it does nothing.

glibc gives every new thread an arena of its own, up to eight a core, and the viewer has a thread for each
request. Memory that is free in one arena is of no use to another: from the 120th to the 580th visit memory
rose by 2.3 MB, but only by 0.9 MB with two arenas. Two are enough: the interpreter's lock lets one thread at
a time allocate.

When the viewer is held up, up to 2,000 messages wait for it, and most of their bytes are pictures. Afterwards
that memory is free but stays with the process: glibc returns only the free end of an arena, and some small
object in use always lies there. After a stall of 460 messages, 15 MB were still there four minutes later.
`malloc_trim` returns free pages wherever they lie, within a millisecond.

The garbage collector visits all that a viewer knows: 0.9 s with 10,000 nodes, in which no message is read. So
it runs seldom, and leaves alone what has stayed.
"""

from __future__ import annotations

import ctypes
import gc
import time

EVERY_S = 10.0
NEW_OBJECTS = 20_000
"""So many new objects until the collector looks at them; Python's default is 700. Most go by themselves."""
GROWN = 1.5
AT_LEAST = 500
"""Where the viewer knows so many nodes and cameras, and 1.5 times as many as before, they are left alone."""
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

    def __call__(self) -> bool:
        """Return free memory if it is time; whether it was."""
        due = time.monotonic() >= self._due_s
        if due:
            self.now()
        return due

    def now(self) -> None:
        """Return free memory."""
        self._due_s = time.monotonic() + EVERY_S
        if self._trim is not None:
            self._trim(0)


class Settler:
    """Exempts from garbage collection what the viewer knows, each time that it has grown a lot.

    Few times, because what is exempt and forgotten later is freed only if no circle refers to it.
    """

    def __init__(self) -> None:
        self._size = AT_LEAST / GROWN
        gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])

    def __call__(self, size: int) -> None:
        """Look whether there are many more nodes and cameras than the last time."""
        if size >= self._size * GROWN:
            self._size = size
            gc.freeze()
