"""What a batch brings to the GPU: the request, where each picture lies, and the pictures that must be copied.

Each picture's copy begins as soon as the picture is described, so the GPU need not wait for the last one.
Pictures in ordinary memory are first copied into page-locked memory (`picture.py`). The kernels read
request and jobs from a table, so that no recording depends on how large the pictures of a batch are, or where
they lie.
"""

from __future__ import annotations

import functools
import itertools
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from edge_node.backends.cuda.device import Buffer, Device, Pinned
from edge_node.backends.cuda.kernels import JOB, MAX_SIDE
from edge_node.backends.cuda.libcuda import copy
from edge_node.backends.cuda.memory import aligned, table_parts
from edge_node.backends.cuda.nms import fill_request
from edge_node.backends.cuda.picture import Copying
from edge_node.backends.interface import Wanted
from edge_node.backends.preprocess import InputFormat, Letterbox
from edge_node.pictures import U8, Colour, OnGpu, Picture, in_host
from shared.errors import ModelError

COLOURS: dict[Colour, int] = {"bt601": 0, "bt709": 1, "bt601-full": 2, "bt709-full": 3}


class Source(NamedTuple):
    """A picture of a batch, as the kernels have to know it.

    It is a tuple, because that is quicker to make, and every picture needs one.

    Attributes:
        picture: As given; it stays alive with this.
        width: Pixels.
        height: Pixels.
        address: The GPU's address of the first row; None: the GPU cannot read the picture where it is.
        chroma: The same of an NV12 picture's chroma, for a picture on the GPU; else 0.
        pitch: Bytes from one row to the next.
        colour: How NV12 becomes BGR.
        nv12: Whether this is an NV12 picture in host memory, whose chroma follows its luma.
        rows: Pieces to copy: 1 if the rows follow each other without a gap, 0 for a picture on the GPU.
        piece: Bytes of each.
        room: Bytes of room for the copy on the GPU; 0 for a picture on the GPU.
    """

    picture: Picture
    width: int
    height: int
    address: int | None
    chroma: int
    pitch: int
    colour: int
    nv12: bool
    rows: int
    piece: int
    room: int

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
            return cls(picture, *size, picture.luma, chroma, picture.pitch, colour, False, 0, 0, 0)
        rows, width = picture.shape[:2]
        nv12 = picture.ndim == 2
        if nv12 and (rows % 3 or width % 2):
            raise ModelError(f"an NV12 picture of shape {picture.shape}: needs (H * 3 / 2, W), H and W even")
        height = rows * 2 // 3 if nv12 else rows
        _check(width, height)
        row = width if nv12 else width * 3
        address, size = find(picture), rows * row
        if address is not None and not nv12 and not picture.flags.c_contiguous:
            pitch, *inner = picture.strides
            if inner == [3, 1] and pitch >= row:  # a part of a larger picture
                return cls(picture, width, height, address, 0, pitch, 0, False, rows, row, aligned(size))
            address = None
        return cls(picture, width, height, address, 0, row, 0, nv12, 1, size, aligned(size))


def _check(width: int, height: int) -> None:
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ModelError(f"a picture of {width}x{height}: longer than {MAX_SIDE} pixels, or empty")


