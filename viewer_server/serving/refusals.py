"""Answers that are given without asking the application, with the headers that all answers have."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from gunicorn.util import http_date

from viewer_server.access.headers import HEADERS


def refusal(status: int, detail: str, *, as_problem: bool, retry_after_s: int | None = None) -> bytes:
    """A whole HTTP answer, after which the connection is closed.

    Args:
        status: HTTP status code.
        detail: What was wrong, and how to fix it.
        as_problem: As a JSON problem (RFC 9457); else as text.
        retry_after_s: Seconds after which the client may try again.
    """
    phrase = HTTPStatus(status).phrase
    if as_problem:
        media = "application/problem+json"
        body = orjson.dumps({"type": "about:blank", "title": phrase, "status": status, "detail": detail})
    else:
        media, body = "text/plain; charset=utf-8", f"{phrase}: {detail}.\n".encode()
    headers = HEADERS | {
        "Date": http_date(),
        "Connection": "close",
        "Content-Type": media,
        "Content-Length": str(len(body)),
    }
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode("latin-1") + body
