"""Headers of pictures against those that a real encoder writes, and against nonsense."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import limits
from shared.pictures import Header, is_whole_jpeg, read_header, read_jpeg_header, refusal

JPEG = cv2.imencode(".jpg", np.zeros((18, 32, 3), np.uint8))[1].tobytes()
PNG = cv2.imencode(".png", np.zeros((18, 32, 3), np.uint8))[1].tobytes()


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("jpeg", []),
        ("jpeg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        ("jpeg", [cv2.IMWRITE_JPEG_RST_INTERVAL, 4]),
        ("png", []),
    ],
)
def test_a_header_has_the_size_that_the_encoder_wrote(
    kind: str, parameters: list[int], channels: int
) -> None:
    image = np.zeros((31, 77, channels), np.uint8)
    ok, data = cv2.imencode(f".{kind}", image, parameters)
    assert ok
    layered = parameters[:1] == [cv2.IMWRITE_JPEG_PROGRESSIVE]
    assert read_header(data.tobytes()) == (kind, 77, 31, layered)
    assert refusal(data.tobytes()) is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xd8\xff\xd9", id="JPEG: nothing between its ends"),
        pytest.param(b"\xff\xd8\xff\xe0\x00\x00\xff\xd9", id="JPEG: a segment without a length"),
        pytest.param(JPEG.replace(b"\x00\x12\x00\x20", b"\x00\x00\x00\x20"), id="JPEG: no height"),
        pytest.param(PNG.replace(b"\x00\x00\x00\x20", b"\x00\x00\x00\x00", 1), id="PNG: no width"),
        pytest.param(PNG[:-1], id="PNG: cut short, so that its last chunk is longer than the data"),
        pytest.param(PNG[:33] + b"\xdf" + PNG[34:], id="PNG: a chunk that claims gigabytes"),
        pytest.param(b"GIF89a" + bytes(40), id="another format"),
    ],
)
def test_what_cannot_be_decoded_safely_has_no_header(data: bytes) -> None:
    assert read_header(data) is None


def test_the_beginning_of_a_jpeg_is_enough_for_its_header_and_is_not_the_whole() -> None:
    assert read_header(JPEG[:-1]) == Header("jpeg", 32, 18)
    assert is_whole_jpeg(JPEG)
    assert not is_whole_jpeg(JPEG[:-1])
    assert not is_whole_jpeg(PNG)


NOISE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
LARGE = b"\xff\xc0\x00\x11\x08\x3e\x80\x3e\x80\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"
"""A frame header of 16,000 x 16,000 pixels."""


def save(mode: str = "RGB", kind: str = "JPEG", **how: object) -> bytes:
    """The noise as Pillow writes it."""
    file = io.BytesIO()
    PIL.Image.fromarray(NOISE).convert(mode).save(file, kind, **how)
    return file.getvalue()


PLAIN = save()
PROGRESSIVE = save(progressive=True)
THUMBNAIL = save(exif=b"Exif\0\0" + PLAIN[:2] + LARGE)
FRAME = PLAIN.index(b"\xff\xc0")
SCAN = PLAIN.index(b"\xff\xda")


def before_the_frame(extra: bytes) -> bytes:
    """A JPEG with bytes before its frame header."""
    return PLAIN[:FRAME] + extra + PLAIN[FRAME:]


def before_the_end(extra: bytes) -> bytes:
    """A JPEG with bytes after the data of its scan."""
    return PLAIN[:-2] + extra + PLAIN[-2:]


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks."""
    return PNG[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


IHDR = (b"IHDR", struct.pack(">IIBBBBB", 32, 18, 8, 2, 0, 0, 0))
IDAT, IEND = (b"IDAT", zlib.compress(bytes(97 * 18))), (b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            before_the_frame(b"\xff\x00\x00\x15" + LARGE), id="marker 0, whose length hides a frame"
        ),
        pytest.param(before_the_frame(b"\xff\xd0\x00\x15" + LARGE), id="a restart outside a scan"),
        pytest.param(before_the_frame(b"\xff\x01"), id="a marker for arithmetic coding"),
        pytest.param(before_the_frame(b"\xff\xd8"), id="a second start"),
        pytest.param(before_the_frame(b"\xff\xd9"), id="an end before the frame"),
        pytest.param(before_the_frame(PLAIN[SCAN:-2]), id="a scan before the frame"),
        pytest.param(before_the_frame(b"\xff\xe0\x00\x01"), id="a segment shorter than its length"),
        pytest.param(before_the_frame(b"x"), id="a byte between segments"),
        pytest.param(before_the_frame(LARGE), id="two frame headers"),
        pytest.param(before_the_end(LARGE), id="a frame header after a scan"),
        pytest.param(before_the_end(b"\xff\xdc\x00\x04\x3e\x80"), id="a height after a scan"),
        pytest.param(before_the_end(b"\xff\xf0\x00\x04ab"), id="a marker for an extension"),
        pytest.param(PLAIN[:SCAN] + PLAIN[-2:], id="no scan"),
        pytest.param(PLAIN.replace(b"\xff\xc0", b"\xff\xc3"), id="lossless"),
        pytest.param(PLAIN.replace(b"\xff\xc0", b"\xff\xc9"), id="arithmetic coding"),
        pytest.param(PLAIN.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"), id="12 bits"),
        pytest.param(PLAIN[:-2] + PLAIN[SCAN:-2] * 4 + PLAIN[-2:], id="five scans without progress"),
        pytest.param(
            PROGRESSIVE[:-2]
            + PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2] * limits.PICTURE_SCANS
            + b"\xff\xd9",
            id="many scans",
        ),
        pytest.param(png(IHDR, IHDR, IDAT, IEND), id="PNG: two headers"),
        pytest.param(png(IHDR, (b"acTL", bytes(8)), IDAT, IEND), id="PNG: animated"),
        pytest.param(png((b"tEXt", b"a"), IHDR, IDAT, IEND), id="PNG: something before the header"),
        pytest.param(png((b"IHDR", IHDR[1][:8] + b"\x07\x02\0\0\0"), IDAT, IEND), id="PNG: 7 bits"),
        pytest.param(
            png(IHDR, IDAT, IEND).replace(b"\0\0\0\x20", b"\0\0\0\x30", 1), id="PNG: wrong checksum"
        ),
        pytest.param(png(IHDR, IDAT), id="PNG: no end"),
    ],
)
def test_what_decoders_might_read_in_two_ways_has_no_header(data: bytes) -> None:
    assert read_header(data) is None
    assert "rare variant" in (refusal(data) or "")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(before_the_frame(b"\xff\xff\xff"), id="padding"),
        pytest.param(before_the_frame(b"\xff\xfe\x00\x04\xff\xc0"), id="a comment that looks like a frame"),
        pytest.param(THUMBNAIL, id="a thumbnail in the EXIF data"),
        pytest.param(PLAIN + LARGE, id="bytes after the end"),
        pytest.param(save("CMYK"), id="four inks"),
        pytest.param(save("L"), id="grey"),
        pytest.param(save("RGB", subsampling=0, quality=100, optimize=True), id="not subsampled"),
        pytest.param(save("P", "PNG"), id="PNG: palette"),
        pytest.param(save("RGBA", "PNG"), id="PNG: transparent"),
        pytest.param(save("RGB", "PNG") + b"more", id="PNG: bytes after the end"),
    ],
)
def test_what_all_decoders_read_alike_has_the_size_that_they_find(data: bytes) -> None:
    found = read_header(data)
    assert found is not None
    assert (found.width, found.height) == (64, 48)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape[:2] == (48, 64)
    with PIL.Image.open(io.BytesIO(data)) as image:
        assert image.size == (64, 48)


