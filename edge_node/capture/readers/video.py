"""Videos and streams that OpenCV's FFmpeg opens and decodes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from edge_node.capture.readers.interface import Feed, Memory, Taken
from shared.errors import SourceError

# OpenCV and FFmpeg would bypass our logging and write addresses with passwords to standard error. Our own
# messages say what matters.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

_OPEN_TIMEOUT_MS = 5000
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# RTSP over TCP first, as OpenCV has it by itself. Over HTTP, FFmpeg would ask servers to close connections
# that it uses again; where a server does so without a word, the first pictures are lost. Low-delay flags are
# not here: files would lose frames, and with one decoder thread the latency would stay the same.
os.environ.setdefault(_OPTIONS, "rtsp_flags;prefer_tcp|multiple_requests;1")
_RATES = 1.0, 240.0
"""Frame rates that FFmpeg's guess may have."""


class FfmpegOptions:
    """FFmpeg's options, which OpenCV takes from the environment of the whole process when it opens a stream.

    Streams without options of their own open side by side; one with options opens alone. While one waits to
    be alone, no other stream begins to open: otherwise some camera that is away could always be in its way.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._open = 0
        self._alone = False

    @contextmanager
    def use(self, options: str | None) -> Iterator[None]:
        """Open a stream inside this block."""
        with self._turn, self._changed:
            self._changed.wait_for(lambda: not self._alone and (options is None or not self._open))
            self._open += 1
            self._alone = options is not None
            before = os.environ.get(_OPTIONS)
            if options is not None:
                os.environ[_OPTIONS] = options
        try:
            yield
        finally:
            with self._changed:
                self._open -= 1
                if options is not None:
                    self._alone = False
                    if before is None:
                        del os.environ[_OPTIONS]
                    else:
                        os.environ[_OPTIONS] = before
                self._changed.notify_all()


_options = FfmpegOptions()


class Video:
    """A video file or a stream.

    Args:
        path: An absolute path, or an address with its credentials.
        refusal: What to say when it cannot be opened.
        stall_s: For streams: seconds without data after which a read gives up. None for files.
        options: FFmpeg's options, as OpenCV takes them.

    Attributes:
        feed: As for `Reader`; the caller, who knows more, may change it.
        rate: As for `Reader`; 0 when FFmpeg gives no sane one.
        length: Number of frames that the container promises; None when it does not say.
        codec: The four letters by which FFmpeg calls the codec; empty if it does not.
        bare_jpegs: Whether it is JPEGs one after the other, as far as can be seen.
        segment_s: As for `Reader`; the caller sets it.
        seconds: As for `Reader`; known with the first picture.
        guessed: Whether FFmpeg only invents time stamps; the caller may set it.
        memory: Where the pictures go; the caller may set it.

    Raises:
        SourceError: FFmpeg cannot open it.
    """

    def __init__(
        self, path: str, refusal: str, stall_s: float | None = None, options: str | None = None
    ) -> None:
        limits = []
        if stall_s is not None:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_TIMEOUT_MS]
            limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(stall_s * 1000)]
            limits += [cv2.CAP_PROP_N_THREADS, 1]  # frame threading would delay it by one frame per thread
        with _options.use(options):
            self._video = cv2.VideoCapture(path, cv2.CAP_FFMPEG, limits)
        if not self._video.isOpened():
            self._video.release()
            raise SourceError(refusal)
        self.name = "opencv ffmpeg"
        self.feed: Feed = "film" if stall_s is None else "pushed"
        rate = float(self._video.get(cv2.CAP_PROP_FPS))
        self.rate = rate if _RATES[0] <= rate <= _RATES[1] else 0.0
        frames = self._video.get(cv2.CAP_PROP_FRAME_COUNT)
        self.length = int(frames) if 0 < frames < 2**53 else None
        letters = int(self._video.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        self.codec = letters.to_bytes(4, "little").decode("latin-1").strip("\0 ")
        self.bare_jpegs = self.length is None and self.codec == "MJPG"
        self.guessed = False
        self.segment_s = 0.0
        self.seconds: float | None = None
        self.memory = Memory()
        self._last_s: float | None = None
        self._shape: tuple[int, ...] | None = None

    def read(self) -> Taken | None:
        """See `Reader`."""
        # Where the size has changed, OpenCV takes memory of its own instead.
        good, found = self._video.read(self.memory.like(self._shape))
        if not good or found is None:
            return None
        image = np.asarray(found, np.uint8)
        self._shape = image.shape
        media_s = self._video.get(cv2.CAP_PROP_POS_MSEC) / 1e3
        if self._last_s is None and self.length is not None and self.rate:
            # Some containers name the length, others the time of the end, whenever they begin.
            seconds = self.length / self.rate
            self.seconds = min(seconds, seconds - self._start(media_s))
        missing = media_s == self._last_s  # a picture without a time stamp repeats the one before
        self._last_s = media_s
        if missing or self.guessed:
            return Taken(image)
        return Taken(image, media_s)

    def starts_at(self) -> float:
        """The time stamp of the first picture, seconds, which this takes away; 0 if it cannot be known."""
        return self._start(self._video.get(cv2.CAP_PROP_POS_MSEC) / 1e3) if self._video.read()[0] else 0.0

    def _start(self, media_s: float) -> float:
        stamp = getattr(cv2, "CAP_PROP_PTS", None)  # older OpenCVs do not tell it
        return float(self._video.get(stamp)) / self.rate - media_s if stamp is not None and self.rate else 0.0

    def close(self) -> None:
        """Release the file or stream."""
        self._video.release()
