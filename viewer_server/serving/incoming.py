"""A request as it arrives, in pieces of any size: when its head is whole, and when its body is.

gunicorn's parser reads the head, once it is whole. A body in chunks is put together here: gunicorn copies all
that is left at each chunk, which takes minutes for a body of small chunks. Nothing here waits, and nothing
here knows sockets.
"""

from __future__ import annotations

import io
from typing import Any

from gunicorn.http import errors
from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader

MAX_LINE = 4094
"""Maximum length of the request's first line, bytes: gunicorn's own."""
MAX_HEAD = 32 * 1024
CHUNK_LINE = 256
CHUNK_ROOM = 64 * 1024
"""Bytes that the lengths of a body's chunks may take. This bounds the number of chunks, and so the work."""

_ANSWERS = {
    "LimitRequestLine": (414, f"the address is longer than {MAX_LINE} bytes; ask for less at once"),
    "LimitRequestHeaders": (431, "too many or too long headers: at most 100, of at most 8 kB each"),
    "UnsupportedTransferCoding": (501, "the only known Transfer-Encoding is chunked"),
    "ExpectationFailed": (417, "the only known Expect is 100-continue"),
    "InvalidHTTPVersion": (505, "the known versions are HTTP/1.0 and HTTP/1.1"),
}
"""Status and detail for gunicorn's errors, by name: not every supported version has all of them."""


class Unreadable(Exception):  # noqa: N818 - an answer, not a failure
    """What arrives is no request that can be answered.

    Args:
        status: HTTP status code.
        detail: What was wrong, and how to fix it.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class _Whole(Unreader):  # type: ignore[misc]  # gunicorn has no types
    """Gives gunicorn's parser bytes that are there already."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data

    def chunk(self, size_hint: int | None = None) -> bytes:  # noqa: ARG002 - gunicorn's signature
        """All bytes at once, then the end."""
        data, self.data = self.data, b""
        return data


