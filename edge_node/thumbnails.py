"""JPEGs of a camera: at most so many a second, and small."""

from __future__ import annotations

import cv2

from edge_node.config import ThumbnailSettings
from edge_node.frames import U8


class Pace:
    """Lets at most `fps` frames a second through, evenly, by the clock it is given.

    Args:
        fps: 0 lets none through.
    """

    def __init__(self, fps: float) -> None:
        self._interval = 1.0 / fps if fps else 0.0
        self._next = 0.0

    def ready(self, now_s: float) -> bool:
        """Whether the frame of time `now_s` is one to take; it is then taken."""
        if not self._interval:
            return False
        # A quarter of an interval of tolerance: a 10 fps camera's jitter must not halve a 10 fps limit.
        if now_s + self._interval / 4 < self._next:
            return False
        self._next = max(self._next, now_s - self._interval / 2) + self._interval
        return True


def encode_jpeg(image: U8, settings: ThumbnailSettings) -> tuple[bytes, int, int]:
    """A picture as JPEG, shrunk to the configured width if it is wider.

    Args:
        image: u8 ``(H, W, 3)``, BGR.
        settings: Width and quality.

    Returns:
        The bytes, and the width and height of what they show.
    """
    height, width = image.shape[:2]
    if width > settings.width:
        height, width = max(1, round(height * settings.width / width)), settings.width
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]  # stubs lose the dtype
    good, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, settings.quality])
    if not good:
        raise ValueError(f"OpenCV cannot encode a picture of shape {image.shape}")
    return data.tobytes(), width, height
