"""RTSP through GStreamer, where its libraries are installed: the newest picture, a few milliseconds old.

GStreamer decodes a frame when its last packet arrives; FFmpeg's parser waits for the first packet of the next
frame. GStreamer also uses the machine's hardware decoder by itself; NVIDIA's is not tested on a Jetson yet.

ctypes calls the C library, because PyGObject needs a compiler to install. So
`apt install gstreamer1.0-plugins-good gstreamer1.0-libav` is enough for any virtual environment. Only
functions and structures of the stable 1.x interface are used.
"""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Literal

import numpy as np

from edge_node.capture.readers.address import Address
from edge_node.capture.readers.interface import Feed, Taken
from shared.errors import SourceError
from shared.secrets.redact import redact

_SECOND = 1_000_000_000
_LOOK_NS = _SECOND // 10
"""Interval at which a wait for a picture checks for errors."""
_NONE = 2**64 - 1
_NULL, _PLAYING = 1, 4
_ERROR = 1 << 1
_NTP_TO_UNIX_NS = 2_208_988_800 * _SECOND
_JITTER_MS = {"tcp": 0, "udp": 50}
"""How long packets wait for those that they overtook."""
_NEEDED = ("rtspsrc", "decodebin", "videoconvert", "appsink")


class _Map(ctypes.Structure):
    """GstMapInfo."""

    _fields_ = (
        ("memory", c_void_p),
        ("flags", c_int),
        ("data", c_void_p),
        ("size", c_size_t),
        ("maxsize", c_size_t),
        ("user_data", c_void_p * 4),
        ("reserved", c_void_p * 4),
    )


class _MiniObject(ctypes.Structure):
    """GstMiniObject."""

    _fields_ = (
        ("type", c_size_t),
        ("refcount", c_int),
        ("lockstate", c_int),
        ("flags", c_uint32),
        ("copy", c_void_p),
        ("dispose", c_void_p),
        ("free", c_void_p),
        ("priv_uint", c_uint32),
        ("priv_pointer", c_void_p),
    )


class _Buffer(ctypes.Structure):
    """The first fields of GstBuffer."""

    _fields_ = (("mini_object", _MiniObject), ("pool", c_void_p), ("pts", c_uint64))


class _Error(ctypes.Structure):
    """GError."""

    _fields_ = (("domain", c_uint32), ("code", c_int), ("message", c_char_p))


class _TimestampMeta(ctypes.Structure):
    """GstReferenceTimestampMeta."""

    _fields_ = (
        ("flags", c_int),
        ("info", c_void_p),
        ("reference", c_void_p),
        ("timestamp", c_uint64),
        ("duration", c_uint64),
    )


_SIGNATURES: dict[str, tuple[object, ...]] = {
    # name: result, then arguments
    "gst_init_check": (c_int, c_void_p, c_void_p, c_void_p),
    "gst_version": (None, *[POINTER(c_uint32)] * 4),
    "gst_element_factory_find": (c_void_p, c_char_p),
    "gst_parse_launch": (c_void_p, c_char_p, POINTER(POINTER(_Error))),
    "gst_bin_get_by_name": (c_void_p, c_void_p, c_char_p),
    "gst_element_set_state": (c_int, c_void_p, c_int),
    "gst_element_get_bus": (c_void_p, c_void_p),
    "gst_bus_pop_filtered": (c_void_p, c_void_p, c_int),
    "gst_message_parse_error": (None, c_void_p, POINTER(POINTER(_Error)), c_void_p),
    "gst_mini_object_unref": (None, c_void_p),
    "gst_object_unref": (None, c_void_p),
    "gst_app_sink_try_pull_sample": (c_void_p, c_void_p, c_uint64),
    "gst_app_sink_is_eos": (c_int, c_void_p),
    "gst_sample_get_buffer": (POINTER(_Buffer), c_void_p),
    "gst_sample_get_caps": (c_void_p, c_void_p),
    "gst_caps_get_structure": (c_void_p, c_void_p, c_uint32),
    "gst_caps_from_string": (c_void_p, c_char_p),
    "gst_structure_get_int": (c_int, c_void_p, c_char_p, POINTER(c_int)),
    "gst_buffer_map": (c_int, POINTER(_Buffer), POINTER(_Map), c_int),
    "gst_buffer_unmap": (None, POINTER(_Buffer), POINTER(_Map)),
    "gst_buffer_get_reference_timestamp_meta": (POINTER(_TimestampMeta), POINTER(_Buffer), c_void_p),
    "g_error_free": (None, POINTER(_Error)),
}


