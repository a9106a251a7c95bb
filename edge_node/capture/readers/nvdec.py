"""Films and RTSP streams that a GPU decodes: their pictures stay in the GPU's memory."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Literal

from edge_node.capture.readers.address import Address
from edge_node.capture.readers.gstreamer import GstStream, Sample, Transport
from edge_node.capture.readers.gstreamer_library import Library, loaded
from edge_node.capture.readers.interface import Feed, GpuDecoder, GpuFilm, GpuStream, Memory, Taken
from edge_node.capture.readers.video import Video
from edge_node.pictures import Colour, Decoded
from shared.errors import SourceError

NEEDED = ("rtph264depay", "rtph265depay", "h264parse", "h265parse", "funnel")
"""GStreamer's elements that take a stream apart without decoding it."""
Codec = Literal["h264", "h265"]
_CODECS: dict[str, Codec] = {"video/x-h264": "h264", "video/x-h265": "h265"}
_DELTA = 1 << 13
"""GStreamer's flag of a unit that cannot be decoded by itself."""
_LONGEST_GROUP = 300
"""Units after which decoding begins even if none could be decoded by itself, as with intra refresh."""
_LATEST = 32
"""Units by which a picture may come later than its own unit; H.264 allows half as many."""
_QUEUE = 64
"""Units that wait to be decoded; where they come over TCP, the camera waits then."""
_HD = 576
"""GStreamer takes pictures with more rows for BT.709 where the stream does not say."""


class GpuVideo:
    """A video file that a GPU decodes, with the times that OpenCV gives; where the GPU fails, OpenCV goes on.

    Args:
        video: The file as OpenCV has opened it, which says when its pictures were taken; this closes it.
        reopen: Opens the file with OpenCV again.
        gpu: The decoder.
        path: Of the file.
        lost: Called with the reason when the GPU fails in mid-film.

    Attributes:
        memory: Where OpenCV's pictures go, if it has to go on; the caller may set it.

    Raises:
        SourceError: OpenCV finds no picture in it, or the GPU cannot decode it.
    """

    feed: Feed = "film"
    segment_s = 0.0

    def __init__(
        self,
        video: Video,
        reopen: Callable[[], Video],
        gpu: GpuDecoder,
        path: str,
        lost: Callable[[str], None],
    ) -> None:
        self._reopen, self._lost = reopen, lost
        self.name, self.memory = "PyNvVideoCodec", Memory()
        self._video: Video | None = None
        try:
            first = video.read()
            self.rate, self.seconds = video.rate, video.seconds
        finally:
            video.close()
        if first is None:
            raise SourceError("OpenCV finds no picture in it")
        self._film: GpuFilm = gpu.film(path)
        try:
            decoded = self._film.read()
            if decoded is None:
                raise SourceError("the GPU finds no picture in it")
            if decoded.picture.shape != first.picture.shape:
                raise SourceError("its pictures are to be turned or scaled")
        except SourceError:
            self._film.close()
            raise
        self._first: Decoded | None = decoded
        self._guessed = video.guessed or first.media_s is None or decoded.stamp is None
        self._offset_s = (first.media_s or 0.0) - (decoded.stamp or 0.0)
        self._last_s: float | None = None
        self._given = 0

    def read(self) -> Taken | None:
        """See `Reader`."""
        if self._video is not None:
            return self._video.read()
        decoded, self._first = self._first, None
        if decoded is None:
            try:
                decoded = self._film.read()
            except SourceError as error:
                return self._go_on(str(error))
        if decoded is None:
            return None
        self._given += 1
        if self._guessed and (decoded.stamp is None or self._given > 1):
            return Taken(decoded.picture)
        media_s = None if decoded.stamp is None else decoded.stamp + self._offset_s
        missing = media_s == self._last_s
        self._last_s = media_s
        return Taken(decoded.picture, None if missing else media_s)

    def close(self) -> None:
        """Release the file and the decoder."""
        (self._film if self._video is None else self._video).close()

    def _go_on(self, why: str) -> Taken | None:
        """Let OpenCV decode from here on."""
        self._film.close()
        self._lost(why)
        video = self._video = self._reopen()
        video.memory, self.name = self.memory, video.name
        for _ in range(self._given):
            if video.read() is None:
                return None
        return video.read()


