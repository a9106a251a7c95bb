"""RTSP through GStreamer, where its libraries are installed: the newest picture, a few milliseconds old.

GStreamer decodes a frame when its last packet arrives; FFmpeg's parser waits for the first packet of the next
frame. GStreamer also uses the machine's hardware decoder by itself; NVIDIA's is not tested on a Jetson yet.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_int
from typing import Any, Literal, NamedTuple

import numpy as np

from edge_node.capture.readers.address import Address
from edge_node.capture.readers.gstreamer_library import Error, Library, Map, loaded
from edge_node.capture.readers.interface import Feed, Memory, Taken
from shared.errors import SourceError
from shared.secrets.redact import redact

_SECOND = 1_000_000_000
_LOOK_NS = _SECOND // 10
"""Interval at which a wait for a picture checks for errors."""
_NONE = 2**64 - 1
"""GStreamer's value for a time that is not known."""
_NULL, _PLAYING = 1, 4
_ERROR = 1 << 1
_NTP_TO_UNIX_NS = 2_208_988_800 * _SECOND
_JITTER_MS = {"tcp": 0, "udp": 50}
"""How long packets wait for those that they overtook."""
Transport = Literal["tcp", "udp"]


class Sample(NamedTuple):
    """What GStreamer hands over: pointers to its sample, the structure of its caps, and its buffer."""

    handle: int
    shape: int
    buffer: Any


class GstStream:
    """An open RTSP stream, as GStreamer's samples: buffers with their caps.

    Args:
        address: Of the stream, with its credentials.
        shown: What to begin messages with; it must not have credentials.
        stall_s: Seconds without a sample after which the stream counts as lost.
        transport: ``tcp`` or ``udp``.
        chain: The pipeline behind `rtspsrc name=source`, in GStreamer's notation, with an appsink `sink`.

    Raises:
        SourceError: GStreamer cannot be used, or cannot open a stream of this kind.
    """

    def __init__(
        self,
        address: Address,
        shown: str,
        stall_s: float,
        transport: Transport,
        chain: Callable[[Library], str],
    ) -> None:
        library = loaded()
        if isinstance(library, str):
            raise SourceError(f"{shown}: {library}")
        self._gst = library
        self._shown, self._stall_s = shown, stall_s
        error = POINTER(Error)()
        source = _source(library, address, transport) + chain(library).encode()
        self._pipeline = library.gst_parse_launch(source, ctypes.byref(error))
        reason = self._text(error)  # GStreamer may complain and make a pipeline all the same
        if not self._pipeline:
            raise SourceError(f"{shown}: {reason}")
        self._ntp = library.gst_caps_from_string(b"timestamp/x-ntp")
        self._sink = library.gst_bin_get_by_name(self._pipeline, b"sink")
        self._bus = library.gst_element_get_bus(self._pipeline)
        library.gst_element_set_state(self._pipeline, _PLAYING)

    def next(self) -> Sample | None:
        """Wait for the next sample; it is good until `done`.

        Returns:
            The sample; None when the stream has ended or stalled.

        Raises:
            SourceError: The pipeline reports an error.
        """
        lost = time.monotonic() + self._stall_s
        # An error does not wake the sink: without these checks, a refusal would look like a stall.
        while (sample := self._pull(_LOOK_NS)) is None:
            self._raise_error()
            if self._gst.gst_app_sink_is_eos(self._sink) or time.monotonic() >= lost:
                return None
        return sample

    def waiting(self) -> Sample | None:
        """The next sample if it is there already."""
        return self._pull(0)

    def done(self, sample: Sample) -> None:
        """Give a sample back."""
        self._gst.gst_mini_object_unref(sample.handle)

    def number(self, sample: Sample, name: bytes) -> int:
        """A whole number of a sample's caps; 0 if they have none of this name."""
        found = c_int()
        self._gst.gst_structure_get_int(sample.shape, name, ctypes.byref(found))
        return found.value

    def text(self, sample: Sample, name: bytes) -> str:
        """A text of a sample's caps; empty if they have none of this name."""
        return (self._gst.gst_structure_get_string(sample.shape, name) or b"").decode()

    def kind(self, sample: Sample) -> str:
        """A sample's media type, such as "video/x-h264"."""
        return str(self._gst.gst_structure_get_name(sample.shape).decode())

    def times(self, sample: Sample) -> tuple[float | None, int | None]:
        """The stream's time in seconds and the sender's wall clock in nanoseconds, where they are known."""
        pts = sample.buffer.contents.pts
        meta = self._gst.gst_buffer_get_reference_timestamp_meta(sample.buffer, self._ntp)
        wall = int(meta.contents.timestamp) - _NTP_TO_UNIX_NS if meta else None
        return None if pts == _NONE else pts / _SECOND, wall

    @contextmanager
    def mapped(self, sample: Sample) -> Iterator[Map]:
        """A sample's bytes."""
        mapped = Map()
        if not self._gst.gst_buffer_map(sample.buffer, ctypes.byref(mapped), 1):
            raise SourceError(f"{self._shown}: GStreamer cannot map a picture into memory")
        try:
            yield mapped
        finally:
            self._gst.gst_buffer_unmap(sample.buffer, ctypes.byref(mapped))

    def close(self) -> None:
        """Disconnect from the stream."""
        # Setting the state to NULL waits for GStreamer's threads, at most as long as one packet takes.
        self._gst.gst_element_set_state(self._pipeline, _NULL)
        for thing in (self._sink, self._bus, self._pipeline):
            self._gst.gst_object_unref(thing)
        self._gst.gst_mini_object_unref(self._ntp)

    def _pull(self, within_ns: int) -> Sample | None:
        gst = self._gst
        sample = gst.gst_app_sink_try_pull_sample(self._sink, within_ns)
        if not sample:
            return None
        shape = gst.gst_caps_get_structure(gst.gst_sample_get_caps(sample), 0)
        return Sample(sample, shape, gst.gst_sample_get_buffer(sample))

    def _raise_error(self) -> None:
        message = self._gst.gst_bus_pop_filtered(self._bus, _ERROR)
        if message:
            error = POINTER(Error)()
            self._gst.gst_message_parse_error(message, ctypes.byref(error), None)
            self._gst.gst_mini_object_unref(message)
            raise SourceError(f"{self._shown}: {self._text(error)}")

    def _text(self, error: ctypes._Pointer[Error]) -> str:
        if not error:
            return "GStreamer gives no reason"
        text = (error.contents.message or b"").decode(errors="replace")
        self._gst.g_error_free(error)
        return redact(text)[:300]


