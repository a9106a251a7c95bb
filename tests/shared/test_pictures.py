"""Headers of pictures against those that a real encoder writes, and against nonsense."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pictures import Header, is_whole_jpeg, read_header, read_jpeg_header

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
    assert read_header(data.tobytes()) == (kind, 77, 31)


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


@given(st.binary(max_size=200))
def test_any_bytes_have_a_header_or_none(data: bytes) -> None:
    assert read_header(data) is None
    for start in (b"\xff\xd8", PNG[:8], PNG[:33]):
        found = read_header(start + data)
        assert found is None or found.pixels > 0
    assert read_jpeg_header(PNG) is None
