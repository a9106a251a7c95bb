"""Gives the host what it wants of pictures on a GPU: parts, small copies and JPEGs."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from edge_node.backends.cuda.device import Buffer, Device, Pinned
from edge_node.backends.cuda.libcuda import Event, wait_before
from edge_node.backends.cuda.video import nvjpeg
from edge_node.backends.cuda.video.nvjpeg import JpegEncoder, JpegError, Nvjpeg
from edge_node.backends.cuda.video.pictures import PictureKernel
from edge_node.pictures import U8, Box, Copier, OnGpu
from shared.errors import ModelError
from shared.log import Once

log = logging.getLogger("darner.backend")

ROOM = 8 << 20
"""Bytes that a desk makes at a time, enough for 1080p; larger pictures are made band by band."""
DESKS = 2
"""Most threads that are served at the same time; others wait, less than a millisecond."""


class GpuCopier(Copier):
    """Cuts, converts, scales and encodes on the GPU; the host gets the result. Any thread may ask.

    Each desk takes 8 MB on the GPU, 8 MB of page-locked memory, and what nvJPEG needs.

    Args:
        gpu: The GPU.
        find: Gives nvJPEG, if it is there.

    Attributes:
        encodes: Whether the GPU encodes JPEGs.

    Raises:
        ModelError: The GPU has no memory left for this.
    """

    def __init__(self, gpu: Device, find: Callable[[Device], Nvjpeg | None] = nvjpeg.find) -> None:
        self._gpu = gpu
        self._lock = threading.Condition()
        self._once = Once()
        with self._working():
            self._kernel = PictureKernel(gpu)
            self._nvjpeg = find(gpu)
            first = _Desk(gpu, self._kernel, self._nvjpeg)
        self._free, self._made, self._most = [first], 1, DESKS
        self.encodes = first.encoder is not None

    def part(self, picture: OnGpu, box: Box, width: int, height: int) -> U8:
        """See `Copier`.

        Raises:
            ModelError: The GPU fails.
        """
        with self._desk() as desk:
            return desk.part(picture, box, width, height)

    def jpeg(self, picture: OnGpu, box: Box, width: int, height: int, quality: int) -> bytes | None:
        """See `Copier`.

        Raises:
            ModelError: The GPU fails.
        """
        if not self.encodes or 3 * width * height > ROOM:
            return None
        try:
            with self._desk() as desk:
                return desk.jpeg(picture, box, width, height, quality)
        except JpegError as error:
            if self._once("jpeg"):
                log.warning("%s: the processor encodes a JPEG instead: %s (said once)", self._gpu.name, error)
            return None

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Makes the context current, and one sentence of what the driver says."""
        try:
            with self._gpu.current():
                yield
        except (self._gpu.driver.Error, RuntimeError) as error:
            raise ModelError(
                f"{self._gpu.name}: the pictures in its memory cannot be copied to the host: {error}"
            ) from error

    @contextmanager
    def _desk(self) -> Iterator[_Desk]:
        """A desk that nobody else uses meanwhile."""
        desk = self._take()
        try:
            with self._working():
                yield desk
        finally:
            with self._lock:
                self._free.append(desk)
                self._lock.notify()

    def _take(self) -> _Desk:
        with self._lock:
            while not self._free and self._made >= self._most:
                self._lock.wait()
            if self._free:
                return self._free.pop()
            self._made += 1
        try:
            with self._working():
                return _Desk(self._gpu, self._kernel, self._nvjpeg)
        except ModelError:  # the first desk serves all of them
            with self._lock:
                self._made -= 1
                self._most = self._made
            return self._take()


class _Desk:
    """A stream, and room for what one thread wants; the context must be current.

    Attributes:
        encoder: Encodes JPEGs; None: the GPU cannot.
    """

    def __init__(self, gpu: Device, kernel: PictureKernel, jpeg: Nvjpeg | None) -> None:
        self._gpu, self._kernel = gpu, kernel
        self._stream = gpu.driver.Stream()
        self._done = Event(gpu, blocking=True)
        self._pinned = Pinned(gpu, ROOM)
        self._buffer: Buffer | None = None
        try:
            self._buffer = None if gpu.shares_memory else Buffer(gpu, ROOM)
        except BaseException:
            self._pinned.free()
            raise
        self._address = self._buffer.address if self._buffer else self._pinned.address
        self.encoder = self._encoder(jpeg)

    def _encoder(self, jpeg: Nvjpeg | None) -> JpegEncoder | None:
        try:
            return JpegEncoder(jpeg, self._stream) if jpeg else None
        except JpegError as error:
            log.info("nvJPEG cannot be used on %s (%s): the processor encodes JPEGs", self._gpu.name, error)
            return None

    def part(self, picture: OnGpu, box: Box, width: int, height: int) -> U8:
        """See `Copier`."""
        found = np.empty((height, width, 3), np.uint8)
        band = max(1, ROOM // (3 * width))
        self._wait_for(picture)
        for first in range(0, height, band):
            rows = found[first : first + band]
            self._kernel.enqueue(
                picture, box, (width, height), (first, len(rows)), self._address, self._stream
            )
            made = self._pinned.array[: rows.nbytes]
            if self._buffer:
                self._gpu.driver.memcpy_dtoh_async(made, self._address, self._stream)
            self._done.record(self._stream.handle)
            self._done.synchronize()
            np.copyto(rows, made.reshape(rows.shape))
        return found

    def jpeg(self, picture: OnGpu, box: Box, width: int, height: int, quality: int) -> bytes | None:
        """See `Copier`."""
        if self.encoder is None:
            return None
        self._wait_for(picture)
        self._kernel.enqueue(picture, box, (width, height), (0, height), self._address, self._stream)
        try:
            return self.encoder.encode(self._address, width, height, quality)
        except JpegError:
            self._stream.synchronize()  # the kernel reads the picture, which may go now
            raise

    def _wait_for(self, picture: OnGpu) -> None:
        if picture.ready is not None:
            wait_before(self._stream.handle, picture.ready)


@functools.cache
def copier_for(gpu: Device) -> GpuCopier:
    """The copier of a GPU; it is made once in a process, and stays.

    Raises:
        ModelError: The GPU has no memory left for this.
    """
    return GpuCopier(gpu)