class GstReader:
    """An open RTSP stream, decoded by GStreamer.

    Args:
        address: Of the stream, with its credentials.
        shown: What to begin messages with; it must not have credentials.
        stall_s: Seconds without a picture after which the stream counts as lost.
        transport: ``tcp`` or ``udp``.

    Attributes:
        memory: Where the pictures go; the caller may set it.

    Raises:
        SourceError: GStreamer cannot be used, or cannot open a stream of this kind.
    """

    feed: Feed = "pushed"
    rate = segment_s = 0.0
    seconds: float | None = None

    def __init__(self, address: Address, shown: str, stall_s: float, transport: Transport = "tcp") -> None:
        self._stream = GstStream(address, shown, stall_s, transport, _decoding)
        self.name = f"gstreamer, {transport.upper()}"
        self.memory = Memory()

    def read(self) -> Taken | None:
        """The newest picture, with the camera's wall clock where the camera sends it (RTCP sender reports).

        Returns:
            The picture; None when the stream has ended or stalled.

        Raises:
            SourceError: The pipeline reports an error.
        """
        stream = self._stream
        sample = stream.next()
        if sample is None:
            return None
        try:
            width, height = stream.number(sample, b"width"), stream.number(sample, b"height")
            with stream.mapped(sample) as mapped:
                data = (ctypes.c_uint8 * mapped.size).from_address(mapped.data)
                rows = np.frombuffer(data, np.uint8).reshape(height, -1)
                # Rows are padded to four bytes. The memory belongs to the decoder, so the picture is copied.
                image = self.memory.room(height, width)
                np.copyto(image, rows[:, : width * 3].reshape(height, width, 3))
            return Taken(image, *stream.times(sample))
        finally:
            stream.done(sample)

    def close(self) -> None:
        """Disconnect from the stream."""
        self._stream.close()


def _quoted(text: bytes) -> bytes:
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _source(library: Library, address: Address, transport: Transport) -> bytes:
    """The camera, in GStreamer's own notation."""
    # TCP keeps the order, so it needs no jitter buffer.
    source = f"rtspsrc name=source protocols={transport} latency={_JITTER_MS[transport]} timeout=0"
    source += " tcp-timeout=5000000"
    if library.version >= (1, 22):
        source += " add-reference-timestamp-meta=true"
    named = b" location=" + _quoted(address.bare.encode())
    if address.login is not None:
        user, password = address.login
        named += b" user-id=" + _quoted(user) + b" user-pw=" + _quoted(password)
    return source.encode() + named


def _decoding(library: Library) -> str:
    """From packets to BGR."""
    # Pictures are dropped only after decoding: the decoder needs each one for those that follow.
    # A Jetson's hardware converts colours, too.
    if library.has("nvv4l2decoder") and library.has("nvvidconv"):
        convert = "nvvidconv ! video/x-raw,format=BGRx ! videoconvert"
    else:
        convert = "videoconvert"
    sink = "appsink name=sink drop=true max-buffers=1 sync=false"
    return f" ! decodebin ! {convert} ! video/x-raw,format=BGR ! {sink}"