class _Library:
    """The functions that this module calls."""

    def __init__(self) -> None:
        # This library links the others, so their functions can be found through it.
        app = ctypes.CDLL("libgstapp-1.0.so.0")
        for name, (result, *arguments) in _SIGNATURES.items():
            function = getattr(app, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> ctypes._NamedFuncPointer:
        raise AttributeError(name)

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version."""
        parts = [c_uint32() for _ in range(4)]
        self.gst_version(*[ctypes.byref(part) for part in parts])
        return parts[0].value, parts[1].value

    def has(self, element: str) -> bool:
        """Whether GStreamer has an element."""
        factory = self.gst_element_factory_find(element.encode())
        if factory:
            self.gst_object_unref(factory)
        return bool(factory)


@functools.cache
def _library() -> _Library | str:
    """GStreamer, or the reason why it cannot be used."""
    try:
        library = _Library()
    except (OSError, AttributeError) as error:
        return f"GStreamer's libraries are not installed ({error})"
    if not library.gst_init_check(None, None, None):
        return "GStreamer does not start"
    missing = [element for element in _NEEDED if not library.has(element)]
    if missing:
        return (
            f"GStreamer has no {', '.join(missing)}: "
            "apt install gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-libav"
        )
    return library


def unavailable() -> str | None:
    """The reason why GStreamer cannot be used here; None when it can."""
    library = _library()
    return library if isinstance(library, str) else None


def version() -> str:
    """GStreamer's version; empty when it cannot be used."""
    library = _library()
    return "" if isinstance(library, str) else "{}.{}".format(*library.version)


def decoders() -> list[str]:
    """Names of the hardware video decoders that GStreamer has here."""
    library = _library()
    if isinstance(library, str):
        return []
    known = ("nvv4l2decoder", "nvh264dec", "vah264dec", "vaapih264dec", "v4l2h264dec", "v4l2slh264dec")
    return [name for name in known if library.has(name)]


class GstReader:
    """An open RTSP stream.

    Args:
        address: Of the stream, with its credentials.
        shown: What to begin messages with; it must not have credentials.
        stall_s: Seconds without a picture after which the stream counts as lost.
        transport: ``tcp`` or ``udp``.

    Raises:
        SourceError: GStreamer cannot be used, or cannot open a stream of this kind.
    """

    feed: Feed = "pushed"
    rate = segment_s = 0.0
    seconds: float | None = None

    def __init__(
        self, address: Address, shown: str, stall_s: float, transport: Literal["tcp", "udp"] = "tcp"
    ) -> None:
        library = _library()
        if isinstance(library, str):
            raise SourceError(f"{shown}: {library}")
        self.name = f"gstreamer, {transport.upper()}"
        self._gst = library
        self._shown, self._stall_s = shown, stall_s
        self._ntp = library.gst_caps_from_string(b"timestamp/x-ntp")
        error = POINTER(_Error)()
        self._pipeline = library.gst_parse_launch(_pipeline(library, address, transport), ctypes.byref(error))
        if not self._pipeline:
            raise SourceError(f"{shown}: {self._text(error)}")
        self._sink = library.gst_bin_get_by_name(self._pipeline, b"sink")
        self._bus = library.gst_element_get_bus(self._pipeline)
        library.gst_element_set_state(self._pipeline, _PLAYING)

    def read(self) -> Taken | None:
        """The newest picture, with the camera's wall clock where the camera sends it (RTCP sender reports).

        Returns:
            The picture; None when the stream has ended or stalled.

        Raises:
            SourceError: The pipeline reports an error.
        """
        lost = time.monotonic() + self._stall_s
        # An error does not wake the sink: without these checks, a refusal would look like a stall.
        while not (sample := self._gst.gst_app_sink_try_pull_sample(self._sink, _LOOK_NS)):
            self._raise_error()
            if self._gst.gst_app_sink_is_eos(self._sink) or time.monotonic() >= lost:
                return None
        try:
            return self._picture(sample)
        finally:
            self._gst.gst_mini_object_unref(sample)

    def close(self) -> None:
        """Disconnect from the stream."""
        # Setting the state to NULL waits for GStreamer's threads, at most as long as one packet takes.
        self._gst.gst_element_set_state(self._pipeline, _NULL)
        for thing in (self._sink, self._bus, self._pipeline):
            self._gst.gst_object_unref(thing)
        self._gst.gst_mini_object_unref(self._ntp)

    def _picture(self, sample: int) -> Taken:
        gst = self._gst
        shape = gst.gst_caps_get_structure(gst.gst_sample_get_caps(sample), 0)
        width, height = c_int(), c_int()
        gst.gst_structure_get_int(shape, b"width", ctypes.byref(width))
        gst.gst_structure_get_int(shape, b"height", ctypes.byref(height))
        buffer = gst.gst_sample_get_buffer(sample)
        with self._mapped(buffer) as mapped:
            data = (ctypes.c_uint8 * mapped.size).from_address(mapped.data)
            rows = np.frombuffer(data, np.uint8).reshape(height.value, -1)
            # Rows are padded to four bytes. The memory belongs to the decoder, so the picture is copied.
            image = rows[:, : width.value * 3].reshape(height.value, width.value, 3).copy()
        pts = buffer.contents.pts
        meta = gst.gst_buffer_get_reference_timestamp_meta(buffer, self._ntp)
        wall = int(meta.contents.timestamp) - _NTP_TO_UNIX_NS if meta else None
        return Taken(image, None if pts == _NONE else pts / _SECOND, wall)

    @contextmanager
    def _mapped(self, buffer: object) -> Iterator[_Map]:
        mapped = _Map()
        if not self._gst.gst_buffer_map(buffer, ctypes.byref(mapped), 1):
            raise SourceError(f"{self._shown}: GStreamer cannot map a picture into memory")
        try:
            yield mapped
        finally:
            self._gst.gst_buffer_unmap(buffer, ctypes.byref(mapped))

    def _raise_error(self) -> None:
        message = self._gst.gst_bus_pop_filtered(self._bus, _ERROR)
        if message:
            error = POINTER(_Error)()
            self._gst.gst_message_parse_error(message, ctypes.byref(error), None)
            self._gst.gst_mini_object_unref(message)
            raise SourceError(f"{self._shown}: {self._text(error)}")

    def _text(self, error: ctypes._Pointer[_Error]) -> str:
        if not error:
            return "GStreamer gives no reason"
        text = (error.contents.message or b"").decode(errors="replace")
        self._gst.g_error_free(error)
        return redact(text)[:300]


def _quoted(text: bytes) -> bytes:
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _pipeline(library: _Library, address: Address, transport: str) -> bytes:
    """The pipeline in GStreamer's own notation."""
    # TCP keeps the order, so it needs no jitter buffer. Pictures are dropped only after decoding: the decoder
    # needs each one for those that follow.
    source = f"rtspsrc protocols={transport} latency={_JITTER_MS[transport]} timeout=0 tcp-timeout=5000000"
    if library.version >= (1, 22):
        source += " add-reference-timestamp-meta=true"
    if library.has("nvv4l2decoder") and library.has(
        "nvvidconv"
    ):  # a Jetson: its hardware converts colours too
        convert = "nvvidconv ! video/x-raw,format=BGRx ! videoconvert"
    else:
        convert = "videoconvert"
    sink = "appsink name=sink drop=true max-buffers=1 sync=false"
    named = b"location=" + _quoted(address.bare.encode())
    if address.login is not None:
        user, password = address.login
        named += b" user-id=" + _quoted(user) + b" user-pw=" + _quoted(password)
    chain = f"decodebin ! {convert} ! video/x-raw,format=BGR ! {sink}"
    return source.encode() + b" " + named + b" ! " + chain.encode()
