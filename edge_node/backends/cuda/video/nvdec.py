"""The video decoder of NVIDIA's GPUs (NVDEC), through PyNvVideoCodec.

The decoder overwrites its few pictures with the next ones, so each is copied on the GPU into memory of ours.
"""

from __future__ import annotations

import functools
import importlib
import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from edge_node.backends.cuda.device import Device
from edge_node.backends.cuda.picture import PinnedPool
from edge_node.backends.cuda.video.copier import copier_for
from edge_node.backends.cuda.video.surfaces import Surface, Surfaces
from edge_node.frames import Colour, Copier, Decoded, Lender, OnGpu
from shared.errors import ModelError, SourceError

_making = threading.Lock()
INSTALL = "pip install 'darner[nvdec]'"
_CODECS = {"h264": "H264", "h265": "HEVC"}
_FILMS = ("H264", "HEVC", "AV1", "VP9")
"""Codecs of files that are decoded here; the others are rare, or JPEGs, which come with other colours."""
_WORKED = 50
"""Units after which a stream's decoder counts as one that worked; if it fails, a new one takes its place."""
_NO_STAMP = -(2**63)
"""PyNvVideoCodec's value for a time stamp that is not there."""


class Nvdec:
    """Opens decoders on one GPU. Any thread may ask.

    Args:
        gpu: The GPU.
        library: The module `PyNvVideoCodec`.
        copier: Copies pictures to the host.
    """

    def __init__(self, gpu: Device, library: Any, copier: Copier) -> None:
        self._gpu, self._library, self._copier = gpu, library, copier
        with gpu.current():
            self._surfaces = Surfaces(gpu)

    def film(self, path: str) -> Film:
        """Open a video file.

        Raises:
            SourceError: The GPU cannot decode it; the text says why, without the file's name.
        """
        library = self._library
        with _as_source_error("cannot read it"):
            demuxer = library.CreateDemuxer(filename=path)
            codec, name = demuxer.GetNvCodecId(), demuxer.GetNvCodecId().name
            if name not in _FILMS:
                raise SourceError(f"only {', '.join(_FILMS)} are decoded on the GPU, not {name}")
            self._check(codec, demuxer)
            decoder = self._decoder(codec, library.DisplayDecodeLatencyType.NATIVE)
            decoder.colour = _colour(demuxer.ColorSpace().name, demuxer.ColorRange().name)
            step = demuxer.GetTimebaseNum() / demuxer.GetTimebaseDen()
            return Film(decoder, demuxer, step)

    def stream(self, codec: Literal["h264", "h265"], colour: Colour) -> Stream:
        """Open a decoder for a stream, whose pictures come without delay.

        Raises:
            SourceError: The GPU cannot decode it; the text says why.
        """
        library = self._library

        def opened() -> _Decoder:
            with _as_source_error("cannot decode it"):
                kind = getattr(library.cudaVideoCodec, _CODECS[codec])
                decoder = self._decoder(kind, library.DisplayDecodeLatencyType.LOW)
                decoder.colour = colour
                return decoder

        return Stream(opened, library)

    def _decoder(self, codec: Any, latency: Any) -> _Decoder:
        with self._gpu.current():
            stream = self._gpu.driver.Stream()
            opened = self._library.CreateDecoder(
                gpuid=self._gpu.index,
                codec=codec,
                cudacontext=0,
                cudastream=stream.handle,
                usedevicememory=True,
                latency=latency,
            )
        return _Decoder(self._gpu, opened, stream, self._surfaces, self._copier)

    def _check(self, codec: Any, demuxer: Any) -> None:
        """Refuse what the GPU says that it cannot decode; it may find more only when it decodes."""
        can = self._library.GetDecoderCaps(
            gpuid=self._gpu.index,
            codec=codec,
            chromaformat=demuxer.ChromaFormat(),
            bitdepth=demuxer.BitDepth(),
        )
        width, height = demuxer.Width(), demuxer.Height()
        if not can.get("supported", 1):
            raise SourceError(f"{self._gpu.name} does not decode {codec.name} of this kind")
        if width > can.get("width_max", width) or height > can.get("height_max", height):
            raise SourceError(f"{self._gpu.name} does not decode {codec.name} of {width}x{height}")
        if width < can.get("width_min", 0) or height < can.get("height_min", 0):
            raise SourceError(f"{self._gpu.name} decodes no {codec.name} as small as {width}x{height}")


class NoDecoder:
    """Stands for the decoder of a GPU that cannot be used.

    Args:
        why: The reason.
    """

    def __init__(self, why: str) -> None:
        self._why = why

    def film(self, path: str) -> Film:  # noqa: ARG002 - as `Nvdec` has it
        """Raises `SourceError`, with the reason."""
        raise SourceError(self._why)

    def stream(self, codec: Literal["h264", "h265"], colour: Colour) -> Stream:  # noqa: ARG002 - as `Nvdec` has it
        """Raises `SourceError`, with the reason."""
        raise SourceError(self._why)


