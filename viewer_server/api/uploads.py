"""Pictures that come in over HTTP: bounded in bytes and pixels before anybody decodes them."""

from __future__ import annotations

import flask
from werkzeug.exceptions import RequestEntityTooLarge

from shared.pictures import header_size
from viewer_server.api.endpoint import Refused

MAX_BYTES = 700_000
"""A node reads requests of a million bytes, and base64 makes four bytes of three."""
MAX_PIXELS = 40_000_000
"""What a node decodes."""
BODY_BYTES = 1_048_576
"""With a form around the picture; and read as far as this, a larger one still gets its answer."""


def picture_of(request: flask.Request) -> bytes:
    """The picture in a request: its body, or the field `image` of a form.

    Raises:
        Refused: There is none, or it is too large, or no JPEG or PNG.
    """
    try:
        if request.mimetype == "multipart/form-data":
            field = request.files.get("image")
            data = field.stream.read(MAX_BYTES + 1) if field else b""
        else:
            data = request.get_data(cache=False)
    except RequestEntityTooLarge:
        data = bytes(MAX_BYTES + 1)
    if not data:
        raise Refused(400, "no picture: send it as the body, or as the field `image` of a form")
    if len(data) > MAX_BYTES:
        raise Refused(413, f"a picture of more than {MAX_BYTES} bytes; make it smaller first")
    size = png_size(data) or header_size(data)
    if size is None or not all(size):
        raise Refused(415, "a JPEG or PNG is expected")
    if size[0] * size[1] > MAX_PIXELS:
        raise Refused(413, f"a picture of {size[0]} x {size[1]} pixels; at most {MAX_PIXELS} are decoded")
    return data


def png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from a PNG's header; None when it is none (PNG specification, section 11.2.2)."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or data[12:16] != b"IHDR" or len(data) < 24:
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
