"""Memory on the GPU for decoded pictures, which the decoder itself would overwrite with the next ones."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from edge_node.backends.cuda.device import Buffer, Device
from edge_node.backends.cuda.libcuda import Event
from shared.errors import SourceError

SHARE = 4
"""The pictures take at most a quarter of the memory that is free when the first decoder is made."""
LIMIT = 4 << 30
"""The pictures take at most this many bytes: some twenty 1080p pictures for each of 64 cameras."""
PATIENCE_S = 2.0
"""How long a decoder waits for memory that others hold, seconds."""
_LOOK_S = 0.002

Memory = tuple[Buffer, Event]


class Surface:
    """Memory of one picture. Whoever holds it may read it; it returns to its shelf when nobody does.

    Args:
        shelf: Where it returns to.
        memory: What it owns.

    Attributes:
        address: Of its first byte.
        there: The event after which the picture is there.
    """

    __slots__ = ("_memory", "_shelf", "address", "there")

    def __init__(self, shelf: Shelf, memory: Memory) -> None:
        self._shelf, self._memory = shelf, memory
        self.address, self.there = memory[0].address, memory[1]

    def __del__(self) -> None:
        self._shelf.free.append(self._memory)


class Shelf:
    """The memory that one stream of the GPU fills, so that no picture has to wait for another stream.

    One thread at a time may ask.

    Args:
        pool: Gives it more.
        stream: The stream, of pycuda.

    Attributes:
        stream: As given.
        free: What nobody holds. Pictures die in any thread and at any line: appending takes no lock.
    """

    def __init__(self, pool: Surfaces, stream: Any) -> None:
        self._pool, self.stream = pool, stream
        self.free: deque[Memory] = deque()

    def lend(self, size: int) -> Surface:
        """Memory of `size` bytes with any content; waits a little for what others hold.

        Raises:
            SourceError: There is none.
        """
        while True:
            try:
                memory = self.free.pop()
            except IndexError:
                return Surface(self, self._pool.make(size))
            if memory[0].size == size:
                return Surface(self, memory)
            self._pool.drop(memory)


class Surfaces:
    """Memory for the pictures of all decoders of a GPU, up to a limit. The context must be current.

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
        self._shelves: list[Shelf] = []
        self._idle: list[Shelf] = []
        self.held = 0

    def shelf(self) -> Shelf:
        """A shelf for one decoder, which gives it back by `leave`."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            made = Shelf(self, self._gpu.driver.Stream())
            self._shelves.append(made)
            return made

    def leave(self, shelf: Shelf) -> None:
        """Take a shelf back that its decoder no longer needs, for the next one."""
        with self._lock:
            self._idle.append(shelf)

    def make(self, size: int) -> Memory:
        """More memory; waits a little for what others hold.

        Raises:
            SourceError: There is none.
        """
        until = self._clock() + PATIENCE_S
        while True:
            with self._lock:
                memory = self._make(size)
            if memory is not None:
                return memory
            if self._clock() >= until:
                raise SourceError(
                    f"the GPU has no memory left for decoded pictures ({self.held >> 20} MB are held)"
                )
            self._sleep(_LOOK_S)

    def drop(self, memory: Memory) -> None:
        """Give memory to the GPU that nobody holds."""
        with self._lock:
            self._drop(memory)

    def _make(self, size: int) -> Memory | None:
        if self.held + size > self._limit:
            self._trim()
        if self.held + size > self._limit:
            return None
        try:
            memory = Buffer(self._gpu, size), Event(self._gpu, blocking=True)
        except self._gpu.driver.MemoryError:
            return None
        self.held += size
        return memory

    def _trim(self) -> None:
        """Drop what lies free on all shelves."""
        for shelf in self._shelves:
            with contextlib.suppress(IndexError):  # its decoder may take it at the same time
                while True:
                    self._drop(shelf.free.pop())

    def _drop(self, memory: Memory) -> None:
        self.held -= memory[0].size
        memory[0].free()
