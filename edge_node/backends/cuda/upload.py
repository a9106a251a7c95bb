"""What a batch brings to the GPU: the request, where each picture lies, and the pictures that must be copied.

Recorded kernels read all this from a table in page-locked memory, so that no recording depends on how large
the pictures of a batch are, or where they lie. The table only names pictures in page-locked memory and on the
GPU. Others are first copied into page-locked memory, by several threads where there are cores for them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_node.backends.cuda.device import Buffer, Device, Pinned
from edge_node.backends.cuda.kernels import COPY, JOB, MAX_SIDE, Kernels
from edge_node.backends.cuda.memory import aligned, table_parts
from edge_node.backends.cuda.nms import fill_request
from edge_node.backends.interface import Wanted
from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.frames import U8, Colour, OnGpu, Picture
from edge_node.machine.hardware import usable_cores
from shared.errors import ModelError

COLOURS: dict[Colour, int] = {"bt601": 0, "bt709": 1, "bt601-full": 2, "bt709-full": 3}
THREADS = 4
"""Maximum number of threads that copy pictures; more do not make the memory faster."""
_CHUNK = 1 << 20
"""Bytes that a thread copies at a time."""
_WORD = 16
"""Bytes that the copying kernel moves at a time; it may read and write that much beyond a row."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A picture of a batch, as the kernels have to know it.

    Attributes:
        picture: As given; it stays alive with this.
        width: Pixels.
        height: Pixels.
        address: The GPU's address of the first row; None: the GPU cannot read the picture where it is.
        chroma: The same of an NV12 picture's chroma, for a picture on the GPU; else 0.
        pitch: Bytes from one row to the next.
        colour: How NV12 becomes BGR.
        rows: Pieces to copy: 1 if the rows follow each other without a gap, 0 for a picture on the GPU.
        piece: Bytes of each.
    """

    picture: Picture
    width: int
    height: int
    address: int | None
    chroma: int
    pitch: int
    colour: int
    rows: int
    piece: int

    @classmethod
    def of(cls, picture: Picture, find: Callable[[U8], int | None]) -> Source:
        """Describe a picture.

        Args:
            picture: BGR or NV12; NV12 in host memory is u8 ``(H * 3 / 2, W)``.
            find: Gives the GPU's address of an array, if there is one.

        Raises:
            ModelError: The picture is empty, too large, or no NV12 picture although it has two axes.
        """
        if isinstance(picture, OnGpu):
            _check(picture.width, picture.height)
            chroma, colour = picture.chroma or 0, COLOURS[picture.colour]
            size = picture.width, picture.height
            return cls(picture, *size, picture.luma, chroma, picture.pitch, colour, 0, 0)
        rows, width = picture.shape[:2]
        nv12 = picture.ndim == 2
        if nv12 and (rows % 3 or width % 2):
            raise ModelError(f"an NV12 picture of shape {picture.shape}: needs (H * 3 / 2, W), H and W even")
        height = rows * 2 // 3 if nv12 else rows
        _check(width, height)
        row = width if nv12 else width * 3
        if picture.flags.c_contiguous:
            return cls(picture, width, height, find(picture), 0, row, 0, 1, picture.nbytes)
        pitch, *inner = picture.strides
        if not nv12 and inner == [3, 1] and pitch >= row:  # a part of a larger picture
            address = find(picture)
            if address is not None:
                return cls(picture, width, height, address, 0, pitch, 0, height, row)
        return cls(picture, width, height, None, 0, row, 0, 1, rows * row)

    @property
    def nv12(self) -> bool:
        """Whether this is an NV12 picture in host memory, whose chroma follows its luma."""
        return isinstance(self.picture, np.ndarray) and self.picture.ndim == 2

    @property
    def staged_pitch(self) -> int:
        """Bytes from one row to the next in the copy on the GPU, equal to `pitch` modulo a word."""
        if self.rows <= 1:
            return self.pitch
        least = self.piece + 2 * _WORD
        return least + (self.pitch - least) % _WORD

    @property
    def room(self) -> int:
        """Bytes of the copy on the GPU, with what the copying kernel may write beyond it; 0 on the GPU."""
        if not self.rows:
            return 0
        return aligned((self.rows - 1) * self.staged_pitch + self.piece + 2 * _WORD)


def _check(width: int, height: int) -> None:
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ModelError(f"a picture of {width}x{height}: longer than {MAX_SIDE} pixels, or empty")


@functools.lru_cache(512)
def fit(width: int, height: int, target: InputFormat) -> Letterbox:
    """`Letterbox.fit`, remembered: cameras send the same sizes again and again."""
    return Letterbox.fit(width, height, target)


class Upload:
    """The table of one slot, and the memory for pictures that must be copied; the context must be current.

    Where GPU and host share one memory, the kernels read table and pictures where the host wrote them.

    Args:
        gpu: The GPU.
        request: Bytes of the request.
        batch: Maximum number of pictures in a run of the network.

    Attributes:
        room: Bytes that there are for pictures.
        request: Address of the request, for kernels behind the copying one.
        jobs: Address of the jobs, likewise.

    Raises:
        pycuda.driver.MemoryError: The memory does not suffice; nothing is kept of it.
    """

    def __init__(self, gpu: Device, request: int, batch: int) -> None:
        self._gpu = gpu
        self.room = 0
        self._host: Pinned | None = None
        self._device: Buffer | None = None
        jobs, copies, size = table_parts(request, batch)
        self._read = copies
        self._table = Pinned(gpu, size)
        self._table_copy: Buffer | None = None
        try:
            self._table_copy = None if gpu.shares_memory else Buffer(gpu, copies)
        except BaseException:
            self._table.free()
            raise
        self.request = self._table_copy.address if self._table_copy else self._table.address
        self.jobs = self.request + jobs
        self._copies_address = self._table.address + copies
        self._request_memory = self._table.array[:request]
        self._job_rows = _Rows(self._table.view(JOB, (batch,), jobs))
        self._copy_rows = _Rows(self._table.view(COPY, (batch,), copies))

    def reserve(self, room: int) -> None:
        """Make room for pictures, in place of the room there was.

        Args:
            room: Bytes, the sum over the pictures of a batch.

        Raises:
            pycuda.driver.MemoryError: The memory does not suffice; there is no room now.
        """
        self.release()
        if room and not self._gpu.shares_memory:
            self._device = Buffer(self._gpu, room)
        self.room = room

    def release(self) -> None:
        """Give the room for pictures back."""
        self.room = 0
        for memory in (self._host, self._device):
            if memory:
                memory.free()
        self._host = self._device = None

    def place(
        self, sources: Sequence[Source], target: InputFormat, batch: int, wanted: Wanted | None
    ) -> list[Letterbox]:
        """Write the table, and copy the pictures that the GPU cannot read where they are.

        Args:
            sources: The pictures; there is room for them.
            target: The network's input.
            batch: Pictures in the run of the network; the first picture stands in for missing ones.
            wanted: For the filter; None where there is none.

        Returns:
            How each picture lies in the input.
        """
        if wanted and len(self._request_memory):
            fill_request(self._request_memory, wanted)
        fits = [fit(source.width, source.height, target) for source in sources]
        start, pageable = 0, []
        for index, (source, one) in enumerate(zip(sources, fits, strict=True)):
            address, pitch = source.address, source.pitch
            if address is None:
                memory = self._pinned()
                address = memory.address + start
                pageable.append((memory.array[start : start + source.piece], source.picture))
            copy = _STAYS
            if source.rows and self._device:
                staged = self._device.address + start + address % _WORD
                copy = (address, staged, source.piece, source.rows, pitch, source.staged_pitch)
                address, pitch = staged, source.staged_pitch
            self._copy_rows.put(index, copy)
            self._job_rows.put(index, job(source, address, pitch, one))
            start += source.room
        for index in range(len(sources), batch):
            self._copy_rows.put(index, _STAYS)
            self._job_rows.put(index, self._job_rows.last[0])
        if pageable:
            _copy(pageable)
        return fits

    def enqueue(self, batch: int, kernels: Kernels, stream: Any) -> None:
        """Enqueue the copies, of the table and of the pictures in host memory."""
        if self._table_copy:
            copies, table, here = self._copies_address, self._table.address, self._table_copy.address
            kernels.copy_in(copies, batch, table, here, self._read, stream)

    def free(self) -> None:
        """Give all memory back."""
        self.release()
        self._table.free()
        if self._table_copy:
            self._table_copy.free()

    def _pinned(self) -> Pinned:
        """Page-locked memory for the pictures that are in ordinary memory; made when the first one comes."""
        if self._host is None:
            self._host = Pinned(self._gpu, self.room)
        return self._host


_STAYS = (0, 0, 0, 0, 0, 0)
"""The `COPY` of a picture that the kernels read where it is."""


class _Rows:
    """Rows of a structured array that are written only when they change."""

    def __init__(self, memory: Any) -> None:
        self._memory = memory
        self.last: list[tuple[int, ...] | None] = [None] * len(memory)

    def put(self, index: int, row: tuple[int, ...] | None) -> None:
        if self.last[index] != row:
            self.last[index] = row
            self._memory[index] = row


def job(source: Source, address: int, pitch: int, one: Letterbox) -> tuple[int, ...]:
    """A row of `JOB`.

    Args:
        source: The picture.
        address: Of its first row, where the letterbox reads it.
        pitch: Bytes from one row to the next, there.
        one: How the picture lies in the input.
    """
    chroma = address + source.height * pitch if source.nv12 else source.chroma
    size = one.source_width, one.source_height, one.width, one.height
    return (address, chroma, pitch, *size, one.left, one.top, source.colour)


@functools.cache
def _threads() -> ThreadPoolExecutor | None:
    """Threads that copy beside the one that asks; None where every core has work already."""
    beside = min(THREADS, usable_cores() // 2) - 1
    return ThreadPoolExecutor(beside, "copy") if beside > 0 else None


def _copy(pairs: Sequence[tuple[U8, Any]]) -> None:
    """Copy arrays into flat memory of their size."""
    parts: list[tuple[U8, U8]] = []
    for target, array in pairs:
        shaped = target.reshape(array.shape)
        rows = max(1, _CHUNK * len(array) // array.nbytes)
        parts += [(shaped[row : row + rows], array[row : row + rows]) for row in range(0, len(array), rows)]
    threads = _threads()
    if threads is None or len(parts) < 2:
        for part in parts:
            np.copyto(*part)
        return
    waiting = iter(parts)  # its next() is one step of the interpreter, so that threads may share it

    def work() -> None:
        for part in waiting:
            np.copyto(*part)

    helpers = [threads.submit(work) for _ in range(min(THREADS - 1, len(parts) - 1))]
    work()
    for helper in helpers:
        helper.result()
