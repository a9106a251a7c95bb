"""Page-locked memory for pictures: lent to capture, so that no CPU copies a picture, or copied into."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from edge_node.backends.cuda.device import Device, Pinned
from edge_node.machine.hardware import usable_cores
from edge_node.pictures import U8, Lender

LIMIT = 512 << 20
"""Maximum bytes that one pool holds; enough for six 720p frames of each of 32 cameras."""
SHARED_LIMIT = 128 << 20
"""The same where GPU and host share one memory."""
THREADS = 4
"""Maximum number of threads that copy pictures; more do not make the memory faster."""
_CHUNK = 1 << 20
"""Bytes that a thread copies at a time."""


class PinnedPool(Lender):
    """Lends page-locked memory for pictures; any thread may ask.

    An array returns to the pool once nobody holds it or a view of it. Beyond the limit, and when the system
    has no page-locked memory left, the pool gives ordinary arrays.

    Args:
        gpu: The GPU that reads the pictures.
        limit: Maximum bytes; None: 512 MB, or 128 MB where GPU and host share one memory.

    Attributes:
        gpu: As given.
        held: Bytes of page-locked memory, lent or free.
    """

    def __init__(self, gpu: Device, limit: int | None = None) -> None:
        self.gpu = gpu
        self._limit = limit if limit is not None else SHARED_LIMIT if gpu.shares_memory else LIMIT
        self._lock = threading.Lock()
        self._free: dict[int, list[Pinned]] = {}
        # Filled when an array dies, which may happen in any thread and at any line: appending takes no lock.
        self._returned: deque[Pinned] = deque()
        self._closed = False
        self.held = 0

    def lend(self, height: int, width: int) -> U8:
        """An array u8 ``(height, width, 3)`` with any content."""
        size = height * width * 3
        with self._lock:
            self._take_back()
            free = self._free.get(size)
            pinned = free.pop() if free else self._make(size)
        if pinned is None:
            return np.empty((height, width, 3), np.uint8)
        return np.asarray(_Lent(self, pinned, (height, width, 3)))

    def find(self, array: U8) -> int | None:
        """The GPU's address of an array that a pool of this GPU lent, or of a view of one; else None."""
        base: Any = array.base
        if type(base) is _Lent:  # the very array that was lent, as almost always
            return base.address if base.pool.gpu is self.gpu else None
        while isinstance(base, np.ndarray):
            base = base.base
        if type(base) is not _Lent or base.pool.gpu is not self.gpu:
            return None
        start: int = array.__array_interface__["data"][0]
        within: int = start - base.start
        return base.address + within

    def give_back(self, pinned: Pinned) -> None:
        """Take memory back that was lent; only the array's end calls this."""
        if not self._closed:
            self._returned.append(pinned)

    def close(self) -> None:
        """Give the memory back that is not lent; lent memory goes when its array does."""
        with self._lock:
            self._limit, self._closed = 0, True
            self._take_back()
            self._drop(self._free)

    def _make(self, size: int) -> Pinned | None:
        if self.held + size > self._limit:
            # Free memory of other sizes is what cameras with another resolution left behind.
            self._drop(self._free)
        if self.held + size > self._limit:
            return None
        with self.gpu.current():
            try:
                pinned = Pinned(self.gpu, size)
            except self.gpu.driver.Error:
                self._limit = self.held  # The system gives no more.
                return None
        self.held += size
        return pinned

    def _take_back(self) -> None:
        while self._returned:
            pinned = self._returned.popleft()
            self._free.setdefault(pinned.array.nbytes, []).append(pinned)
        if self.held > self._limit:
            self._drop(self._free)

    def _drop(self, free: dict[int, list[Pinned]]) -> None:
        with self.gpu.current():
            for pinned in (one for same in free.values() for one in same):
                self.held -= pinned.array.nbytes
                pinned.free()
        free.clear()


class _Lent:
    """Owns the memory of one lent array: numpy keeps it for as long as the array or a view of it lives."""

    __slots__ = ("__array_interface__", "_pinned", "address", "pool", "start")

    def __init__(self, pool: PinnedPool, pinned: Pinned, shape: tuple[int, ...]) -> None:
        self.pool, self._pinned = pool, pinned
        self.address: int = pinned.address
        self.start: int = pinned.array.__array_interface__["data"][0]
        self.__array_interface__ = {
            "data": (self.start, False),
            "shape": shape,
            "typestr": "|u1",
            "version": 3,
        }

    def __del__(self) -> None:
        self.pool.give_back(self._pinned)


@functools.cache
def _threads() -> ThreadPoolExecutor | None:
    """Threads that copy beside the one that asks; None with fewer than four cores, which are busy anyway."""
    beside = min(THREADS, usable_cores() // 2) - 1
    return ThreadPoolExecutor(beside, "copy") if beside > 0 else None


class Copying:
    """Copies of a batch's pictures from ordinary memory, by several threads where cores are free.

    They begin at once; only the thread that made them may wait for them.

    Args:
        pairs: Flat memory and the picture that belongs there, of the same size.
    """

    def __init__(self, pairs: Sequence[tuple[U8, U8]]) -> None:
        parts: list[tuple[int, U8, U8]] = []
        for number, (target, array) in enumerate(pairs):
            shaped, size = target.reshape(array.shape), max(1, _CHUNK * len(array) // array.nbytes)
            rows = [slice(row, row + size) for row in range(0, len(array), size)]
            parts += [(number, shaped[some], array[some]) for some in rows]
        self._parts = [0] * len(pairs)
        for number, _, _ in parts:
            self._parts[number] += 1
        self._waiting = iter(parts)  # its next() is one step of the interpreter, so that threads may share it
        self._done: list[list[None]] = [[] for _ in pairs]  # and so is append()
        self._helpers: list[Future[None]] = []
        threads = _threads()
        if threads and len(parts) > 1:
            self._helpers = [threads.submit(self._work) for _ in range(min(THREADS, len(parts)) - 1)]

    def finish(self, number: int) -> None:
        """Wait until a picture has been copied, and copy meanwhile."""
        while len(self._done[number]) < self._parts[number]:
            if not self._step():
                for helper in self._helpers:
                    helper.result()

    def _work(self) -> None:
        while self._step():
            pass

    def _step(self) -> bool:
        """Copy the next part; False if none is left."""
        for number, target, array in self._waiting:
            np.copyto(target, array)
            self._done[number].append(None)
            return True
        return False
