"""Cameras, streams, files and image folders to frames; live sources reconnect by themselves."""

from __future__ import annotations

import logging
import os
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import cv2

from edge_node.config import CameraSettings
from edge_node.frames import U8, Frame
from shared.errors import SourceError
from shared.log import redact
from shared.messages import CameraState

log = logging.getLogger("darner.capture")

# OpenCV and FFmpeg write to standard error past our logging, addresses with passwords included; what matters
# of it is in our own messages.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

_IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
_OPEN_TIMEOUT_MS = 5000
_READ_TIMEOUT_MS = 4000  # shorter than the 5 s a shutdown may take
_RETRY_S = 2.0
"""Longest wait for a camera that is away: it is seen again within 5 s of its return, opening it included."""

OnStatus = Callable[[CameraState, str | None], None]
"""Called with what the camera is doing now, and why."""


class Reader(Protocol):
    """An open source."""

    def read(self) -> tuple[U8, float | None] | None:
        """The next picture and its media time in seconds (None for live sources); None at the end."""

    def close(self) -> None:
        """Release the camera or file."""


def is_live(source: int | str) -> bool:
    """Whether a source goes on without us, so that frames not taken are lost."""
    return isinstance(source, int) or source.isdecimal() or source.startswith("/dev/") or "://" in source


def describe(source: int | str) -> str:
    """A source as it may be shown: without credentials, and of a file only its name."""
    if is_live(source):
        return redact(str(source))
    return Path(str(source)).name


def check_source(camera: str, source: int | str) -> None:
    """Refuse at start-up what can never work.

    Raises:
        SourceError: A file or folder does not exist, or a folder has no pictures.
    """
    if is_live(source):
        return
    path = Path(str(source)).expanduser()
    if not path.exists():
        raise SourceError(f"camera {camera}: source {source!r}: no such file, folder, device or URL")
    if path.is_dir() and not _pictures(path):
        raise SourceError(
            f"camera {camera}: source {source!r}: no pictures ({', '.join(sorted(_IMAGES))}) in it"
        )


def capture(
    camera: str, settings: CameraSettings, stop: threading.Event, on_status: OnStatus
) -> Iterator[Frame]:
    """Frames of one camera until it ends or `stop` is set.

    Live sources: reconnects for ever with backoff and jitter. Files and folders: every frame, once or looped,
    timed by the media clock.

    Raises:
        SourceError: A file cannot be read.
    """
    frames = _live if is_live(settings.source) else _recorded
    for frame in frames(camera, settings, stop, on_status):
        if frame.seq == 0 or frame.restarted:
            on_status("streaming", None)
        yield frame
    on_status("ended", None)


def _live(
    camera: str, settings: CameraSettings, stop: threading.Event, on_status: OnStatus
) -> Iterator[Frame]:
    seq, failures = 0, 0
    while not stop.is_set():
        try:
            with closing(_open(camera, settings)) as reader:
                restarted = seq > 0
                while not stop.is_set() and (taken := reader.read()) is not None:
                    yield Frame(camera, seq, time.time_ns(), time.monotonic_ns(), taken[0], restarted)
                    seq, restarted, failures = seq + 1, False, 0
                reason = f"camera {camera}: no more frames come from {describe(settings.source)}"
        except SourceError as error:
            reason = str(error)
        if stop.is_set():
            return
        wait = min(_RETRY_S, 2.0**failures) * random.uniform(0.5, 1.0)
        failures += 1
        on_status("reconnecting", reason)
        (log.warning if failures == 1 else log.debug)("%s; trying again until it works", reason)
        stop.wait(wait)


def _recorded(
    camera: str,
    settings: CameraSettings,
    stop: threading.Event,
    on_status: OnStatus,  # noqa: ARG001 - as _live
) -> Iterator[Frame]:
    seq, base_s, started = 0, 0.0, time.monotonic()
    step_s = 1.0 / settings.fps
    while not stop.is_set():
        last_s, restarted = base_s, seq > 0
        with closing(_open(camera, settings)) as reader:
            while not stop.is_set() and (taken := reader.read()) is not None:
                image, media_s = taken
                now_s = base_s + (media_s or 0.0)
                if restarted or seq == 0:
                    pass
                elif now_s > last_s:
                    step_s = now_s - last_s
                else:  # no or broken time stamps: time goes on all the same
                    now_s = last_s + step_s
                if settings.pace == "realtime":
                    ahead = started + now_s - time.monotonic()
                    if ahead < -1.0:  # held up: go on at the pace it was filmed, not at a rush
                        started -= ahead
                    stop.wait(max(0.0, ahead))
                yield Frame(camera, seq, time.time_ns(), round(now_s * 1e9), image, restarted)
                seq, last_s, restarted = seq + 1, now_s, False
        if seq == 0 and not stop.is_set():
            raise SourceError(f"camera {camera}: source {settings.source!r}: no frame can be read from it")
        if not settings.loop:
            return
        base_s = last_s + step_s


def _open(camera: str, settings: CameraSettings) -> Reader:
    source = settings.source
    if isinstance(source, str) and source.isdecimal():
        source = int(source)
    shown = describe(source)
    if isinstance(source, str) and not is_live(source):
        path = Path(source).expanduser()
        return (
            _Folder(path, settings.fps) if path.is_dir() else _Video(_file(path), shown, camera, live=False)
        )
    return _Video(_device(source), shown, camera, live=True)


def _file(path: Path) -> cv2.VideoCapture:
    return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)


def _device(source: int | str) -> cv2.VideoCapture:
    if isinstance(source, str) and "://" in source:
        # RTSP over TCP is OpenCV's default. OPENCV_FFMPEG_CAPTURE_OPTIONS would take low-delay flags, but for
        # the whole process: with them, files lose their last frames.
        limits = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            _OPEN_TIMEOUT_MS,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            _READ_TIMEOUT_MS,
            cv2.CAP_PROP_N_THREADS,
            1,  # frame threading would hold one frame back per thread
        ]
        return cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
    if isinstance(source, str) and (found := re.fullmatch(r"/dev/video(\d+)", source)):
        source = int(found[1])
    device = cv2.VideoCapture(source, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
    device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return device


class _Video:
    """Anything OpenCV opens."""

    def __init__(self, opened: cv2.VideoCapture, shown: str, camera: str, *, live: bool) -> None:
        self._opened = opened
        self._live = live
        if not opened.isOpened():
            opened.release()
            hint = (
                "is it there, free and allowed?" if live else "it is no video that OpenCV's FFmpeg can read"
            )
            raise SourceError(f"camera {camera}: cannot open {shown}: {hint}")

    def read(self) -> tuple[U8, float | None] | None:
        """The next picture and its media time."""
        good, image = self._opened.read()
        if not good or image is None:
            return None
        media_s = None if self._live else self._opened.get(cv2.CAP_PROP_POS_MSEC) / 1e3
        return image, media_s  # type: ignore[return-value]  # OpenCV's stubs allow any dtype; read() gives u8

    def close(self) -> None:
        """Release the device or file."""
        self._opened.release()


class _Folder:
    """Pictures of a folder in the order of their names; unreadable ones are left out with a warning."""

    def __init__(self, path: Path, fps: float) -> None:
        self._files = iter(enumerate(_pictures(path)))
        self._fps = fps

    def read(self) -> tuple[U8, float | None] | None:
        """The next picture that can be read, and its media time."""
        for index, path in self._files:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is not None:
                return image, index / self._fps  # type: ignore[return-value]  # as above
            log.warning("%s: not a picture OpenCV can read; left out", path)
        return None

    def close(self) -> None:
        """Nothing is held open."""


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _IMAGES)
