"""Cameras that send one JPEG after the other over HTTP (multipart/x-mixed-replace, "MJPEG").

FFmpeg reads such streams, too, but gives up on cameras that miscount a picture's bytes or leave out the first
boundary, and it scales every picture to the size of the first one.
"""

from __future__ import annotations

import http.client
import re
import time
from typing import Any

from edge_node.capture.readers import web
from edge_node.capture.readers.address import Address
from edge_node.capture.readers.interface import Feed, Taken
from edge_node.capture.readers.stills import decoded
from shared.errors import SourceError

_START = b"\xff\xd8\xff"
_END = b"\xff\xd9"
_LENGTH = re.compile(rb"content-length:\s*(\d{1,9})", re.IGNORECASE)
# A thumbnail inside a picture ends in the same way, but nothing of this comes behind it.
_NEXT = re.compile(rb"\xff\xd9\s{0,8}(?=--|content-|\xff\xd8\xff)", re.IGNORECASE)
_OVERLAP = 32
"""Bytes before what has newly come in which an end may have begun."""
_CHUNK = 65_536
_LARGEST = 32 << 20
"""Bytes of a picture at most."""


class Parts:
    """An open stream of JPEGs.

    Args:
        address: Of the stream, with its credentials.
        shown: What to begin messages with; it must not have credentials.
        stall_s: Seconds without a picture after which the stream counts as lost.

    Raises:
        SourceError: The server refuses.
    """

    name = "http multipart"
    feed: Feed = "pushed"
    rate = segment_s = 0.0
    seconds: float | None = None

    def __init__(self, address: Address, shown: str, stall_s: float) -> None:
        self._shown, self._stall_s = shown, stall_s
        try:
            self._answer: Any = web.opener(address).open(address.bare, timeout=stall_s)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise SourceError(f"{shown}: {web.trouble(error, address)}") from None
        self._waiting = bytearray()
        self._searched = 0

    def read(self) -> Taken | None:
        """See `Reader`; a damaged picture is skipped."""
        lost = time.monotonic() + self._stall_s
        while time.monotonic() < lost:
            jpeg = self._cut()
            if jpeg is not None:
                image = decoded(jpeg)
                if image is not None:
                    return Taken(image)
                continue
            try:
                more = self._answer.read1(_CHUNK)
            except (OSError, http.client.HTTPException, ValueError):
                return None
            if not more:
                return self._last()
            self._waiting += more
            if len(self._waiting) > _LARGEST:
                raise SourceError(f"{self._shown}: the camera sends no JPEG within {_LARGEST >> 20} MiB")
        return None

    def close(self) -> None:
        """Disconnect."""
        self._answer.close()

    def _last(self) -> Taken | None:
        """The picture behind which the stream has ended, if it is whole."""
        rest, self._waiting = bytes(self._waiting), bytearray()
        start = rest.find(_START)
        image = decoded(rest[start:]) if start >= 0 and _END in rest[start:] else None
        return None if image is None else Taken(image)

    def _cut(self) -> bytes | None:
        """Take the first whole picture out of what has come; None while there is none."""
        waiting = self._waiting
        start = waiting.find(_START)
        if start < 0:
            return None
        lengths = _LENGTH.findall(waiting, 0, start)
        end = start + int(lengths[-1]) if lengths else 0
        if not (start < end <= len(waiting) and waiting[end - 2 : end] == _END):
            found = _NEXT.search(waiting, max(start, self._searched - _OVERLAP))
            self._searched = len(waiting)
            if found is None:
                return None
            end = found.start() + len(_END)
        jpeg = bytes(waiting[start:end])
        del waiting[:end]
        self._searched = 0
        return jpeg
