"""Frigate's events (``frigate/events``), which tell of an object when something about it changes.

Source: Frigate documentation, "MQTT". A message comes when an object is first sure, when Frigate has a better
picture of it or its zones change, and when it has gone: not for each frame. So the scene is what is known of
all objects; those of which the message does not tell are where they were last, and count as predicted.
Boxes are in pixels of the detect size. Ids belong to one object.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from edge_node.inbound.scene import MOST, Scene, Seen, decoded, object_of, possible
from shared.errors import MessageError

_BACK_US = 10_000_000
"""An object's time that goes back by more than this, microseconds, is of a clock that was set, and counts."""


class _Object(msgspec.Struct, frozen=True):
    id: str
    camera: str
    frame_time: float
    label: str
    box: tuple[float, float, float, float]
    score: float | None = None
    false_positive: bool | None = None
    end_time: float | None = None


class _Event(msgspec.Struct, frozen=True):
    after: _Object
    type: str = ""


class Board:
    """What is known of the objects of one of Frigate's cameras.

    Args:
        camera: The camera's name in Frigate.
        size: Width and height that Frigate detects at, pixels.
    """

    def __init__(self, camera: str, size: tuple[int, int]) -> None:
        self._camera, self._size = camera, size
        self._known: dict[str, tuple[Seen, int]] = {}

    def read(self, payload: bytes) -> Scene | None:
        """What is known after a message; None if it says nothing new of this camera.

        Raises:
            MessageError: It is no such message.
        """
        event = decoded(payload, _Event)
        one = event.after
        if one.camera != self._camera or one.false_positive:
            return None
        at_us = possible(one.frame_time * 1e6)
        if event.type == "end" or one.end_time is not None:
            gone = self._known.pop(one.id, None)
            return None if gone is None else Scene(at_us, self._others(), ended=(one.id,), size=self._size)
        before = self._known.get(one.id)
        if before is not None and 0 <= before[1] - at_us < _BACK_US:
            return None  # the same again, or older: the broker may deliver twice
        width, height = self._size
        x1, y1, x2, y2 = one.box
        seen = object_of(one.id, one.label, one.score, (x1 / width, y1 / height, x2 / width, y2 / height))
        if seen is None or not one.id:
            raise MessageError(
                f"box {list(one.box)} and score {one.score} are none at {width}x{height} pixels"
            )
        self._known.pop(one.id, None)
        others = self._others()
        self._known[one.id] = seen, at_us
        ended = () if len(self._known) <= MOST else (self._forget_oldest(),)
        return Scene(
            at_us, (*(other for other in others if other.id not in ended), seen), ended, size=self._size
        )

    def still(self, now_us: int) -> Scene:
        """What is known while no message comes."""
        return Scene(now_us, self._others(), size=self._size)

    def clear(self) -> None:
        """Forget all objects."""
        self._known.clear()

    def _others(self) -> tuple[Seen, ...]:
        return tuple(replace(one, predicted=True) for one, _ in self._known.values())

    def _forget_oldest(self) -> str:
        oldest = next(iter(self._known))
        del self._known[oldest]
        return oldest
