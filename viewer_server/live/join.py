"""Puts the picture and the boxes of the same frame together; no other file does."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from shared.wire.messages import DetectionsMessage, now_us

T = TypeVar("T")

PENDING_DETECTIONS = 64
PENDING_PICTURES = 4
PENDING_BYTES = 1_000_000
UNPACKED = 8
"""Bytes of memory for each byte of boxes on the wire."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A JPEG and the frame it shows.

    Attributes:
        session: The node's session.
        seq: The frame's number in that session.
        matched: Whether the picture says so; otherwise they are those of the boxes beside it.
        width: Pixels, from the JPEG's own header.
        height: Pixels, from the JPEG's own header.
        received_us: When the viewer received it, microseconds UTC.
        jpeg: The bytes as they came.
    """

    session: str
    seq: int
    width: int
    height: int
    received_us: int
    jpeg: bytes
    matched: bool = True


def no_picture(detections: DetectionsMessage) -> Thumbnail:
    """In place of the picture of a camera that gives none: empty, and as large as its frames."""
    return Thumbnail(detections.session, detections.seq, detections.width, detections.height, now_us(), b"")


Pair = tuple[Thumbnail, DetectionsMessage]
"""Picture and boxes of one frame."""


class _Pending(Generic[T]):
    """Halves that wait for their other half; when there are too many, the oldest are thrown away."""

    def __init__(self, items: int, size: int) -> None:
        self._max_items = items
        self._max_size = size
        self._waiting: OrderedDict[int, tuple[T, int]] = OrderedDict()
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes of everything that waits."""
        return self._size

    def add(self, seq: int, item: T, size: int) -> int:
        """Hold `item`; returns how many older ones were thrown away."""
        self.take(seq)
        self._waiting[seq] = (item, size)
        self._size += size
        given_up = 0
        while len(self._waiting) > self._max_items or (
            self._size > self._max_size and len(self._waiting) > 1
        ):
            _, (_, freed) = self._waiting.popitem(last=False)
            self._size -= freed
            given_up += 1
        return given_up

    def take(self, seq: int) -> T | None:
        found = self._waiting.pop(seq, None)
        if found is None:
            return None
        self._size -= found[1]
        return found[0]

    def forget_until(self, seq: int) -> int:
        """Throw away everything up to `seq`; returns how many."""
        old = [waiting for waiting in self._waiting if waiting <= seq]
        for waiting in old:
            self.take(waiting)
        return len(old)


class Joiner:
    """Pairs one camera's pictures and boxes, whichever arrive first.

    A pair has one session and one seq, and no pair comes out after a newer one. A new session starts over:
    its frame numbers are its own.

    A picture that does not name its frame comes out at once, with the newest boxes, and is marked.

    Args:
        counts: Shared with other joiners: pictures whose boxes never came ("unmatched"), and pictures that
            did not name their frame ("unnamed").

    Attributes:
        counts: The same.
        lost: Detections messages of this session that did not reach the viewer.
    """

    def __init__(self, counts: Counter[str] | None = None) -> None:
        self.counts: Counter[str] = Counter() if counts is None else counts
        self.lost = 0
        self._newest: DetectionsMessage | None = None
        self._newest_size = 0
        self._position: int | None = None
        # The frame from which on boxes are expected; None: listening has begun, and none have come yet.
        self._since: int | None = 0
        self._start("")

    @property
    def held(self) -> int:
        """Bytes of memory of what waits, roughly."""
        return self._pictures.size + UNPACKED * (self._detections.size + self._newest_size)

    def let_go(self) -> bool:
        """Throw away what waits; whether pictures were among it. What was lost stays counted."""
        pictures = self._pictures.size > 0
        self._newest, self._newest_size = None, 0
        self._wait_anew()
        return pictures

    def begin(self) -> None:
        """Listening begins, or begins anew: what was sent before did not get lost."""
        self._newest, self._newest_size = None, 0
        self.excuse()
        self._wait_anew()

    def excuse(self) -> None:
        """Take what is missing before the next detections for sent before listening began."""
        self._position = self._since = None

    def add_picture(self, picture: Thumbnail) -> Pair | None:
        """The pair that this picture completes, if its boxes have come."""
        self._enter(picture.session)
        if picture.seq <= self._last:
            return None
        detections = self._detections.take(picture.seq)
        if detections is not None:
            return self._complete(picture, detections)
        if self._since is None or picture.seq >= self._since:
            self.counts["unmatched"] += self._pictures.add(picture.seq, picture, len(picture.jpeg))
        return None

    def add_unnamed(self, picture: Thumbnail) -> Pair | None:
        """The pair of a picture that does not name its frame, and the newest boxes; None before the first."""
        self.counts["unnamed"] += 1
        newest = self._newest
        if newest is None:
            return None
        return replace(picture, session=newest.session, seq=newest.seq, matched=False), newest

    def add_detections(self, detections: DetectionsMessage, size: int) -> Pair | None:
        """The pair that these boxes complete, if their picture has come.

        Args:
            detections: The message.
            size: Its length on the wire, for the bound on memory.
        """
        self._enter(detections.session)
        self._newest, self._newest_size = detections, size
        self._note_losses(detections.seq - detections.dropped)
        if self._since is None:
            self._since = detections.seq
            self._pictures.forget_until(detections.seq - 1)
        if detections.seq <= self._last:
            return None
        picture = self._pictures.take(detections.seq)
        if picture is not None:
            return self._complete(picture, detections)
        self._detections.add(detections.seq, detections, size)
        return None

    def _complete(self, picture: Thumbnail, detections: DetectionsMessage) -> Pair:
        self._last = picture.seq
        self.counts["unmatched"] += self._pictures.forget_until(picture.seq)
        self._detections.forget_until(picture.seq)
        return picture, detections

    def _note_losses(self, position: int) -> None:
        """Count missing messages: `seq` minus `dropped` goes up by one from message to message."""
        if self._position is not None:
            self.lost += max(0, position - self._position - 1)
        self._position = position if self._position is None else max(self._position, position)

    def _enter(self, session: str) -> None:
        if session != self._session:
            self._start(session)

    def _start(self, session: str) -> None:
        self._session = session
        self._last = -1
        self._position = None
        if self._since is not None:
            self._since = 0
        self.lost = 0
        self._wait_anew()

    def _wait_anew(self) -> None:
        self._pictures: _Pending[Thumbnail] = _Pending(PENDING_PICTURES, PENDING_BYTES)
        self._detections: _Pending[DetectionsMessage] = _Pending(PENDING_DETECTIONS, PENDING_BYTES)
