"""The picture that came with a request: only JPEG and PNG, and nothing that would take too much memory."""

from __future__ import annotations

import contextlib

import cv2
import numpy as np

from edge_node.frames import U8
from shared import limits
from shared.errors import MessageError
from shared.pictures import read_header

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
    # The header comes first: OpenCV would try decoders of many other formats, and it allocates memory for as
    # many pixels as a header claims.
    header = read_header(image)
    if header is not None and header.pixels <= limits.UPLOAD_PIXELS:
        with contextlib.suppress(cv2.error):
            pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise MessageError("the image is not a JPEG or PNG of at most 40 megapixels")
    return np.asarray(pixels, np.uint8)
