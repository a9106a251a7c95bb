"""Shrinks pictures, and encodes them as JPEGs."""

from __future__ import annotations

import cv2
import numpy as np

from edge_node.frames import U8

_STEPS = (
    (100, 1.0),
    (75, 1.0),
    (50, 1.0),
    (50, 0.7),
    (50, 0.5),
    (50, 0.35),
    (50, 0.25),
    (50, 0.12),
    (50, 0.06),
)
"""Highest quality and scale of each try."""
TRY_AGAIN = 100
"""Pictures after which a better step is tried again: what the camera sees may be simpler by now."""


def shrink(image: U8, width: int, height: int) -> U8:
    """Shrink a picture to fit into width x height, keeping its aspect; return it as it is if it fits."""
    scale = min(width / image.shape[1], height / image.shape[0])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


class Fitted:
    """Encodes pictures so that they fit: with less quality if they must, and then smaller.

    It remembers what fitted, so that the next picture of the same camera is encoded once.
    """

    def __init__(self) -> None:
        self._step = 0
        self._since = 0

    @property
    def shrinks(self) -> bool:
        """Whether the last picture did not fit as it was to be."""
        return self._step > 0

    def encode(self, image: U8, quality: int, room: int) -> tuple[bytes, U8] | None:
        """The JPEG, and the picture that it shows.

        Args:
            image: u8 ``(H, W, 3)``, BGR.
            quality: The wanted quality, 1..100.
            room: Bytes that the JPEG may have.

        Returns:
            None when even the smallest picture does not fit.
        """
        self._since += 1
        if self._since >= TRY_AGAIN:
            self._step, self._since = max(0, self._step - 1), 0
        for step in range(self._step, len(_STEPS)):
            most, scale = _STEPS[step]
            if step > self._step and scale == 1.0 and quality <= most:
                continue  # as in the step before
            height, width = image.shape[:2]
            small = shrink(image, max(1, round(width * scale)), max(1, round(height * scale)))
            jpeg = encode_jpeg(small, min(quality, most))
            if len(jpeg) <= room:
                if step > self._step:
                    self._step, self._since = step, 0
                return jpeg, small
        return None


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
