"""GStreamer's C library, called through ctypes, because PyGObject needs a compiler to install.

So `apt install gstreamer1.0-plugins-good gstreamer1.0-libav` is enough for any virtual environment. Only
functions and structures of the stable 1.x interface are used.
"""

from __future__ import annotations

import ctypes
import functools
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p

_NEEDED = ("rtspsrc", "decodebin", "videoconvert", "appsink")


class Map(ctypes.Structure):
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


class MiniObject(ctypes.Structure):
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


class Buffer(ctypes.Structure):
    """The first fields of GstBuffer."""

    _fields_ = (("mini_object", MiniObject), ("pool", c_void_p), ("pts", c_uint64))


class Error(ctypes.Structure):
    """GError."""

    _fields_ = (("domain", c_uint32), ("code", c_int), ("message", c_char_p))


class TimestampMeta(ctypes.Structure):
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
    "gst_parse_launch": (c_void_p, c_char_p, POINTER(POINTER(Error))),
    "gst_bin_get_by_name": (c_void_p, c_void_p, c_char_p),
    "gst_element_set_state": (c_int, c_void_p, c_int),
    "gst_element_get_bus": (c_void_p, c_void_p),
    "gst_bus_pop_filtered": (c_void_p, c_void_p, c_int),
    "gst_message_parse_error": (None, c_void_p, POINTER(POINTER(Error)), c_void_p),
    "gst_mini_object_unref": (None, c_void_p),
    "gst_object_unref": (None, c_void_p),
    "gst_app_sink_try_pull_sample": (c_void_p, c_void_p, c_uint64),
    "gst_app_sink_is_eos": (c_int, c_void_p),
    "gst_sample_get_buffer": (POINTER(Buffer), c_void_p),
    "gst_sample_get_caps": (c_void_p, c_void_p),
    "gst_caps_get_structure": (c_void_p, c_void_p, c_uint32),
    "gst_caps_from_string": (c_void_p, c_char_p),
    "gst_structure_get_name": (c_char_p, c_void_p),
    "gst_structure_get_string": (c_char_p, c_void_p, c_char_p),
    "gst_structure_get_int": (c_int, c_void_p, c_char_p, POINTER(c_int)),
    "gst_buffer_map": (c_int, POINTER(Buffer), POINTER(Map), c_int),
    "gst_buffer_unmap": (None, POINTER(Buffer), POINTER(Map)),
    "gst_buffer_get_reference_timestamp_meta": (POINTER(TimestampMeta), POINTER(Buffer), c_void_p),
    "g_error_free": (None, POINTER(Error)),
}


class Library:
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
def loaded() -> Library | str:
    """GStreamer, or the reason why it cannot be used."""
    try:
        library = Library()
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
    library = loaded()
    return library if isinstance(library, str) else None


def version() -> str:
    """GStreamer's version; empty when it cannot be used."""
    library = loaded()
    return "" if isinstance(library, str) else "{}.{}".format(*library.version)


def decoders() -> list[str]:
    """Names of the hardware video decoders that GStreamer has here."""
    library = loaded()
    if isinstance(library, str):
        return []
    known = ("nvv4l2decoder", "nvh264dec", "vah264dec", "vaapih264dec", "v4l2h264dec", "v4l2slh264dec")
    return [name for name in known if library.has(name)]
