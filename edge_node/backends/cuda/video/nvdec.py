"""The video decoder of NVIDIA's GPUs (NVDEC), through PyNvVideoCodec.

The decoder overwrites its few pictures with the next ones, so each is copied on the GPU into memory of ours.
"""

from __future__ import annotations

import functools
import importlib
import logging
import threading
from typing import Any, Literal

from edge_node.backends.cuda.device import Device
from edge_node.backends.cuda.picture import PinnedPool
from edge_node.backends.cuda.video.copier import copier_for
from edge_node.backends.cuda.video.decoding import Decoder, Film, Stream, as_source_error
from edge_node.backends.cuda.video.surfaces import Surfaces
from edge_node.pictures import Colour, Copier, Lender
from shared.errors import ModelError, SourceError, first_line

_making = threading.Lock()
INSTALL = "pip install 'darner[nvdec]'"
_CODECS = {"h264": "H264", "h265": "HEVC"}
_FILMS = ("H264", "HEVC", "AV1", "VP9")
"""Codecs of files that are decoded here; the others are rare, or JPEGs, which come with other colours."""


class Nvdec:
    """Opens decoders on one GPU. Any thread may ask.

    Args:
        gpu: The GPU.
        library: The module `PyNvVideoCodec`.
        copier: Copies pictures to the host.
    """

    def __init__(self, gpu: Device, library: Any, copier: Copier) -> None:
        self._gpu, self._library, self._copier = gpu, library, copier
        self._can: dict[object, dict[str, int]] = {}
        with gpu.current():
            self._surfaces = Surfaces(gpu)

    def film(self, path: str) -> Film:
        """Open a video file.

        Raises:
            SourceError: The GPU cannot decode it; the text says why, without the file's name.
        """
        library = self._library
        with as_source_error("cannot read it"):
            demuxer = library.CreateDemuxer(filename=path)
            codec, name = demuxer.GetNvCodecId(), demuxer.GetNvCodecId().name
            if name not in _FILMS:
                raise SourceError(f"only {', '.join(_FILMS)} are decoded on the GPU, not {name}")
            self._check(codec, demuxer)
            colour = _colour(demuxer.ColorSpace().name, demuxer.ColorRange().name)
            step = demuxer.GetTimebaseNum() / demuxer.GetTimebaseDen()
            decoder = self._decoder(codec, library.DisplayDecodeLatencyType.NATIVE, colour)
            return Film(decoder, demuxer, step)

    def stream(self, codec: Literal["h264", "h265"], colour: Colour) -> Stream:
        """Open a decoder for a stream, whose pictures come without delay.

        Raises:
            SourceError: The GPU cannot decode it; the text says why.
        """
        library = self._library

        def opened() -> Decoder:
            with as_source_error("cannot decode it"):
                kind = getattr(library.cudaVideoCodec, _CODECS[codec])
                return self._decoder(kind, library.DisplayDecodeLatencyType.LOW, colour)

        return Stream(opened, library)

    def _decoder(self, codec: Any, latency: Any, colour: Colour) -> Decoder:
        with self._gpu.current():
            shelf = self._surfaces.shelf()
            try:
                opened = self._library.CreateDecoder(
                    gpuid=self._gpu.index,
                    codec=codec,
                    cudacontext=0,
                    cudastream=shelf.stream.handle,
                    usedevicememory=True,
                    latency=latency,
                )
            except BaseException:
                self._surfaces.leave(shelf)
                raise
        return Decoder(self._gpu, opened, self._surfaces, shelf, self._copier, colour)

    def _check(self, codec: Any, demuxer: Any) -> None:
        """Refuse what the GPU says that it cannot decode; it may find more only when it decodes."""
        chroma, depth = demuxer.ChromaFormat(), demuxer.BitDepth()
        kind = codec.name, str(chroma), depth
        can = self._can.get(kind)
        if can is None:  # asking takes long, and holds the interpreter's lock meanwhile
            can = self._can[kind] = self._library.GetDecoderCaps(
                gpuid=self._gpu.index, codec=codec, chromaformat=chroma, bitdepth=depth
            )
        width, height = demuxer.Width(), demuxer.Height()
        if not can.get("supported", 1):
            raise SourceError(f"{self._gpu.name} does not decode {codec.name} of this kind")
        if width > can.get("width_max", width) or height > can.get("height_max", height):
            raise SourceError(f"{self._gpu.name} does not decode {codec.name} of {width}x{height}")
        if width < can.get("width_min", 0) or height < can.get("height_min", 0):
            raise SourceError(f"{self._gpu.name} decodes no {codec.name} as small as {width}x{height}")


def decoder_for(lender: Lender | None) -> Nvdec | str | None:
    """The decoder of the GPU that an engine runs on, or why that GPU cannot decode.

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
def _on(gpu: Device) -> Nvdec | str:
    library = load()
    if isinstance(library, str):
        return library
    try:
        return Nvdec(gpu, library, copier_for(gpu))
    except (ModelError, gpu.driver.Error) as error:
        return first_line(error)


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
        return f"PyNvVideoCodec cannot be used: {first_line(error)}"


def _colour(space: str, values: str) -> Colour:
    """How pictures become BGR; as OpenCV does it where the video does not say."""
    if space == "BT_709":
        return "bt709-full" if values == "JPEG" else "bt709"
    return "bt601-full" if values == "JPEG" else "bt601"
