"""Pictures of whole frames for alerts, which the outbox's thread encodes when it writes the alert."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from edge_node.frames import Frame
from edge_node.pictures import U8, OnGpu
from edge_node.publish.compose import Composer
from edge_node.publish.jpeg import Fitted, Fitting
from shared import limits
from shared.wire import topics
from shared.wire.picture_names import NAME_BYTES, with_name

SIDE = 960
"""The longer side of such a picture, pixels."""
WAITING = 4
"""The most frames that may wait to be encoded, in all their size. An alert beyond it has no picture."""


class FramePictures:
    """Holds whole frames until they are encoded.

    Args:
        composer: Makes the pictures' names.
        fitting: Is told of pictures that do not fit.
        room: Gives the most bytes of a message on a topic now.
    """

    def __init__(self, composer: Composer, fitting: Fitting, room: Callable[[str], int]) -> None:
        self._composer, self._fitting, self._room = composer, fitting, room
        self._waiting: weakref.WeakSet[_Taken] = weakref.WeakSet()
        self._fitted: dict[str, Fitted] = {}

    def take(self, path: str, frame: Frame, quality: int) -> Callable[[], bytes | None] | None:
        """What makes a frame's picture, JPEG with its name, in one thread; None if too many frames wait."""
        if len(self._waiting) >= WAITING:
            return None
        taken = _Taken(self, path, frame, quality)
        self._waiting.add(taken)
        return taken.encode

    def encode(self, path: str, frame: Frame, image: U8, quality: int) -> bytes | None:
        """A frame's picture; None where none is small enough."""
        fitted = self._fitted.setdefault(frame.camera, Fitted())
        room = min(limits.SNAPSHOT_BYTES, self._room(path)) - NAME_BYTES
        encoded = fitted.encode(image, quality, room, (SIDE, SIDE))
        self._fitting.note(topics.SNAPSHOT, frame.camera, encoded, shrunk=fitted.shrinks)
        if encoded is None:
            return None
        jpeg, size = encoded
        return with_name(jpeg, self._composer.picture_name(frame.seq, frame.captured_ns, size))


class _Taken:
    """A frame that waits for as long as somebody holds it."""

    def __init__(self, pictures: FramePictures, path: str, frame: Frame, quality: int) -> None:
        self._pictures, self._path, self._frame, self._quality = pictures, path, frame, quality
        # A GPU has few pictures to lend, so theirs are copied here and now.
        self._image = frame.part(None, SIDE, SIDE) if isinstance(frame.picture, OnGpu) else frame.picture

    def encode(self) -> bytes | None:
        return self._pictures.encode(self._path, self._frame, self._image, self._quality)
