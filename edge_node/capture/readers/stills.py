"""Pictures one by one: of a folder, of a file, or polled from a camera's address."""

from __future__ import annotations

import http.client
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from edge_node.capture.readers import web
from edge_node.capture.readers.address import Address
from edge_node.capture.readers.interface import Feed, Taken
from edge_node.config.sources import printable
from edge_node.pictures import U8
from shared.errors import SourceError

log = logging.getLogger("darner.capture")

_LARGEST = 64 << 20
"""Bytes of a picture that are taken from a server at most."""


class Pictures:
    """Picture files, in the given order; one that cannot be read is skipped with a warning.

    Args:
        files: The files.
        fps: Pictures a second.
    """

    name = "opencv images"
    feed: Feed = "film"
    segment_s = 0.0
    seconds: float | None = None

    def __init__(self, files: Sequence[Path], fps: float) -> None:
        self._files = iter(enumerate(files))
        self.rate = fps

    def read(self) -> Taken | None:
        """See `Reader`; the media time follows from the picture's place in the order."""
        for index, path in self._files:
            image = decoded(_bytes(path))
            if image is not None:
                return Taken(image, index / self.rate)
            log.warning("%s: not a picture that OpenCV can read; skipped", printable(str(path)))
        return None

    def close(self) -> None:
        """Nothing is held open."""


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def decoded(content: bytes) -> U8 | None:
    """A picture from a file's bytes, u8 ``(H, W, 3)`` BGR; None when OpenCV cannot read it."""
    if not content:
        return None
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # a size beyond OpenCV's limit
        return None
    return None if image is None else np.asarray(image, np.uint8)


class PolledPicture:
    """A camera's current picture, asked for again and again. One that has not changed gives no frame.

    Args:
        address: Of the picture.
        shown: The address for messages.
        fps: Most requests a second.
        stall_s: Seconds of failing requests after which the camera counts as lost.
        stop: Ends the wait for the next request.
    """

    name = "http picture"
    feed: Feed = "pushed"
    segment_s = 0.0
    seconds: float | None = None

    def __init__(
        self, address: Address, shown: str, fps: float, stall_s: float, stop: threading.Event
    ) -> None:
        self._address, self._shown, self._stop = address, shown, stop
        self.rate, self._stall_s = fps, stall_s
        self._asking = web.opener(address)
        self._due = time.monotonic()
        self._known: dict[str, str] = {}
        self._last = b""

    def read(self) -> Taken | None:
        """See `Reader`."""
        lost = time.monotonic() + self._stall_s
        while not self._stop.wait(max(0.0, self._due - time.monotonic())):
            self._due = max(self._due + 1.0 / self.rate, time.monotonic())
            try:
                content = self._ask()
            except (OSError, http.client.HTTPException, ValueError) as error:
                if time.monotonic() >= lost:
                    raise SourceError(f"{self._shown}: {web.trouble(error, self._address)}") from None
                continue
            image = decoded(content)
            if image is not None:
                return Taken(image)
            if not content:
                lost = time.monotonic() + self._stall_s
            elif time.monotonic() >= lost:
                raise SourceError(f"{self._shown}: the camera sends no picture that OpenCV can read")
            else:
                self._known, self._last = {}, b""
        return None

    def close(self) -> None:
        """Nothing is held open."""

    def _ask(self) -> bytes:
        """The picture's bytes; none if it is still the last one."""
        request = urllib.request.Request(self._address.bare, headers=self._known)  # noqa: S310 - http only
        try:
            with closing(self._asking.open(request, timeout=self._stall_s)) as answer:
                content = web.body(answer, _LARGEST, self._stall_s)
                tag = answer.headers.get("ETag")
        except urllib.error.HTTPError as error:
            if error.code == 304:  # Not Modified
                return b""
            raise
        self._known = {"If-None-Match": tag} if tag else {}
        if content == self._last:
            return b""
        self._last = content
        return content
