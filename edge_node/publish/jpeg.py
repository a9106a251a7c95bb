"""Shrinks pictures, and encodes them as JPEGs."""

from __future__ import annotations

import cv2
import numpy as np

from edge_node.frames import U8


def shrink(image: U8, width: int, height: int) -> U8:
    """Shrink a picture to fit into width x height, keeping its aspect; return it as it is if it fits."""
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
