"""What a JPEG or PNG says about itself in its header, read without a decoder.

So a picture that somebody sent can be refused before a decoder allocates memory for it. That only helps if
every decoder finds the same size. So whatever decoders might read in two ways has no header here: it is not a
picture for us, even if some decoder would show it.
"""

from __future__ import annotations

import re
import zlib
from typing import Literal, NamedTuple

from shared import limits

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits of a sample that a PNG may have, by its colour type (PNG specification, section 11.2.2)."""
_ANIMATION = {b"acTL", b"fcTL", b"fdAT"}
_SOF, _PROGRESSIVE, _SOS, _EOI = {0xC0, 0xC1, 0xC2}, 0xC2, 0xDA, 0xD9
"""JPEG's markers (ITU-T T.81, table B.1): frame headers with Huffman codes, start of scan, end."""
_SKIPPED = {0xC4, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE}
"""Markers of segments that do not matter here: tables, restart interval, application data, comment."""
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""What ends the data of a scan: a marker that is no stuffed zero, padding or restart."""
_OTHERS = (
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WebP"),
    (re.compile(rb"II\*\0|MM\0\*"), "TIFF"),
    (re.compile(rb"GIF8"), "GIF"),
    (re.compile(rb"....ftyp(hei|hev|mif|msf)", re.DOTALL), "HEIC"),
    (re.compile(rb"....ftypavi", re.DOTALL), "AVIF"),
    (re.compile(rb"BM....\0\0\0\0", re.DOTALL), "BMP"),
    (re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "), "JPEG XL"),
    (re.compile(rb"\0\0\0\x0cjP  "), "JPEG 2000"),
)


class Header(NamedTuple):
    """What a picture's header says.

    Attributes:
        kind: The format.
        width: Pixels, never 0.
        height: Pixels, never 0.
        layered: Whether a decoder holds more than the pixels: all coefficients of a JPEG in several scans, or
            16 bits for each sample of a PNG.
    """

    kind: Literal["jpeg", "png"]
    width: int
    height: int
    layered: bool = False

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    @property
    def max_pixels(self) -> int:
        """The most pixels of a picture of this kind that are decoded."""
        return limits.LAYERED_PIXELS if self.layered else limits.UPLOAD_PIXELS


def is_picture(data: bytes) -> bool:
    """Whether the bytes begin as a JPEG or PNG does."""
    return data.startswith((b"\xff\xd8", _PNG[:4]))


def other_format(data: bytes) -> str | None:
    """The name of the format of a picture that is neither JPEG nor PNG; None when it is not known."""
    return next((name for magic, name in _OTHERS if magic.match(data)), None)


def refusal(data: bytes) -> str | None:
    """Why a picture that somebody sent is not decoded, and what to do; None when it may be decoded."""
    header = read_header(data)
    if header is None:
        if other := other_format(data):
            return f"the image is {other}; send a JPEG or PNG"
        if is_picture(data):
            return "the image is a damaged JPEG or PNG, or a rare variant; save it again as an ordinary one"
        return "the image is not a JPEG or PNG"
    if header.pixels > header.max_pixels:
        kind = {"jpeg": "a progressive JPEG", "png": "a PNG of 16 bits"}[header.kind]
        limit = f"{header.max_pixels / 1e6:.0f} megapixels"
        most = f"{kind} may have {limit}" if header.layered else f"the limit is {limit}"
        return f"the image has {header.width} x {header.height} pixels; {most}"
    return None


def read_header(data: bytes) -> Header | None:
    """The header of a JPEG or PNG; None when `data` is neither or cannot be decoded safely."""
    return read_jpeg_header(data) or read_png_header(data)


def read_jpeg_header(data: bytes) -> Header | None:
    """The header of a JPEG, whose end may be missing; None when there is none.

    None, too, when a decoder might find another frame header than this function: a second one, a marker that
    has no place there or no length, bytes between segments, a height that follows later (DNL). Lossless,
    hierarchical and arithmetically coded pictures, which few decoders read, are left out as well. So are more
    scans than a picture needs.
    """
    if not data.startswith(b"\xff\xd8"):
        return None
    at, scans, found = 2, 0, None
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker == _EOI:
            break
        segment = data[at + 4 : at + 2 + length]
        if length < 2 or (len(segment) < length - 2 and found is None):
            return None
        at += 2 + length
        if marker in _SOF and found is None:
            found = _frame_header(segment, marker)
            if found is None:
                return None
        elif marker == _SOS and found is not None:
            scans += 1
            # Without progress, each component comes once.
            most = limits.PICTURE_SCANS if found.layered else 4
            if scans > most or not _is_scan_header(segment):
                return None
            at = _end_of_scan(data, at)
        elif marker not in _SKIPPED:
            return None
    ended = data[at : at + 2]
    if found is None or ended[:1] not in (b"", b"\xff") or (ended[1:] == b"\xd9" and not scans):
        return None
    return found._replace(layered=found.layered or scans > 1)


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the data of a scan end: at the next marker that has no place in them, or at the end of `data`."""
    found = _AFTER_SCAN.search(data, at)
    return found.start() if found else len(data)


def _frame_header(segment: bytes, marker: int) -> Header | None:
    """What a frame header says (ITU-T T.81, B.2.2); None when it breaks the rules."""
    if len(segment) < 6 or segment[0] != 8 or not 1 <= segment[5] <= 4 or len(segment) != 6 + 3 * segment[5]:
        return None
    height, width = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
    return Header("jpeg", width, height, marker == _PROGRESSIVE) if width and height else None


def _is_scan_header(segment: bytes) -> bool:
    """Whether the length of a scan header fits its number of components (ITU-T T.81, B.2.3)."""
    return len(segment) >= 1 and 1 <= segment[0] <= 4 and len(segment) == 4 + 2 * segment[0]


def read_png_header(data: bytes) -> Header | None:
    """The header of a PNG (PNG specification, section 11.2.2); None when there is none.

    None, too, when a chunk claims to be longer than `data`, because a decoder would allocate what the chunk
    claims; when there is a second header; and when the picture is animated, because every frame has a size.
    """
    if not data.startswith(_PNG) or data[8:16] != b"\0\0\0\x0dIHDR" or len(data) < 33:
        return None
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    depth, colour, compression, filtering, interlace = data[24:29]
    if depth not in _PNG_DEPTHS.get(colour, ()) or (compression, filtering) != (0, 0) or interlace > 1:
        return None
    if zlib.crc32(data[12:29]) != int.from_bytes(data[29:33], "big"):
        return None
    at, kind = 33, b"IHDR"
    while kind != b"IEND":  # length and type of a chunk; 4 bytes more are its checksum
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        at += 12 + length
        if at > len(data) or kind == b"IHDR" or kind in _ANIMATION:
            return None
    return Header("png", width, height, depth == 16) if width and height else None


def is_whole_jpeg(data: bytes) -> bool:
    """Whether `data` has a JPEG's header and end marker, so that nothing was cut off."""
    return read_jpeg_header(data) is not None and data.endswith(b"\xff\xd9")