class GpuCamera:
    """An open RTSP stream that a GPU decodes; GStreamer takes it apart.

    The newest picture is given; older ones that were not asked for in time are left out.

    Args:
        address: Of the stream, with its credentials.
        shown: What to begin messages with; it must not have credentials.
        stall_s: Seconds without data, or without a picture, after which the stream counts as lost.
        transport: ``tcp`` or ``udp``.
        gpu: The decoder.
        lost: Called with the reason when the GPU cannot decode the stream, or no more; an error follows.

    Raises:
        SourceError: GStreamer cannot be used.
    """

    feed: Feed = "pushed"
    rate = segment_s = 0.0
    seconds: float | None = None

    def __init__(
        self,
        address: Address,
        shown: str,
        stall_s: float,
        transport: Transport,
        gpu: GpuDecoder,
        lost: Callable[[str], None],
    ) -> None:
        self._stream = GstStream(address, shown, stall_s, transport, _taking_apart)
        self._shown, self._stall_s, self._gpu, self._lost = shown, stall_s, gpu, lost
        self.name = f"gstreamer, {transport.upper()}, PyNvVideoCodec"
        self._decoder: GpuStream | None = None
        self._codec: Codec | None = None
        self._units = 0
        # The unit with which the last picture came, and when.
        self._pictured, self._pictured_s = 0, time.monotonic()
        self._times: dict[int, tuple[float | None, int | None]] = {}
        self._first: Taken | None = None

    def begin(self) -> None:
        """Wait for the first picture, which shows whether the GPU can decode the stream.

        Raises:
            SourceError: None comes, the pipeline reports an error, or the GPU cannot decode the stream.
        """
        self._first = self.read()
        if self._first is None:
            raise SourceError(f"{self._shown}: no picture comes from it")

    def read(self) -> Taken | None:
        """See `Reader`."""
        taken, self._first = self._first, None
        while taken is None:
            sample = self._stream.next()
            if sample is None:
                return None
            taken = self._decode(sample)
            # Units that wait have piled up: all are decoded, because later ones need them; one is given.
            # A GPU that is slower than the stream never comes to their end.
            for waiting in itertools.islice(iter(self._stream.waiting, None), _QUEUE):
                taken = self._decode(waiting) or taken
        return taken

    def close(self) -> None:
        """Disconnect from the stream."""
        self._stream.close()
        if self._decoder is not None:
            self._decoder.close()

    def _decode(self, sample: Sample) -> Taken | None:
        """Decode one unit; the picture that is complete with it, if there is one."""
        stream = self._stream
        try:
            self._units += 1
            codec = self._codec_of(sample)
            if codec is None:
                self._check_that_pictures_come()
                return None
            if self._decoder is None:
                if sample.buffer.contents.mini_object.flags & _DELTA and self._units < _LONGEST_GROUP:
                    return None
                colour = colour_of(stream.text(sample, b"colorimetry"), stream.number(sample, b"height"))
                self._decoder, self._codec = self._gpu.stream(codec, colour), codec
                self._pictured, self._pictured_s = self._units, time.monotonic()
            self._times[self._units] = stream.times(sample)
            with stream.mapped(sample) as mapped:
                decoded = self._decoder.decode(mapped.data, mapped.size, self._units)
            if not decoded:
                self._check_that_pictures_come()
                return None
        except SourceError as error:
            self._lost(str(error))
            raise SourceError(f"{self._shown}: {error}") from None
        finally:
            stream.done(sample)
        self._pictured, self._pictured_s = self._units, time.monotonic()
        picture, unit = decoded[-1]
        times = self._times.get(int(unit or 0), (None, None))
        # Pictures come in the order of display, so the times of a few units are still wanted.
        for old in [one for one in self._times if one <= self._units - _LATEST]:
            del self._times[old]
        return Taken(picture, *times)

    def _codec_of(self, sample: Sample) -> Codec | None:
        """The codec of a unit; None if it is of a second video track, which is left out.

        Raises:
            SourceError: No GPU decodes streams in it.
        """
        codec = _CODECS.get(self._stream.kind(sample))
        if self._codec is not None:
            return codec if codec == self._codec else None
        if codec is None:
            name = self._stream.text(sample, b"encoding-name") or "this codec"
            if name not in ("H264", "H265"):
                raise SourceError(f"of streams, only H.264 and H.265 are decoded on the GPU, not {name}")
        return codec

    def _check_that_pictures_come(self) -> None:
        """Raise `SourceError` if the decoder takes units for too long without giving a picture."""
        late = self._units - self._pictured > _LATEST
        if late and time.monotonic() - self._pictured_s >= self._stall_s:
            raise SourceError(f"the GPU has given no picture of it for {self._stall_s:g} s")


def colour_of(colorimetry: str, height: int) -> Colour:
    """How a stream's pictures become BGR, as GStreamer does it.

    Args:
        colorimetry: GStreamer's name, or its four numbers: range, matrix, transfer and primaries.
        height: Rows of a picture, which decide where the stream does not say.
    """
    values, _, rest = colorimetry.partition(":")
    matrix = rest.partition(":")[0]
    high = colorimetry == "bt709" or matrix == "3"
    if not high and matrix in ("", "0") and colorimetry != "bt601":
        high = height > _HD
    if values == "1":
        return "bt709-full" if high else "bt601-full"
    return "bt709" if high else "bt601"


def unavailable() -> str | None:
    """Why GStreamer cannot take streams apart here; None when it can."""
    library = loaded()
    if isinstance(library, str):
        return library
    missing = [element for element in NEEDED if not library.has(element)]
    if not missing:
        return None
    return f"GStreamer has no {', '.join(missing)}: apt install gstreamer1.0-plugins-bad"


def _taking_apart(_library: Library) -> str:
    """From packets to access units. The first video track takes the first branch that fits.

    Other codecs and a second track take the last branch as they are: without it, GStreamer might wait and say
    nothing.
    """
    branches = "".join(
        f" source. ! application/x-rtp,media=video,encoding-name=H{n} ! rtph{n}depay ! h{n}parse"
        f" config-interval=-1 ! video/x-h{n},stream-format=byte-stream,alignment=au ! units."
        for n in ("264", "265")
    )
    sink = f" funnel name=units ! appsink name=sink sync=false max-buffers={_QUEUE}"
    return f"{sink}{branches} source. ! application/x-rtp,media=video ! units."
