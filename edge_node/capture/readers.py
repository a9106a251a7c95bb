"""Readers open one source and give its pictures one by one: with OpenCV, with GStreamer, or from a folder."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from edge_node.capture import gstreamer
from edge_node.config.camera_settings import CameraSettings
from edge_node.config.sources import describe, is_live, pictures
from edge_node.frames import U8
from shared.errors import SourceError
from shared.pictures import read_jpeg_header
from shared.secrets.redact import redact_address

log = logging.getLogger("darner.capture")

# OpenCV and FFmpeg would bypass our logging and write addresses with passwords to standard error. Our own
# messages say what matters.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

_OPEN_TIMEOUT_MS = 5000
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
)
# Protocols whose time stamps come from the camera; FFmpeg only guesses those of MJPEG over HTTP.
_CLOCKED = ("rtsp://", "rtsps://", "rtmp://", "srt://")


@dataclass(frozen=True, slots=True)
class Taken:
    """A picture, and what the source says about when it was taken.

    Attributes:
        image: u8 ``(H, W, 3)``, BGR.
        media_s: Time on the source's own clock, seconds since an arbitrary start; None when it has no clock.
        sender_ns: Time on the sender's wall clock, nanoseconds since 1970; None when it is not sent.
    """

    image: U8
    media_s: float | None = None
    sender_ns: int | None = None


class Reader(Protocol):
    """An open source.

    Attributes:
        name: The library that decodes it.
    """

    name: str

    def read(self) -> Taken | None:
        """The next picture; None when the source has ended or the stream has stalled.

        Raises:
            SourceError: The source reports an error.
        """

    def close(self) -> None:
        """Release the camera or file."""


def open_source(camera: str, settings: CameraSettings) -> Reader:
    """Open a camera's source with the reader that fits it.

    Raises:
        SourceError: The source cannot be opened.
    """
    source = settings.source
    if isinstance(source, str) and "://" in source:
        return _open_stream(camera, source, settings)
    if isinstance(source, str) and not is_live(source):
        path = Path(source).expanduser()
        if path.is_dir():
            return _Folder(path, settings.fps)
        video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        return _Video(video, f"camera {camera}: cannot open {path.name}: {_NO_VIDEO}", _position)
    return _open_device(camera, source, settings)


_NO_VIDEO = "it is not a video that OpenCV's FFmpeg can read"


def _open_stream(camera: str, url: str, settings: CameraSettings) -> Reader:
    shown = f"camera {camera}: cannot open {redact_address(url)}"
    rtsp = url.startswith(("rtsp://", "rtsps://"))
    if settings.reader == "gstreamer" or (settings.reader == "auto" and rtsp and not gstreamer.unavailable()):
        return _Gst(gstreamer.GstReader(url, redact_address(url), settings.stall_s))
    limits = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        _OPEN_TIMEOUT_MS,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        round(settings.stall_s * 1000),
        cv2.CAP_PROP_N_THREADS,
        1,  # frame threading would delay the stream by one frame per thread
    ]
    # RTSP over TCP is OpenCV's default. Low-delay flags (OPENCV_FFMPEG_CAPTURE_OPTIONS) would apply to the
    # whole process: files would lose frames, and with one decoder thread the latency would stay the same.
    video = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
    return _Video(video, f"{shown}: {_AWAY}", _position if url.startswith(_CLOCKED) else _no_time)


_AWAY = "is the camera on, not used by another program, and are user and password right?"


def _open_device(camera: str, source: int | str, settings: CameraSettings) -> Reader:
    index: int | str = int(source) if isinstance(source, int) or source.isdecimal() else source
    if isinstance(index, str) and (found := re.fullmatch(r"/dev/video(\d+)", index)):
        index = int(found[1])
    device = cv2.VideoCapture(index, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
    device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    video = _Video(device, f"camera {camera}: cannot open {describe(source)}: {_AWAY}", _no_time)
    if settings.decode_width and _takes_jpegs(device):
        return _Webcam(device, settings.decode_width)
    return video


def _takes_jpegs(device: cv2.VideoCapture) -> bool:
    """Ask a webcam for its JPEGs undecoded; True if it agrees."""
    motion_jpeg = cv2.VideoWriter.fourcc(*"MJPG")
    device.set(cv2.CAP_PROP_FOURCC, motion_jpeg)
    return int(device.get(cv2.CAP_PROP_FOURCC)) == motion_jpeg and device.set(cv2.CAP_PROP_CONVERT_RGB, 0)


def _position(video: cv2.VideoCapture) -> float | None:
    return video.get(cv2.CAP_PROP_POS_MSEC) / 1e3


def _no_time(_: cv2.VideoCapture) -> float | None:
    return None


class _Video:
    """A source that OpenCV opens and decodes."""

    def __init__(
        self, opened: cv2.VideoCapture, refusal: str, media_s: Callable[[cv2.VideoCapture], float | None]
    ) -> None:
        self._opened, self._media_s = opened, media_s
        if not opened.isOpened():
            opened.release()
            raise SourceError(refusal)
        self.name = f"opencv {opened.getBackendName().lower()}"

    def read(self) -> Taken | None:
        """See `Reader`."""
        good, image = self._opened.read()
        if not good or image is None:
            return None
        return Taken(np.asarray(image, np.uint8), self._media_s(self._opened))

    def close(self) -> None:
        """Release the device or file."""
        self._opened.release()


class _Webcam:
    """A webcam that gives JPEGs, decoded at a half, a quarter or an eighth of their size if that is enough.

    The decoding is tested. The two settings of the device are not tested on a webcam yet.
    """

    name = "opencv v4l2, MJPEG"

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


class _Gst:
    """A stream through GStreamer."""

    name = "gstreamer"

    def __init__(self, stream: gstreamer.GstReader) -> None:
        self._stream = stream

    def read(self) -> Taken | None:
        """See `Reader`."""
        taken = self._stream.read()
        return None if taken is None else Taken(*taken)

    def close(self) -> None:
        """Disconnect from the stream."""
        self._stream.close()


class _Folder:
    """The pictures of a folder by name; one that cannot be read is skipped with a warning."""

    name = "opencv images"

    def __init__(self, path: Path, fps: float) -> None:
        self._files = iter(enumerate(pictures(path)))
        self._fps = fps

    def read(self) -> Taken | None:
        """See `Reader`; the media time follows from the picture's place in the folder."""
        for index, path in self._files:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is not None:
                return Taken(np.asarray(image, np.uint8), index / self._fps)
            log.warning("%s: not a picture that OpenCV can read; skipped", path)
        return None

    def close(self) -> None:
        """Nothing is held open."""


def length(source: int | str) -> int | None:
    """Number of frames of a file, or of pictures in a folder; None if the file does not say."""
    path = Path(str(source)).expanduser()
    if path.is_dir():
        return len(pictures(path))
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        return max(0, int(video.get(cv2.CAP_PROP_FRAME_COUNT))) or None
    finally:
        video.release()


def frame_rate(source: int | str) -> float | None:
    """Frames a second of a file; None for a folder, or if the file does not say."""
    video = cv2.VideoCapture(str(Path(str(source)).expanduser()), cv2.CAP_FFMPEG)
    try:
        rate = float(video.get(cv2.CAP_PROP_FPS))
        return rate if rate > 0 else None
    finally:
        video.release()