def test_a_decoder_needs_more_room_for_some_kinds_so_their_limit_is_lower() -> None:
    deep = cv2.imencode(".png", NOISE.astype(np.uint16))[1].tobytes()
    for data in (PROGRESSIVE, deep):
        header = read_header(data)
        assert header is not None
        assert header.layered
        assert header.max_pixels == 20_000_000
    size = struct.pack(">HH", 48, 64)
    large = PROGRESSIVE.replace(size, struct.pack(">HH", 5000, 5000), 1)
    assert refusal(large) == ("the image has 5000 x 5000 pixels; a progressive JPEG may have 20 megapixels")
    assert refusal(PLAIN.replace(size, struct.pack(">HH", 5000, 5000), 1)) is None
    assert refusal(PLAIN.replace(size, struct.pack(">HH", 8000, 8000), 1)) == (
        "the image has 8000 x 8000 pixels; the limit is 40 megapixels"
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (save("RGB", "WebP"), "the image is WebP; send a JPEG or PNG"),
        (save("RGB", "TIFF"), "the image is TIFF; send a JPEG or PNG"),
        (save("RGB", "GIF"), "the image is GIF; send a JPEG or PNG"),
        (save("RGB", "BMP"), "the image is BMP; send a JPEG or PNG"),
        (b"\0\0\0\x18ftypheic", "the image is HEIC; send a JPEG or PNG"),
        (b"\0\0\0\x20ftypavif", "the image is AVIF; send a JPEG or PNG"),
        (b"%PDF-1.7", "the image is not a JPEG or PNG"),
    ],
)
def test_a_picture_of_another_format_is_refused_by_its_name(data: bytes, said: str) -> None:
    assert refusal(data) == said


SEEDS = [PLAIN, PROGRESSIVE, THUMBNAIL, save("L"), save("CMYK"), save("RGB", "PNG"), save("P", "PNG")]
SPLICES = [
    *(bytes([0xFF, marker]) for marker in (0x00, 0x01, 0xC0, 0xC2, 0xC4, 0xD0, 0xD8, 0xD9, 0xDA, 0xE1, 0xFF)),
    LARGE,
    b"\xff\xdc\x00\x04\x3e\x80",
    b"\xff\xe0\x00\x00",
    b"\0\0\0\x0dIHDR",
]
SURGERY = st.lists(
    st.tuples(st.integers(2, 700), st.integers(0, 30), st.sampled_from(SPLICES) | st.binary(max_size=4)),
    min_size=1,
    max_size=3,
)


@settings(max_examples=300)
@given(seed=st.sampled_from(SEEDS), surgery=SURGERY)
def test_a_header_has_the_size_that_real_decoders_find(
    seed: bytes, surgery: list[tuple[int, int, bytes]]
) -> None:
    data = seed
    for place, removed, put in surgery:
        data = data[:place] + put + data[place + removed :]
    header = read_header(data)
    if header is None or header.pixels > 1_000_000:
        return
    with contextlib.suppress(cv2.error):
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        # The EXIF data may ask to turn it.
        assert decoded is None or sorted(decoded.shape[:2]) == sorted((header.width, header.height))
    with contextlib.suppress(OSError, SyntaxError, ValueError), PIL.Image.open(io.BytesIO(data)) as image:
        size = image.size
        assert image.format not in ("JPEG", "PNG", "MPO") or size == (header.width, header.height)


@given(st.binary(max_size=200))
def test_any_bytes_have_a_header_or_none(data: bytes) -> None:
    assert read_header(data) is None
    for start in (b"\xff\xd8", PNG[:8], PNG[:33]):
        found = read_header(start + data)
        assert found is None or found.pixels > 0
    assert read_jpeg_header(PNG) is None
