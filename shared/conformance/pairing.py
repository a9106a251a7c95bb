"""Checks by the detections messages around a picture whether its frame exists.

A picture and the boxes of its frame come in any order, and either may be missing. It may have been lost on
the way, or the node sent only one of them; `dropped` counts a frame that has only a picture.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

REMEMBERED = 1000


@dataclass(frozen=True)
class ArrivedPicture:
    """A picture, with the frame that it claims to show.

    Attributes:
        topic: The topic on which it came.
        seq: Number of the frame.
        captured_us: When the frame was captured.
        at_s: When the picture came.
    """

    topic: str
    seq: int
    captured_us: int
    at_s: float


@dataclass
class _Camera:
    boxes: OrderedDict[int, int] = field(default_factory=OrderedDict)
    newest: tuple[int, int] | None = None
    waiting: deque[ArrivedPicture] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


class Pairing:
    """Pictures that wait for the boxes of their frame.

    Args:
        settled_s: Seconds after which the boxes of a picture's frame are no longer expected.

    Attributes:
        unpaired: Number of pictures whose frame no detections message reported.
    """

    def __init__(self, settled_s: float) -> None:
        self._settled_s = settled_s
        self._cameras: dict[tuple[str, str, str], _Camera] = {}
        self._impossible: list[ArrivedPicture] = []
        self._now_s = 0.0
        self.unpaired = 0

    def boxes(
        self, camera: tuple[str, str, str], seq: int, captured_us: int, now_s: float
    ) -> Iterator[ArrivedPicture]:
        """Take in a detections message.

        Args:
            camera: Node, camera and session.
            seq: Number of the frame.
            captured_us: When the frame was captured.
            now_s: When the message came.

        Yields:
            Pictures whose seq and captured_us contradict the detections messages.
        """
        known = self._cameras.setdefault(camera, _Camera())
        self._now_s = now_s
        waiting, known.waiting = known.waiting, deque(maxlen=REMEMBERED)
        for picture in waiting:
            if picture.seq == seq:
                if picture.captured_us != captured_us:
                    yield picture
            elif picture.seq < seq:
                self.unpaired += 1
                if picture.captured_us > captured_us or (
                    known.newest and picture.captured_us < known.newest[1]
                ):
                    yield picture
            elif picture.captured_us < captured_us or now_s - picture.at_s > self._settled_s:
                self._impossible.append(picture)
            else:
                known.waiting.append(picture)
        known.newest = (seq, captured_us)
        known.boxes[seq] = captured_us
        if len(known.boxes) > REMEMBERED:
            known.boxes.popitem(last=False)

    def picture(self, camera: tuple[str, str, str], picture: ArrivedPicture) -> bool:
        """Take in a picture; False when its captured_us is not that of its frame."""
        known = self._cameras.setdefault(camera, _Camera())
        self._now_s = picture.at_s
        if known.newest is None or picture.seq > known.newest[0]:
            known.waiting.append(picture)
        elif picture.seq in known.boxes:
            return known.boxes[picture.seq] == picture.captured_us
        else:
            self.unpaired += 1
        return True

    def finish(self) -> list[ArrivedPicture]:
        """Pictures of frames that cannot exist; call it when no more messages come."""
        boxless = (known for known in self._cameras.values() if known.newest is None)
        late = (
            picture
            for known in boxless
            for picture in known.waiting
            if self._now_s - picture.at_s > self._settled_s
        )
        return [*self._impossible, *late]
