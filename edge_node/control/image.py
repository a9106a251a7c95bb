"""The picture that came with a request: only JPEG and PNG, and nothing that takes much memory or time."""

from __future__ import annotations

import contextlib

import cv2
import numpy as np

from edge_node.pictures import U8
from shared.errors import MessageError
from shared.pictures import refusal


def to_pixels(image: bytes | None) -> U8:
    """Decode a picture.

    Returns:
        The pixels, shape (height, width, 3), BGR.

    Raises:
        MessageError: There is no picture, it is neither JPEG nor PNG, or it is broken or too large.
    """
    if not image:
        raise MessageError("no image: send a JPEG or PNG as the payload, or as image_base64")
    # The header comes first: OpenCV would try decoders of many other formats, and it allocates memory for as
    # many pixels as a header claims.
    if reason := refusal(image):
        raise MessageError(reason)
    pixels = None
    with contextlib.suppress(cv2.error):
        pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise MessageError("the image is damaged: it cannot be decoded; save it again as a JPEG or PNG")
    return np.asarray(pixels, np.uint8)
