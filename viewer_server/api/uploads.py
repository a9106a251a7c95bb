"""Pictures in HTTP requests: bytes and pixels are bounded before anybody decodes them."""

from __future__ import annotations

import flask
from werkzeug.exceptions import RequestEntityTooLarge

from shared import limits
from shared.pictures import read_header, refusal
from viewer_server.api.endpoint import Refused

BODY_BYTES = 1_048_576
"""Of a body with a form around the picture. A larger one is read up to here, so that its sender is told."""


def picture_of(request: flask.Request) -> bytes:
    """The picture in a request: its body, or the field `image` or `file` of a form.

    Raises:
        Refused: There is no picture, it is too large, or it is neither a JPEG nor a PNG.
    """
    try:
        if request.mimetype == "multipart/form-data":
            field = request.files.get("image") or request.files.get("file")
            data = field.stream.read(limits.UPLOAD_BYTES + 1) if field else b""
        else:
            data = request.get_data(cache=False)
    except RequestEntityTooLarge:
        data = bytes(limits.UPLOAD_BYTES + 1)
    if not data:
        raise Refused(400, "no picture: send it as the body, or as the field `image` or `file` of a form")
    if len(data) > limits.UPLOAD_BYTES:
        raise Refused(413, f"a picture of more than {limits.UPLOAD_BYTES} bytes; make it smaller first")
    if reason := refusal(data):
        raise Refused(415 if read_header(data) is None else 413, reason)
    return data
