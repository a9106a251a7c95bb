"""Writes pictures that each have a time into a video file with a steady rate, which every player can play."""

from __future__ import annotations

import logging
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from edge_node.pictures import U8
from shared.errors import OutputError

log = logging.getLogger("darner.process")

LONGEST_S = 10.0
"""Longest time that one picture is shown, seconds: a longer gap between two pictures is shortened to it."""
_CODEC = "mp4v"
"""MPEG-4 part 2, which every OpenCV can write and every player can play."""


class VideoFile:
    """A video file that is written picture by picture; `with` closes it. It has no sound.

    A picture is shown from its time until that of the next one: it is repeated as often as that takes. Of
    several that come within one frame of the file, the last one is shown.

    Args:
        path: The file; its name ends with .mp4.
        fps: Frames per second of the file.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path.absolute(), fps
        self._longest_s = max(LONGEST_S, 2 / fps)
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._shown: U8 | None = None
        self._written = 0
        self._at = 0
        self._left_out_s = 0.0

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.release()

    def write(self, image: U8, at_s: float) -> None:
        """Show a picture from a time on, scaled to the size of the first one.

        Args:
            image: u8 ``(H, W, 3)``, BGR.
            at_s: Seconds from the beginning of the video; not before that of the last picture.

        Raises:
            OutputError: OpenCV cannot write the file.
        """
        if self._writer is None:
            self._open(image)
        if (image.shape[1], image.shape[0]) != self._size:
            image = np.asarray(cv2.resize(image, self._size), np.uint8)
        gap_s = at_s - self._left_out_s - self._at / self._fps
        if gap_s > self._longest_s:
            self._left_out_s += gap_s - self._longest_s
            log.warning(
                "annotated video: a gap of %.0f s before %.1f s is shortened to %.0f s; the times in the "
                "messages are right",
                gap_s,
                at_s,
                self._longest_s,
            )
        self._at = max(self._at, round((at_s - self._left_out_s) * self._fps))
        self._show(image if self._shown is None else self._shown, self._at)
        self._shown = image

    def finish(self) -> None:
        """Write the rest, and check that the file is whole, because OpenCV does not tell when a disk is full.

        Raises:
            OutputError: The file lacks frames.
        """
        if self._writer is None or self._shown is None:
            return
        self._show(self._shown, self._at + 1)
        self._writer.release()
        check = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        found = int(check.get(cv2.CAP_PROP_FRAME_COUNT)) if check.isOpened() else 0
        check.release()
        if found != self._written:
            raise OutputError(f"{self._path}: has only {found} of {self._written} frames; is the disk full?")

    def _open(self, image: U8) -> None:
        self._size = image.shape[1], image.shape[0]
        codec = cv2.VideoWriter.fourcc(*_CODEC)
        # The path is absolute: FFmpeg would take `08:15.mp4` for an address of the protocol `08`.
        self._writer = cv2.VideoWriter(str(self._path), cv2.CAP_FFMPEG, codec, self._fps, self._size)
        if not self._writer.isOpened():
            raise OutputError(f"{self._path}: OpenCV cannot write a video to this file")

    def _show(self, image: U8, until: int) -> None:
        """Repeat a picture up to the frame with this number, exclusive."""
        assert self._writer is not None  # noqa: S101 - opened by the first picture
        for _ in range(until - self._written):
            self._writer.write(image)
            self._written += 1