class Incoming:
    """One connection's requests, one after the other.

    Args:
        cfg: gunicorn's configuration, with limits of a head.
        peer: Address and port of the client.
        max_body: Maximum length of a body, bytes.

    Attributes:
        buffer: What has arrived and is not taken yet.
        request: The request, when its head is whole.
        in_chunks: Whether its body comes in chunks.
    """

    def __init__(self, cfg: Any, peer: tuple[str, int], max_body: int) -> None:
        self._cfg = cfg
        self._peer = peer
        self._max_body = max_body
        self.buffer = bytearray()
        self._begin()

    def _begin(self) -> None:
        self.request: Request | None = None
        self.in_chunks = False
        self._looked = 0
        self._body = 0
        self._end: int | None = None
        self._chunk = 0
        self._lengths = 0
        self._content = bytearray()

    @property
    def held(self) -> int:
        """Bytes of memory that the request takes."""
        return len(self.buffer) + len(self._content)

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for a word before it sends the body."""
        return self.request is not None and any(name == "EXPECT" for name, _ in self.request.headers)

    @property
    def wants_api(self) -> bool:
        """Whether the request, as far as it is here, goes to the API, whose errors are JSON."""
        return b"/api/v1/" in self.buffer[:256].partition(b"\r\n")[0]

    def is_whole(self) -> bool:
        """Whether head and body have arrived.

        Raises:
            Unreadable: They will never be a request.
        """
        if self.request is None and not self._read_head():
            return False
        if self.in_chunks and self._end is None:
            self._end = self._end_of_chunks()
        return self._end is not None and len(self.buffer) >= self._end

    def take(self) -> Request:
        """The whole request, whose body can be read; the next one begins."""
        request, end = self.request, self._end
        if request is None or end is None:
            raise ValueError("the request is not whole")
        request.body = io.BytesIO(self._content if self.in_chunks else self.buffer[self._body : end])
        del self.buffer[:end]
        self._begin()
        return request

    def _read_head(self) -> bool:
        buffer = self.buffer
        if buffer[:2] == b"\r\n":  # RFC 9112, 2.2: an empty line before a request is skipped
            del buffer[:2]
        if buffer and not (65 <= buffer[0] <= 90 or buffer[0] == 13):
            raise Unreadable(400, "not HTTP; a request begins with a method such as GET")
        end = buffer.find(b"\r\n\r\n", max(0, self._looked - 3))
        self._looked = len(buffer)
        if max(end, 0 if end >= 0 else len(buffer)) > MAX_HEAD:
            raise Unreadable(431, f"the head of the request is longer than {MAX_HEAD} bytes")
        if end < 0:
            if b"\n" not in buffer[: MAX_LINE + 2] and len(buffer) > MAX_LINE + 2:
                raise Unreadable(414, f"the address is longer than {MAX_LINE} bytes; ask for less at once")
            return False
        self._body = self._chunk = end + 4
        self.request = self._parse(bytes(buffer[: self._body]))
        self._frame(self.request)
        return True

    def _parse(self, head: bytes) -> Request:
        try:
            return Request(self._cfg, _Whole(head), self._peer)
        except (errors.ParseException, StopIteration) as error:
            name = type(error).__name__
            raise Unreadable(*_ANSWERS.get(name, (400, f"not an HTTP request: {name}"))) from None

    def _frame(self, request: Request) -> None:
        """Find out where the body ends; gunicorn has refused what is ambiguous."""
        length = 0
        for name, value in request.headers:
            self.in_chunks |= name == "TRANSFER-ENCODING"
            if name == "CONTENT-LENGTH":
                length = int(value)
        if length > self._max_body:
            raise self._too_long()
        if not self.in_chunks:
            self._end = self._body + length

    def _end_of_chunks(self) -> int | None:
        """Take in the chunks that are here; where the body ends, or None as long as its end is not here."""
        buffer, begin, size = self.buffer, 0, -1
        while size and (found := self._next_chunk()) is not None:
            begin, size = found
            lengths = self._lengths + begin - self._chunk + 2
            end = begin + size
            if len(self._content) + size > self._max_body:
                raise self._too_long()
            if lengths > CHUNK_ROOM:
                raise Unreadable(413, "a body of too many chunks; send larger ones")
            if size == 0 or len(buffer) < end + 2:
                break
            if buffer[end : end + 2] != b"\r\n":
                raise Unreadable(400, "a chunk of the body is longer than its length says")
            self._content += memoryview(buffer)[begin:end]
            self._chunk, self._lengths = end + 2, lengths
        taken = self._chunk - self._body
        del buffer[self._body : self._chunk]
        self._chunk = self._body
        return self._end_of_trailers(begin - taken) if size == 0 else None

    def _next_chunk(self) -> tuple[int, int] | None:
        """Where the next chunk begins behind its length, and the length; None as long as that is not here."""
        line = self.buffer.find(b"\r\n", self._chunk, self._chunk + CHUNK_LINE)
        if line < 0:
            if len(self.buffer) - self._chunk >= CHUNK_LINE:
                raise Unreadable(400, "a chunk of the body begins without its length")
            return None
        digits, _, extension = bytes(self.buffer[self._chunk : line]).partition(b";")
        digits = digits.rstrip(b" \t")
        is_hex = 1 <= len(digits) <= 8 and not digits.translate(None, b"0123456789abcdefABCDEF")
        if not is_hex or b"\n" in extension:
            raise Unreadable(400, "a chunk of the body has no readable length")
        return line + 2, int(digits, 16)

    def _too_long(self) -> Unreadable:
        return Unreadable(413, f"a body of more than {self._max_body} bytes; send less")

    def _end_of_trailers(self, begin: int) -> int | None:
        if self.buffer[begin : begin + 2] == b"\r\n":
            return begin + 2
        end = self.buffer.find(b"\r\n\r\n", begin)
        if max(end, len(self.buffer)) - begin > MAX_HEAD:
            raise Unreadable(431, "too many trailers behind the body")
        return end + 4 if end >= 0 else None
