"""Pictures of whole frames for alerts, encoded in a thread of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from edge_node.frames import Frame
from edge_node.pictures import U8, OnGpu
from edge_node.publish.compose import Composer
from edge_node.publish.jpeg import Fitted, Fitting
from edge_node.publish.snapshot_sender import SnapshotSender
from shared import limits
from shared.channel import Channel
from shared.service.watchdog import Look, taking
from shared.wire import topics
from shared.wire.picture_names import NAME_BYTES, properties, with_name

SIDE = 960
"""The longer side of such a picture, pixels."""
WAITING = 4
"""The most frames that may wait to be encoded, in all their size. An alert beyond it has no picture."""


class _Taken(NamedTuple):
    path: str
    frame: Frame
    image: U8
    quality: int


class FramePictures:
    """Encodes whole frames and hands them to the sender. The thread begins with the first one.

    Args:
        sender: Takes the pictures.
        composer: Makes their properties.
        fitting: Is told of pictures that do not fit.
        room: Gives the most bytes of a message on a topic now.
    """

    def __init__(
        self, sender: SnapshotSender, composer: Composer, fitting: Fitting, room: Callable[[str], int]
    ) -> None:
        self._sender, self._composer, self._fitting, self._room = sender, composer, fitting, room
        self._waiting: Channel[_Taken] = Channel(WAITING)
        self._fitted: dict[str, Fitted] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._offered = self._done = 0

    def offer(self, path: str, frame: Frame, quality: int) -> bool:
        """Queue a frame's picture; False if too many wait."""
        with self._lock:
            if self._offered - self._done >= WAITING:
                return False
            self._offered += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="alert pictures", daemon=True)
                self._thread.start()
        # A GPU has few pictures to lend, so theirs are copied here and now.
        image = frame.part(None, SIDE, SIDE) if isinstance(frame.picture, OnGpu) else frame.picture
        self._waiting.put_newest(_Taken(path, frame, image, quality))
        return True

    def look(self) -> Look | None:
        """What a watchdog sees of the thread; None while there is none."""
        return taking(self._waiting)() if self._thread is not None else None

    def drain(self, timeout: float) -> None:
        """Wait until every picture is with the sender, at most so many seconds."""
        deadline = time.monotonic() + timeout
        while self._done < self._offered and time.monotonic() < deadline:
            time.sleep(0.01)

    def _run(self) -> None:
        for taken in self._waiting:
            try:
                self._encode(taken)
            finally:
                self._done += 1

    def _encode(self, taken: _Taken) -> None:
        camera, frame = taken.frame.camera, taken.frame
        fitted = self._fitted.setdefault(camera, Fitted())
        room = min(limits.SNAPSHOT_BYTES, self._room(taken.path)) - NAME_BYTES
        encoded = fitted.encode(taken.image, taken.quality, room, (SIDE, SIDE))
        self._fitting.note(topics.SNAPSHOT, camera, encoded, shrunk=fitted.shrinks)
        if encoded is not None:
            jpeg, size = encoded
            name = self._composer.picture_name(frame.seq, frame.captured_ns, size)
            self._sender.offer(taken.path, with_name(jpeg, name), properties(name))
