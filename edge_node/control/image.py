"""The picture that came with a request: only JPEG and PNG, and nothing that would take too much memory."""

from __future__ import annotations

import cv2
import numpy as np

from edge_node.frames import U8
from shared.errors import MessageError

PNG = b"\x89PNG"
JPEG = b"\xff\xd8"


def is_picture(data: bytes) -> bool:
    """Whether the bytes begin as a JPEG or PNG does."""
    return data.startswith((JPEG, PNG))


def to_pixels(image: bytes | None) -> U8:
    """Decode a picture.

    Returns:
        The pixels, shape (height, width, 3), BGR.

    Raises:
        MessageError: There is no picture, it is neither JPEG nor PNG, or it is broken or too large.
    """
    if not image:
        raise MessageError("no image: send a JPEG or PNG as the payload, or as image_base64")
    pixels = None
    try:
        # OpenCV has decoders of many other formats, none of which is needed. It refuses more pixels than the
        # limit set in edge_node/__init__.py before it allocates them.
        if is_picture(image) and not _has_overlong_chunk(image):
            pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        pass  # said below
    if pixels is None:
        raise MessageError("the image is no JPEG or PNG of at most 40 megapixels")
    return np.asarray(pixels, np.uint8)


def _has_overlong_chunk(image: bytes) -> bool:
    """Whether a PNG has a chunk that claims to be longer than the file: OpenCV would make room for it."""
    if not image.startswith(PNG):
        return False
    at = 8
    while at + 12 <= len(image):
        at += 12 + int.from_bytes(image[at : at + 4], "big")
    return at > len(image)
