"""JPEGs of a camera: at most so many a second, and small."""

from __future__ import annotations

import cv2
import numpy as np

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


def shrink(image: U8, width: int, height: int) -> U8:
    """A picture made to fit into width x height, its aspect kept; the same object if it fits already."""
    scale = min(width / image.shape[1], height / image.shape[0])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def encode_jpeg(image: U8, quality: int) -> bytes:
    """A picture as JPEG.

    Args:
        image: u8 ``(H, W, 3)``, BGR.
        quality: 1..100.
    """
    good, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise ValueError(f"OpenCV cannot encode a picture of shape {image.shape}")
    return data.tobytes()
