"""What a JPEG or PNG says about itself in its header, read without a decoder.

So a picture that somebody sent can be refused before a decoder allocates memory for it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

_PNG = b"\x89PNG\r\n\x1a\n"
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
"""JPEG markers without a length."""
_FRAME_HEADERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's variants of "start of frame"; the other three in the range define tables (ITU-T T.81, table B.1)."""


class Header(NamedTuple):
    """Format, and width and height in pixels, which are never 0."""

    kind: Literal["jpeg", "png"]
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def read_header(data: bytes) -> Header | None:
    """The header of a JPEG or PNG; None when `data` is neither or cannot be decoded safely."""
    return read_jpeg_header(data) or read_png_header(data)


def read_jpeg_header(data: bytes) -> Header | None:
    """The header of a JPEG, of which the beginning is enough; None when there is none."""
    if not data.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker in _FRAME_HEADERS:
            height, width = (int.from_bytes(data[i : i + 2], "big") for i in (at + 5, at + 7))
            return Header("jpeg", width, height) if width and height else None
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def read_png_header(data: bytes) -> Header | None:
    """The header of a PNG (PNG specification, section 11.2.2); None when there is none.

    None, too, when a chunk claims to be longer than `data`: a decoder would allocate what the chunk claims.
    """
    if not data.startswith(_PNG) or data[12:16] != b"IHDR" or len(data) < 24:
        return None
    at = len(_PNG)
    while at + 8 <= len(data):  # length and type of a chunk; 4 bytes more are its checksum
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    return Header("png", width, height) if at <= len(data) and width and height else None


def is_whole_jpeg(data: bytes) -> bool:
    """Whether `data` has a JPEG's header and end marker, so that nothing was cut off."""
    return read_jpeg_header(data) is not None and data.endswith(b"\xff\xd9")
