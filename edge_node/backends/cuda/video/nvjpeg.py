"""CUDA's JPEG encoder, nvJPEG of CUDA 11 to 13, without a wrapper."""

from __future__ import annotations

import ctypes
import logging
from typing import Any

from edge_node.backends.cuda.device import Device
from edge_node.machine.gpu_software import jpeg_libraries

log = logging.getLogger("darner.backend")

_BGR = 6
"""Input format: BGR, interleaved."""
_HALVED = 2
"""Chroma at half the width and height, as OpenCV encodes it."""

_P, _I = ctypes.c_void_p, ctypes.c_int
_ARGUMENTS: dict[str, list[type]] = {
    "nvjpegCreateSimple": [ctypes.POINTER(_P)],
    "nvjpegEncoderStateCreate": [_P, ctypes.POINTER(_P), _P],
    "nvjpegEncoderParamsCreate": [_P, ctypes.POINTER(_P), _P],
    "nvjpegEncoderParamsSetQuality": [_P, _I, _P],
    "nvjpegEncoderParamsSetSamplingFactors": [_P, _I, _P],
    "nvjpegEncodeImage": [_P, _P, _P, _P, _I, _I, _I, _P],
    "nvjpegEncodeRetrieveBitstream": [_P, _P, _P, ctypes.POINTER(ctypes.c_size_t), _P],
}


class _Image(ctypes.Structure):
    """`nvjpegImage_t`: up to four planes and their pitches."""

    _fields_ = [("channel", _P * 4), ("pitch", ctypes.c_size_t * 4)]


class JpegError(Exception):
    """nvJPEG refuses a call."""


class Nvjpeg:
    """The loaded library; it stays until the process ends. The context must be current whenever it is used.

    Args:
        path: Name or path of the library.

    Attributes:
        handle: For all calls; any thread may use it.

    Raises:
        JpegError: The library cannot be used here.
    """

    def __init__(self, path: str) -> None:
        try:
            self._library = ctypes.CDLL(path)
            for name, arguments in _ARGUMENTS.items():
                getattr(self._library, name).argtypes = arguments
        except (OSError, AttributeError) as error:
            raise JpegError(str(error)) from None
        self.handle = _P()
        self.call("nvjpegCreateSimple", ctypes.byref(self.handle))

    def call(self, name: str, *arguments: object) -> None:
        """Call a function of the library.

        Raises:
            JpegError: It does not return 0.
        """
        status = getattr(self._library, name)(*arguments)
        if status:
            raise JpegError(f"{name} returned {status}")


class JpegEncoder:
    """Encodes one picture after the other; one thread at a time may use it, and the context must be current.

    Args:
        nvjpeg: The library.
        stream: The stream that it works on, of pycuda.

    Raises:
        JpegError: The GPU has no memory left, for instance.
    """

    def __init__(self, nvjpeg: Nvjpeg, stream: Any) -> None:
        self._nvjpeg, self._stream = nvjpeg, stream
        self._state, self._parameters = _P(), _P()
        nvjpeg.call("nvjpegEncoderStateCreate", nvjpeg.handle, ctypes.byref(self._state), stream.handle)
        nvjpeg.call("nvjpegEncoderParamsCreate", nvjpeg.handle, ctypes.byref(self._parameters), stream.handle)
        nvjpeg.call("nvjpegEncoderParamsSetSamplingFactors", self._parameters, _HALVED, stream.handle)

    def encode(self, address: int, width: int, height: int, quality: int) -> bytes:
        """A picture as JPEG, after what the stream has to do before.

        Args:
            address: Of the picture on the GPU, u8 ``(height, width, 3)``, BGR.
            width: Pixels.
            height: Pixels.
            quality: 1..100.

        Raises:
            JpegError: nvJPEG cannot encode it.
        """
        call, handle, stream = self._nvjpeg.call, self._nvjpeg.handle, self._stream.handle
        image = _Image((_P * 4)(address), (ctypes.c_size_t * 4)(3 * width))
        call("nvjpegEncoderParamsSetQuality", self._parameters, quality, stream)
        call(
            "nvjpegEncodeImage",
            *(handle, self._state, self._parameters, ctypes.byref(image), _BGR, width, height, stream),
        )
        size = ctypes.c_size_t()
        call("nvjpegEncodeRetrieveBitstream", handle, self._state, None, ctypes.byref(size), stream)
        data = ctypes.create_string_buffer(size.value)
        call("nvjpegEncodeRetrieveBitstream", handle, self._state, data, ctypes.byref(size), stream)
        self._stream.synchronize()  # The library does not promise that the bytes are there when it returns.
        return data.raw[: size.value]


def find(gpu: Device) -> Nvjpeg | None:
    """nvJPEG, if it is installed and works here; the context must be current."""
    for path in jpeg_libraries():  # one may be too new for the driver
        try:
            return Nvjpeg(path)
        except JpegError as error:
            log.info("%s cannot encode on %s: %s", path, gpu.name, error)
    return None
