"""A secret that is known is found in any text."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.secrets import known
from shared.secrets.redact import keep_address, redact


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=4).filter(lambda text: not text.isspace()))
def test_a_known_secret_is_hidden_however_it_is_escaped(secret: str) -> None:
    known.forget()
    wrapped = "\u2402{}\u2403".format  # control pictures: they are in no word
    if secret in known.OUR_WORDS:
        return
    known.keep(secret)
    for text in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe=""), quote(secret)):
        assert known.hide(wrapped(text)) == wrapped("***")


def test_a_short_secret_does_not_blot_out_words() -> None:
    for secret in ("1", "cam", "shop7"):
        known.keep(secret)
    assert known.hide("cam 1: shop7, workshop75") == "cam 1: ***, workshop75"


def test_a_password_that_is_one_of_our_own_words_leaves_the_messages_readable() -> None:
    known.keep("password")
    assert known.hide("check mqtt.password") == "check mqtt.password"


def test_the_oldest_secrets_give_way_and_not_the_newest() -> None:
    for number in range(21_000):
        known.keep(f"secret{number}")
    assert known.hide("secret0 and secret20999") == "secret0 and ***"
    known.forget()


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://cam/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp?real_stream",
        "rtsp://cam/user=admin/password=tlJwpbo6/ch1",
        "rtsp://cam/user=admin&password=tlJwpbo6&channel=1.sdp",
        "rtmp://cam/app pubUser=admin pubPasswd=tlJwpbo6 live=1",
        "http://cam/video?user_password=tlJwpbo6&x=1",
        "http://cam/video?USER=admin&PWD=tlJwpbo6#1",
    ],
)
def test_the_password_among_the_parameters_of_an_address_is_known_apart_from_it(address: str) -> None:
    known.forget()
    keep_address(address)
    assert redact("the camera refused tlJwpbo6 of admin") == "the camera refused *** of admin"


def test_the_credentials_of_an_address_are_known_apart_from_it() -> None:
    keep_address("rtsp://admin:hunter42x@cam/s?token=abcdefgh1")
    basic = base64.b64encode(b"admin:hunter42x").decode()
    for text in ("401 for hunter42x", f"sent {basic}", "abcdefgh1 has expired"):
        assert "***" in redact(text)
