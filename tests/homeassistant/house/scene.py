"""What the camera sees: people of a real video, or the same place without anybody."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tests.faults.camera import Camera

_LOOKS = 60
"""Frames whose median is the empty place: everybody in the video walks on."""


class Scene(Camera):
    """A camera before which people come and go when a test wants it; at first there is nobody.

    Args:
        video: People who walk.
    """

    def __init__(self, video: Path) -> None:
        self._empty = [_without_people(video)]
        super().__init__(video)
        self._people = self.frames
        self.nobody()

    def people(self) -> None:
        """Show the people."""
        self.frames = self._people

    def nobody(self) -> None:
        """Show the place without them."""
        self.frames = self._empty


def _without_people(video: Path) -> bytes:
    """The empty place as a JPEG."""
    reader = cv2.VideoCapture(str(video))
    length = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    wanted = set(range(0, length, max(1, length // _LOOKS)))
    images = []
    for number in range(length):
        if not reader.grab():
            break
        if number in wanted:
            images.append(reader.retrieve()[1])
    reader.release()
    return cv2.imencode(".jpg", np.median(images, axis=0).astype(np.uint8))[1].tobytes()
