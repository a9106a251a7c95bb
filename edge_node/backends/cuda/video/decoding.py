"""One file or stream that a GPU decodes, picture by picture."""

from __future__ import annotations

import contextlib
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edge_node.backends.cuda.device import Device
from edge_node.backends.cuda.video.surfaces import Shelf, Surface, Surfaces
from edge_node.pictures import Colour, Copier, Decoded, OnGpu
from shared.errors import SourceError, first_line

_WORKED = 50
"""Units after which a stream's decoder counts as one that worked; if it fails, a new one takes its place."""
_NO_STAMP = -(2**63)
"""PyNvVideoCodec's value for a time stamp that is not there."""


class Decoder:
    """A decoder. One thread at a time may decode.

    Args:
        gpu: The GPU.
        opened: The library's decoder, which works on the stream of the shelf.
        surfaces: Takes the shelf back in the end.
        shelf: Lends the memory that its pictures are copied into, on the same stream.
        copier: Copies pictures to the host.
        colour: How its pictures become BGR.
    """

    def __init__(
        self, gpu: Device, opened: Any, surfaces: Surfaces, shelf: Shelf, copier: Copier, colour: Colour
    ) -> None:
        self._gpu, self._opened = gpu, opened
        self._surfaces, self._shelf, self._copier = surfaces, shelf, copier
        self._shape: tuple[int, int] | None = None
        self._copied: Surface | None = None
        self._colour = colour

    def decode(self, packet: Any) -> list[Decoded]:
        """The pictures that are complete with this packet.

        Raises:
            SourceError: It fails.
        """
        with as_source_error("the decoder fails"), self._gpu.current():
            last, self._copied = self._copied, None
            if last is not None and not last.there.query():
                last.there.synchronize()  # The library does not promise that it writes in the stream's order.
            return [self._copy(frame) for frame in self._opened.Decode(packet)]

    def close(self) -> None:
        """Release the decoder; what was copied stays."""
        opened, self._opened, self._copied = self._opened, None, None
        if opened is None:
            return
        # After a failure of the GPU, there is nothing to wait for; its engine says what has failed.
        with contextlib.suppress(self._gpu.driver.Error), self._gpu.current():
            try:
                self._shelf.stream.synchronize()
            finally:
                del opened
        self._surfaces.leave(self._shelf)

    def _copy(self, frame: Any) -> Decoded:
        shape, stride = frame.shape, frame.strides[0]
        if shape != self._shape:
            self._check(frame, *shape)
            self._shape = shape
        height, width = shape[0] * 2 // 3, shape[1]
        size = stride * height
        stream, surface = self._shelf.stream, self._shelf.lend(size + size // 2)
        copy = self._gpu.driver.memcpy_dtod_async
        luma, chroma = frame.GetPtrToPlane(0), frame.GetPtrToPlane(1)
        if chroma == luma + size:
            copy(surface.address, luma, size + size // 2, stream)
        else:
            copy(surface.address, luma, size, stream)
            copy(surface.address + size, chroma, size // 2, stream)
        surface.there.record(stream.handle)
        self._copied = surface
        picture = OnGpu(
            surface.address,
            surface.address + size,
            stride,
            width,
            height,
            self._copier,
            surface,
            self._colour,
            surface.there.handle,
        )
        stamp = frame.getPTS()
        return Decoded(picture, None if stamp == _NO_STAMP else stamp)

    @staticmethod
    def _check(frame: Any, rows: int, width: int) -> None:
        """Refuse pictures that the rest of the node cannot take; rows are those of luma and chroma."""
        if frame.format.name != "NV12":
            raise SourceError(f"the pixels are {frame.format.name}; only 8 bits with 4:2:0 stay on the GPU")
        if rows % 3 or width % 2:
            raise SourceError(
                f"its size {width}x{frame.cuda()[0].__cuda_array_interface__['shape'][0]} is odd"
            )


class Film:
    """A file that is being decoded; the stamps are seconds. One thread at a time may read.

    Args:
        decoder: Its decoder.
        demuxer: Its packets.
        step: Seconds from one value of a time stamp to the next.
    """

    def __init__(self, decoder: Decoder, demuxer: Any, step: float) -> None:
        self._decoder, self._packets, self._step = decoder, iter(demuxer), step
        self._waiting: deque[Decoded] = deque()

    def read(self) -> Decoded | None:
        """The next picture in the order of display; None at the end.

        Raises:
            SourceError: The decoder fails.
        """
        while not self._waiting:
            with as_source_error("cannot read on"):
                packet = next(self._packets, None)
            if packet is None:
                return None
            self._waiting += self._decoder.decode(packet)
        picture, stamp = self._waiting.popleft()
        return Decoded(picture, None if stamp is None else stamp * self._step)

    def close(self) -> None:
        """Release the file and the decoder. Pictures that somebody holds stay as they are."""
        self._waiting.clear()
        self._packets = iter(())
        self._decoder.close()


class Stream:
    """A stream that is being decoded. One thread at a time may decode.

    Args:
        opened: Opens a decoder.
        library: The module `PyNvVideoCodec`.
    """

    def __init__(self, opened: Callable[[], Decoder], library: Any) -> None:
        self._opened, self._library = opened, library
        self._decoder = opened()
        self._units = 0

    def decode(self, address: int, size: int, stamp: int) -> list[Decoded]:
        """Decode one access unit, and give the pictures that are complete, often one.

        Args:
            address: Of its bytes in host memory, in Annex B's form.
            size: Number of its bytes.
            stamp: Its time stamp, which its picture gets.

        Raises:
            SourceError: The decoder fails.
        """
        packet = self._library.PacketData()
        packet.bsl_data, packet.bsl, packet.pts = address, size, stamp
        packet.decode_flag = self._library.VideoPacketFlag.ENDOFPICTURE  # the next unit need not come first
        self._units += 1
        try:
            return self._decoder.decode(packet)
        except SourceError:
            # A decoder cannot take larger pictures than its first ones. A new one can, from a key frame on.
            if self._units < _WORKED:
                raise
            self._units = 0
            self._decoder.close()
            self._decoder = self._opened()
            return self._decoder.decode(packet)

    def close(self) -> None:
        """Release the decoder. Pictures that somebody holds stay as they are."""
        self._decoder.close()


@contextmanager
def as_source_error(what: str) -> Iterator[None]:
    """Makes one sentence, which begins with `what`, of what the library and the driver raise."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001 - the library, pycuda and the driver raise kinds of their own
        found = re.search(r"Error Type : (.+)", str(error))
        raise SourceError(f"{what}: {found[1].strip() if found else first_line(error)}") from None
