"""The size of a JPEG from its header, without a decoder: it is known before anything is unpacked."""

from __future__ import annotations

_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_FRAME_HEADERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start of frame in its variants; the three others in the range define tables (ITU-T T.81, table B.1)."""


def header_size(payload: bytes) -> tuple[int, int] | None:
    """Width and height in pixels as the header has them; None when there is none of a JPEG."""
    if not payload.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= len(payload) and payload[at] == 0xFF:
        marker = payload[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker in _FRAME_HEADERS:
            height, width = (int.from_bytes(payload[i : i + 2], "big") for i in (at + 5, at + 7))
            return width, height
        else:
            at += 2 + int.from_bytes(payload[at + 2 : at + 4], "big")
    return None


def jpeg_size(payload: bytes) -> tuple[int, int] | None:
    """Width and height in pixels; None when this is no whole JPEG."""
    size = header_size(payload)
    return size if size and all(size) and payload.endswith(b"\xff\xd9") else None
