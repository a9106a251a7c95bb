"""Memory on the GPU for decoded pictures, which the decoder itself would overwrite with the next ones."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from edge_node.backends.cuda.device import Buffer, Device
from edge_node.backends.cuda.libcuda import Event
from shared.errors import SourceError

SHARE = 4
"""The pictures take at most the 4th part of the memory that is free when the first one is decoded."""
LIMIT = 4 << 30
"""And at most this many bytes: some twenty 1080p pictures for each of 64 cameras."""
PATIENCE_S = 2.0
"""How long a decoder waits for memory that others hold, seconds."""
_LOOK_S = 0.002


class Surface:
    """Memory of one picture. Whoever holds it may read it; it returns to its pool when nobody does.

    Args:
        pool: Where it returns to.
        memory: What it owns.

    Attributes:
        address: Of its first byte.
        there: The event after which the picture is there.
    """

    __slots__ = ("_memory", "_pool", "address", "there")

    def __init__(self, pool: Surfaces, memory: tuple[Buffer, Event]) -> None:
        self._pool, self._memory = pool, memory
        self.address, self.there = memory[0].address, memory[1]

    def __del__(self) -> None:
        self._pool.give_back(self._memory)


class Surfaces:
    """Lends memory for pictures, up to a limit. Any thread may ask; the context must be current.

    Args:
        gpu: The GPU.
        limit: Maximum bytes; None: a quarter of what is free now, and 4 GB at most.
        clock: Seconds; for tests.
        sleep: Waits for so many seconds; for tests.

    Attributes:
        held: Bytes that it has taken from the GPU, lent or free.
    """

    def __init__(
        self,
        gpu: Device,
        limit: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Any] = time.sleep,
    ) -> None:
        self._gpu, self._clock, self._sleep = gpu, clock, sleep
        self._limit = min(LIMIT, gpu.free_memory() // SHARE) if limit is None else limit
        self._lock = threading.Lock()
        self._free: dict[int, list[tuple[Buffer, Event]]] = {}
        # Filled when a picture dies, which may happen in any thread and at any line: appending takes no lock.
        self._returned: deque[tuple[Buffer, Event]] = deque()
        self.held = 0

    def lend(self, size: int) -> Surface:
        """Memory of `size` bytes with any content; waits a little for what others hold.

        Raises:
            SourceError: There is none.
        """
        until = self._clock() + PATIENCE_S
        while True:
            with self._lock:
                self._take_back()
                free = self._free.get(size)
                memory = free.pop() if free else self._make(size)
            if memory is not None:
                return Surface(self, memory)
            if self._clock() >= until:
                raise SourceError(
                    f"the GPU has no memory left for decoded pictures ({self.held >> 20} MB are held)"
                )
            self._sleep(_LOOK_S)

    def give_back(self, memory: tuple[Buffer, Event]) -> None:
        """Take memory back; only the end of a surface calls this."""
        self._returned.append(memory)

    def trim(self) -> None:
        """Give the memory to the GPU that nobody holds."""
        with self._lock:
            self._take_back()
            self._drop()

    def _make(self, size: int) -> tuple[Buffer, Event] | None:
        if self.held + size > self._limit:
            self._drop()  # what cameras with another resolution left behind
        if self.held + size > self._limit:
            return None
        try:
            memory = Buffer(self._gpu, size), Event(self._gpu, blocking=True)
        except self._gpu.driver.MemoryError:
            return None
        self.held += size
        return memory

    def _take_back(self) -> None:
        while self._returned:
            memory = self._returned.popleft()
            self._free.setdefault(memory[0].size, []).append(memory)

    def _drop(self) -> None:
        for memory, _ in (one for same in self._free.values() for one in same):
            self.held -= memory.size
            memory.free()
        self._free.clear()
