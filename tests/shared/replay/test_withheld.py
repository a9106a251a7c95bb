from __future__ import annotations

import orjson
import pytest

from shared.replay.withheld import without_passwords
from shared.wire import topics
from tests.shared.conformance.test_conformance import JPEG, boxes, sent

PREFIX = "conformance/v1"
WORD = "swordfish-77"


def kept(payload: bytes) -> bytes:
    return without_passwords(sent(topics.REQUEST, payload), PREFIX).payload


@pytest.mark.parametrize(
    "payload",
    [
        f'{{"cameras": {{"yard": {{"source": "rtsp://h/", "user": "u", "password": "{WORD}"}}}}}}',
        f'{{"cameras": {{"yard": {{"source": "rtsp://u:{WORD}@h/"}}}}}}',
        f'{{"cameras": {{"yard": {{"source": "srt://h:9?passphrase={WORD}"}}}}}}',
        f'{{"user": "u", "pass\\u0077ord": "{WORD}"}}',
        f'{{"password": "{WORD}", "password": null}}',
        f'{{"password": ["{WORD}"]}}',
        f'{{"password": {{"x": "{WORD}"}}}}',
        f'{{"cameras": {{"yard": {{"password": "{WORD}"}}',  # somebody has forgotten the end
        f"password: {WORD}",
        "[" * 5000 + f'"{WORD}"',
    ],
)
def test_no_password_of_a_request_is_kept(payload: str) -> None:
    assert WORD.encode() not in kept(payload.encode())


def test_what_else_a_request_says_is_kept() -> None:
    request = {"version": 3, "cameras": {"yard": {"source": "rtsp://h/a", "password": None}, "old": None}}
    assert orjson.loads(kept(orjson.dumps(request))) == request
    assert [kept(JPEG), kept(b"")] == [JPEG, b""]


def test_other_messages_are_kept_byte_for_byte() -> None:
    message = boxes(1)
    assert without_passwords(message, PREFIX) is message