@functools.lru_cache(64)
def fits_of(target: InputFormat) -> Callable[[int, int], Letterbox]:
    """`Letterbox.fit` for one target, remembered: cameras send the same sizes again and again.

    Returns:
        Takes width and height of a picture.
    """

    @functools.lru_cache(512)
    def fit(width: int, height: int) -> Letterbox:
        return Letterbox.fit(width, height, target)

    return fit


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
        self._request_size = request
        jobs, size = table_parts(request, batch)
        self._table = Pinned(gpu, size)
        self._table_copy: Buffer | None = None
        try:
            self._table_copy = None if gpu.shares_memory else Buffer(gpu, size)
        except BaseException:
            self._table.free()
            raise
        self.request = self._table_copy.address if self._table_copy else self._table.address
        self.jobs = self.request + jobs
        self._request_memory = self._table.array[:request]
        self._requested: Wanted | None = None
        self._jobs = _Rows(self._table, JOB, jobs)

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

    def bring(
        self, sources: Sequence[Source], target: InputFormat, batch: int, wanted: Wanted | None, stream: int
    ) -> list[Letterbox]:
        """Write the table, and enqueue the copies of it and of the pictures in host memory.

        Args:
            sources: The pictures; there is room for them.
            target: The network's input.
            batch: Pictures in the run of the network; the first picture stands in for missing ones.
            wanted: For the filter; None where there is none.
            stream: Handle of the stream that copies.

        Returns:
            How each picture lies in the input.
        """
        fit, fits = fits_of(target), list[Letterbox]()
        copying, starts = self._into_pinned(sources)
        copied = 0
        for index, (source, start) in enumerate(zip(sources, starts, strict=True)):
            address, pitch = source.address, source.pitch
            if address is None:
                assert copying and self._host  # noqa: S101 - made for this picture
                copying.finish(copied)
                copied, address = copied + 1, self._host.address + start
            if source.rows and self._device:
                staged = self._device.address + start
                copy(stream, staged, address, rows=source.rows, piece=source.piece, pitch=pitch)
                address = staged
                if source.rows > 1:
                    pitch = source.piece
            one = fit(source.width, source.height)
            fits.append(one)
            row = job(source, address, pitch, one)
            self._jobs.put(index, row)
            if index == 0:
                for missing in range(len(sources), batch):
                    self._jobs.put(missing, row)
        if wanted and self._request_size:
            self._ask(wanted)
        if self._table_copy:
            size = self._jobs.end(batch)
            copy(stream, self._table_copy.address, self._table.address, rows=1, piece=size, pitch=size)
        return fits

    def free(self) -> None:
        """Give all memory back."""
        self.release()
        self._table.free()
        if self._table_copy:
            self._table_copy.free()

    def _ask(self, wanted: Wanted) -> None:
        """Write the request, unless it is there: most batches want the same."""
        last = self._requested
        if (
            last is None
            or last.class_ids is not wanted.class_ids
            or (last.confidence, last.iou, last.most) != (wanted.confidence, wanted.iou, wanted.most)
        ):
            fill_request(self._request_memory, wanted)
            self._requested = wanted

    def _into_pinned(self, sources: Sequence[Source]) -> tuple[Copying | None, list[int]]:
        """Begin to copy pictures from ordinary memory into page-locked memory, made when the first one comes.

        Returns:
            The copies of such pictures, in their order; and where each of all pictures begins in the room.
        """
        starts = list(itertools.accumulate((source.room for source in sources[:-1]), initial=0))
        pairs = [
            (start, source) for start, source in zip(starts, sources, strict=True) if source.address is None
        ]
        if not pairs:
            return None, starts
        if self._host is None:
            self._host = Pinned(self._gpu, self.room)
        memory = self._host.array
        return Copying([(memory[at : at + one.piece], in_host(one.picture)) for at, one in pairs]), starts


class _Rows:
    """Rows of a structure in page-locked memory; packing one takes a fifth of what numpy takes for it."""

    def __init__(self, memory: Pinned, kind: np.dtype[Any], start: int) -> None:
        fields = [kind[name].str for name in kind.names or ()]
        self._struct = struct.Struct("<" + "".join(_CODES[one] for one in fields))
        self._memory, self._start = memoryview(memory.array.data), start

    def end(self, count: int) -> int:
        """Where the first `count` rows end, from the start of the memory."""
        return self._start + count * self._struct.size

    def put(self, index: int, row: tuple[int, ...]) -> None:
        self._struct.pack_into(self._memory, self._start + index * self._struct.size, *row)


_CODES = {"<u8": "Q", "<i4": "i"}


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
