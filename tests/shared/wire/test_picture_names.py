"""The comment that names a picture's frame: what decoders make of it, and what strangers write."""

from __future__ import annotations

import dataclasses
import io

import cv2
import numpy as np
import orjson
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import limits
from shared.errors import MessageError
from shared.pictures import is_whole_jpeg, read_header
from shared.wire.messages import PictureName, encode
from shared.wire.picture_names import NAME_BYTES, frame_of, properties, read_name, with_name, without_name

NAME = PictureName(session="6b02-a", seq=7, captured_us=1_795_321_936_041_957, width=64, height=48)
NOISE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
JPEG = cv2.imencode(".jpg", NOISE)[1].tobytes()
HEAD, REST = JPEG[:20], JPEG[20:]


def pillow(**how: object) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(NOISE).save(file, "JPEG", **how)
    return file.getvalue()


def pixels(jpeg: bytes) -> bytes:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.tobytes()


def comment(text: bytes, length: int | None = None) -> bytes:
    return b"\xff\xfe" + (len(text) + 2 if length is None else length).to_bytes(2, "big") + text


def body(**changes: object) -> bytes:
    return orjson.dumps(orjson.loads(encode(NAME)) | changes)


@pytest.mark.parametrize(
    "jpeg",
    [
        pytest.param(JPEG, id="of OpenCV"),
        pytest.param(pillow(progressive=True), id="progressive"),
        pytest.param(pillow(exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"), id="with EXIF data"),
        pytest.param(pillow(comment=b"another's"), id="with another program's comment"),
        pytest.param(JPEG[:2] + REST, id="without a JFIF header"),
    ],
)
def test_a_named_picture_is_the_same_picture_to_every_decoder(jpeg: bytes) -> None:
    named = with_name(jpeg, NAME)
    assert read_name(named) == NAME
    assert read_name(jpeg) is None
    assert without_name(named) == without_name(jpeg) == jpeg
    assert (read_header(named), is_whole_jpeg(named)) == (read_header(jpeg), True)
    assert pixels(named) == pixels(jpeg)


def test_other_programs_find_the_comment_where_comments_are() -> None:
    found = PIL.Image.open(io.BytesIO(with_name(JPEG, NAME))).info["comment"]
    assert orjson.loads(found) == dataclasses.asdict(NAME)


def test_the_longest_name_fits_into_the_room_that_is_left_for_it() -> None:
    most = limits.WHOLE
    longest = PictureName(session="x" * 64, seq=most, captured_us=most, width=65_535, height=65_535)
    assert len(with_name(JPEG, longest)) <= len(JPEG) + NAME_BYTES
    assert read_name(with_name(JPEG, longest)) == longest


@pytest.mark.parametrize(
    "jpeg",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xd8\xff\xe0", id="cut off in the JFIF header"),
        pytest.param(HEAD + b"\xff\xfe", id="cut off before the length"),
        pytest.param(HEAD + comment(body(), 0) + REST, id="a length of 0"),
        pytest.param(HEAD + comment(b"") + REST, id="an empty comment"),
        pytest.param(HEAD + comment(body(), 65_535) + REST, id="a length beyond the bound"),
        pytest.param(HEAD + comment(body())[:-1], id="cut off in the comment"),
        pytest.param(HEAD + comment(body(more="x" * 200)) + REST, id="longer than the bound"),
        pytest.param(HEAD + comment(b"CREATOR: gd-jpeg v1.0") + REST, id="another program's text"),
        pytest.param(HEAD + comment(b'{"a":1}') + REST, id="another program's JSON"),
        pytest.param(HEAD + comment(b"[" * 250) + REST, id="nested deeply"),
        pytest.param(HEAD + comment(b'{"schema":"\xff\xff"}') + REST, id="not UTF-8"),
        pytest.param(HEAD + comment(body(schema="darner.picture/2")) + REST, id="a later version"),
        pytest.param(HEAD + comment(b"first") + comment(body()) + REST, id="ours behind another"),
        pytest.param(HEAD + REST[:-2] + comment(body()) + REST[-2:], id="behind the picture"),
        pytest.param(b"\x89PNG" + JPEG[4:20] + comment(body()), id="no JPEG"),
    ],
)
def test_a_picture_without_our_comment_in_its_place_names_no_frame(jpeg: bytes) -> None:
    assert read_name(jpeg) is None
    assert without_name(jpeg) == jpeg
    assert frame_of({}, jpeg) is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seq": -1}, "seq"),
        ({"seq": "7"}, "seq"),
        ({"seq": 2**53}, "seq"),
        ({"session": "a/b"}, "session"),
        ({"session": "x" * 65}, "session"),
        ({"captured_us": 1.5}, "captured_us"),
        ({"width": 0}, "width"),
    ],
)
def test_a_comment_of_ours_that_breaks_the_contract_is_refused_with_the_field(
    changes: dict[str, object], says: str
) -> None:
    with pytest.raises(MessageError, match=rf"the JPEG's comment names no frame: .*{says}"):
        frame_of({}, HEAD + comment(body(**changes)) + REST)


def test_the_first_of_two_names_counts_for_every_reader() -> None:
    twice = with_name(with_name(JPEG, NAME), dataclasses.replace(NAME, seq=8))
    assert frame_of({}, twice) == ("6b02-a", 8)


def test_properties_count_before_the_comment() -> None:
    named = with_name(JPEG, NAME)
    assert frame_of({}, named) == ("6b02-a", 7)
    assert frame_of(properties(NAME) | {"seq": "9"}, named) == ("6b02-a", 9)
    assert frame_of({"session": "other"}, named) == ("6b02-a", 7), "half a name is none"


@given(st.binary(max_size=300), st.integers(0, 65_535))
def test_no_bytes_do_more_than_be_refused(text: bytes, length: int) -> None:
    longer = JPEG[:4] + length.to_bytes(2, "big") + text
    for jpeg in (text, HEAD + text, HEAD + comment(text, length), longer):
        try:
            assert len(without_name(jpeg)) <= len(jpeg)
            assert read_name(jpeg) is None or jpeg.startswith(b"\xff\xd8")
        except MessageError:
            continue
