"""Puts the picture of a frame and the boxes of the same frame together: the only place that does."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.wire.messages import DetectionsMessage

T = TypeVar("T")

PENDING_DETECTIONS = 64
PENDING_PICTURES = 4
PENDING_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A JPEG and the frame it shows.

    Attributes:
        session: The edge's run.
        seq: The frame's number in that run.
        width: Pixels of this JPEG, from its own header.
        height: Likewise.
        received_us: When it reached us, microseconds UTC.
        jpeg: The bytes, as they came.
    """

    session: str
    seq: int
    width: int
    height: int
    received_us: int
    jpeg: bytes


Pair = tuple[Thumbnail, DetectionsMessage]
"""Picture and boxes of one frame."""


class _Pending(Generic[T]):
    """What waits for its other half, oldest thrown away first."""

    def __init__(self, items: int, size: int) -> None:
        self._max_items = items
        self._max_size = size
        self._waiting: OrderedDict[int, tuple[T, int]] = OrderedDict()
        self._size = 0

    def add(self, seq: int, item: T, size: int) -> int:
        """Hold `item`; the number of items given up for it."""
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
        """Throw away everything up to `seq`; how many that were."""
        old = [waiting for waiting in self._waiting if waiting <= seq]
        for waiting in old:
            self.take(waiting)
        return len(old)


class Joiner:
    """One camera's pictures and boxes, whichever comes first.

    A pair comes out only when session and seq are both the same, and never an older one after a newer one. A
    new session starts over: it is another run of the edge, with frame numbers of its own.

    Attributes:
        unmatched: Pictures whose boxes never came.
        lost: Detections messages of this session that never came.
    """

    def __init__(self) -> None:
        self.unmatched = 0
        self.lost = 0
        self._position: int | None = None
        self._start("")

    def add_picture(self, picture: Thumbnail) -> Pair | None:
        """The pair this picture completes, if its boxes are here already."""
        self._enter(picture.session)
        if picture.seq <= self._last:
            return None
        detections = self._detections.take(picture.seq)
        if detections is not None:
            return self._complete(picture, detections)
        self.unmatched += self._pictures.add(picture.seq, picture, len(picture.jpeg))
        return None

    def add_detections(self, detections: DetectionsMessage, size: int) -> Pair | None:
        """The pair these boxes complete, if their picture is here already.

        Args:
            detections: The message.
            size: Its length on the wire, for the bound on memory.
        """
        self._enter(detections.session)
        self._note_losses(detections.seq - detections.dropped)
        if detections.seq <= self._last:
            return None
        picture = self._pictures.take(detections.seq)
        if picture is not None:
            return self._complete(picture, detections)
        self._detections.add(detections.seq, detections, size)
        return None

    def _complete(self, picture: Thumbnail, detections: DetectionsMessage) -> Pair:
        self._last = picture.seq
        self.unmatched += self._pictures.forget_until(picture.seq)
        self._detections.forget_until(picture.seq)
        return picture, detections

    def _note_losses(self, position: int) -> None:
        """The difference counts up by one from message to message: the node's own drops are taken off it."""
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
        self.lost = 0
        self._pictures: _Pending[Thumbnail] = _Pending(PENDING_PICTURES, PENDING_BYTES)
        self._detections: _Pending[DetectionsMessage] = _Pending(PENDING_DETECTIONS, PENDING_BYTES)