class _Decoder:
    """A decoder and the stream that it works on. One thread at a time may decode.

    Attributes:
        colour: How its pictures become BGR.
    """

    def __init__(self, gpu: Device, opened: Any, stream: Any, surfaces: Surfaces, copier: Copier) -> None:
        self._gpu, self._opened, self._stream = gpu, opened, stream
        self._surfaces, self._copier = surfaces, copier
        self._copied: Surface | None = None
        self._shape: tuple[int, int] | None = None
        self.colour: Colour = "bt601"

    def decode(self, packet: Any) -> list[Decoded]:
        """The pictures that are complete with this packet.

        Raises:
            SourceError: It fails.
        """
        with _as_source_error("the decoder fails"), self._gpu.current():
            last, self._copied = self._copied, None
            if last is not None and not last.there.query():
                last.there.synchronize()  # before the decoder overwrites what is being copied
            return [self._copy(frame) for frame in self._opened.Decode(packet)]

    def close(self) -> None:
        """Release the decoder."""
        self._copied = None
        with self._gpu.current():
            self._stream.synchronize()
            self._opened = None

    def _copy(self, frame: Any) -> Decoded:
        shape, stride = frame.shape, frame.strides[0]
        if shape != self._shape:
            self._check(frame, *shape)
            self._shape = shape
        height, width = shape[0] * 2 // 3, shape[1]
        size = stride * height
        surface, copy = self._surfaces.lend(size + size // 2), self._gpu.driver.memcpy_dtod_async
        # Another stream may still be writing to this memory, if nobody waited for the picture in it.
        surface.there.before(self._stream.handle)
        luma, chroma = frame.GetPtrToPlane(0), frame.GetPtrToPlane(1)
        if chroma == luma + size:
            copy(surface.address, luma, size + size // 2, self._stream)
        else:
            copy(surface.address, luma, size, self._stream)
            copy(surface.address + size, chroma, size // 2, self._stream)
        surface.there.record(self._stream.handle)
        self._copied = surface
        picture = OnGpu(
            surface.address,
            surface.address + size,
            stride,
            width,
            height,
            self._copier,
            surface,
            self.colour,
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

    def __init__(self, decoder: _Decoder, demuxer: Any, step: float) -> None:
        self._decoder, self._packets, self._step = decoder, iter(demuxer), step
        self._waiting: deque[Decoded] = deque()

    def read(self) -> Decoded | None:
        """The next picture in the order of display; None at the end.

        Raises:
            SourceError: The decoder fails.
        """
        while not self._waiting:
            with _as_source_error("cannot read on"):
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

    def __init__(self, opened: Callable[[], _Decoder], library: Any) -> None:
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


def decoder_for(lender: Lender | None) -> Nvdec | NoDecoder | None:
    """The decoder of the GPU that an engine runs on.

    Args:
        lender: What the engine lends for pictures: page-locked memory if it runs on a GPU.

    Returns:
        None if the engine does not run on a GPU.
    """
    if not isinstance(lender, PinnedPool):
        return None
    with _making:
        return _on(lender.gpu)


@functools.cache
def _on(gpu: Device) -> Nvdec | NoDecoder:
    library = load()
    if isinstance(library, str):
        return NoDecoder(library)
    try:
        return Nvdec(gpu, library, copier_for(gpu))
    except ModelError as error:
        return NoDecoder(str(error))


def load() -> Any:
    """The module `PyNvVideoCodec`, or a text that says why it cannot be used."""
    logging.getLogger("PyNvVideoCodec").disabled = True  # what it says comes with the error
    try:
        return importlib.import_module("PyNvVideoCodec")
    except ImportError:
        return f"PyNvVideoCodec is not installed: {INSTALL}"
    except Exception as error:  # noqa: BLE001 - it raises RuntimeError, and its extension anything, without a driver
        text = str(error)
        if "libnvidia-encode" in text or "nvcuvid" in text:
            return (
                "the driver's video libraries are missing; a container gets them with "
                "NVIDIA_DRIVER_CAPABILITIES=compute,utility,video"
            )
        return f"PyNvVideoCodec cannot be used: {_first_line(text)}"


def _colour(space: str, values: str) -> Colour:
    """How pictures become BGR; as OpenCV does it where the video does not say."""
    if space == "BT_709":
        return "bt709-full" if values == "JPEG" else "bt709"
    return "bt601-full" if values == "JPEG" else "bt601"


@contextmanager
def _as_source_error(what: str) -> Iterator[None]:
    try:
        yield
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001 - the library, pycuda and the driver raise kinds of their own
        found = re.search(r"Error Type : (.+)", str(error))
        raise SourceError(f"{what}: {found[1].strip() if found else _first_line(str(error))}") from None


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[0][:200]
