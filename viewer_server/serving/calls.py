"""Brings what other threads want done into the thread that waits for connections."""

from __future__ import annotations

import contextlib
import os
import queue
from collections.abc import Callable


class Calls:
    """Functions to call in that thread.

    Attributes:
        descriptor: Can be read when there is something to call.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.descriptor, self._waker = os.pipe()
        os.set_blocking(self._waker, False)

    def put(self, call: Callable[[], None]) -> None:
        """Have something called; from any thread."""
        self._calls.put(call)
        with contextlib.suppress(OSError):  # full: that thread is awake already
            os.write(self._waker, b"\0")

    def run(self) -> None:
        """Call all that is there."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._calls.get_nowait()()
