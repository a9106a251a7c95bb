"""Webcams, through OpenCV."""

from __future__ import annotations

import os
import re
import sys

import cv2
import numpy as np

from edge_node.capture.readers.interface import Feed, Reader, Taken
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.sources import describe, path_of
from edge_node.pictures import U8
from shared.errors import SourceError
from shared.pictures import read_jpeg_header

_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)
_AWAY = "is it plugged in, not used by another program, and may this user read it (group video)?"


def open_device(camera: str, settings: CameraSettings) -> Reader:
    """Open a webcam.

    Raises:
        SourceError: It cannot be opened.
    """
    source = settings.source
    path = path_of(source)
    index: int | str = int(source) if path is None else os.path.realpath(path)
    if isinstance(index, str) and (found := re.fullmatch(r"/dev/video(\d+)", index)):
        index = int(found[1])
    device = cv2.VideoCapture(index, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
    if not device.isOpened():
        device.release()
        raise SourceError(f"camera {camera}: cannot open {describe(source)}: {_AWAY}")
    device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    if settings.decode_width and _takes_jpegs(device):
        return _JpegWebcam(device, settings.decode_width)
    return _Webcam(device)


def _takes_jpegs(device: cv2.VideoCapture) -> bool:
    """Ask a webcam for its JPEGs undecoded; True if it agrees."""
    motion_jpeg = cv2.VideoWriter.fourcc(*"MJPG")
    device.set(cv2.CAP_PROP_FOURCC, motion_jpeg)
    return int(device.get(cv2.CAP_PROP_FOURCC)) == motion_jpeg and device.set(cv2.CAP_PROP_CONVERT_RGB, 0)


class _Webcam:
    """A webcam that OpenCV decodes."""

    feed: Feed = "pushed"
    rate = segment_s = 0.0
    seconds: float | None = None

    def __init__(self, opened: cv2.VideoCapture) -> None:
        self._opened = opened
        self.name = f"opencv {opened.getBackendName().lower()}"

    def read(self) -> Taken | None:
        """See `Reader`."""
        good, image = self._opened.read()
        return Taken(np.asarray(image, np.uint8)) if good and image is not None else None

    def close(self) -> None:
        """Release the device."""
        self._opened.release()


class _JpegWebcam:
    """A webcam that gives JPEGs, decoded at a half, a quarter or an eighth of their size if that is enough.

    The decoding is tested. The two settings of the device are not tested on a webcam yet.
    """

    name = "opencv v4l2, MJPEG"
    feed: Feed = "pushed"
    rate = segment_s = 0.0
    seconds: float | None = None

    def __init__(self, opened: cv2.VideoCapture, width: int) -> None:
        self._opened, self._width = opened, width

    def read(self) -> Taken | None:
        """See `Reader`; damaged pictures are skipped."""
        while True:
            good, jpeg = self._opened.read()
            if not good or jpeg is None:
                return None
            image = decode_reduced(np.asarray(jpeg, np.uint8).ravel(), self._width)
            if image is not None:
                return Taken(image)

    def close(self) -> None:
        """Release the device."""
        self._opened.release()


def decode_reduced(jpeg: U8, width: int) -> U8 | None:
    """Decode a JPEG at the smallest size that is still wide enough, which takes less time.

    Args:
        jpeg: u8 ``(N,)``, the file.
        width: Least width of the result, pixels.

    Returns:
        u8 ``(H, W, 3)``, BGR; None when the bytes are not a JPEG.
    """
    header = read_jpeg_header(jpeg.tobytes())
    wide = header.width if header else 0
    flags = [flag for factor, flag in _REDUCED if wide >= width * factor]
    image = cv2.imdecode(jpeg, flags[0] if flags else cv2.IMREAD_COLOR)
    return None if image is None else np.asarray(image, np.uint8)
