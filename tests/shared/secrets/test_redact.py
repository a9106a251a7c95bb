"""No text shows the credentials of an address."""

from __future__ import annotations

import html
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given

from shared.secrets import known
from shared.secrets.redact import keep_address, redact, redact_address
from tests.shared.secrets.addresses import Secretive, addresses, with_user


def leaked(text: str, secretive: Secretive) -> list[str]:
    return [secret for secret in secretive.secrets if secret in text]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        pytest.param("rtsp://u:p@cam/1", "rtsp://cam/1", id="user and password"),
        pytest.param("rtsp://admin:pa/ss@10.0.0.9:9/s", "rtsp://10.0.0.9:9/s", id="a slash in the password"),
        pytest.param("rtsp://admin:p@ssword@cam/s", "rtsp://cam/s", id="an @ in the password"),
        pytest.param('rtsp://admin:p%ss w"q\\b@cam/s', "rtsp://cam/s", id="blank, quote, backslash"),
        pytest.param("rtsp://u:p#q?r\n@cam/s", "rtsp://cam/s", id="hash, question mark, line feed"),
        pytest.param("RTSP://U:P@[::1]:554/s", "RTSP://[::1]:554/s", id="capitals and IPv6"),
        pytest.param("rtsp:/u:p@cam/s", "rtsp:/cam/s", id="one slash, as FFmpeg takes it"),
        pytest.param("rtsp:u:p@cam/s", "rtsp:cam/s", id="no slash"),
        pytest.param("async:http://u:p@cam/s", "async:http://cam/s", id="a protocol around another"),
        pytest.param("u:p@cam/s", "***@cam/s", id="the scheme was forgotten"),
        pytest.param("rtsp://u%3Ap%40cam/s", "rtsp://***", id="delimiters encoded, too"),
        pytest.param("rtsp%3A%2F%2Fu%3Ap%40cam%2Fs", "rtsp://cam/s", id="all of it encoded"),
        pytest.param("http://cam/v.cgi?user=a&pwd=b", "http://cam/v.cgi", id="a query"),
        pytest.param("rtsp://cam/user=a&password=b&channel=1.sdp", "rtsp://cam/***", id="in the path"),
        pytest.param("rtsp://cam/channel=1&password=b", "rtsp://cam/channel=1&***", id="later in the path"),
        pytest.param("http://cam/v;jsessionid=12/x", "http://cam/v;***", id="a path parameter"),
        pytest.param("http://cam/a%3Fpassword%3Db/x", "http://cam/***", id="an encoded query"),
        pytest.param("http://cam/password/b/x", "http://cam/password/***", id="a name in the path"),
        pytest.param("rtsp://cam/user:a/pwd:b/1", "rtsp://cam/***", id="colons in the path"),
        pytest.param("http://cam/p%61ssword=b/x", "http://cam/***", id="an encoded name"),
        pytest.param("rtmp://cam/app pubUser=a pubPasswd=b", "rtmp://cam/***", id="librtmp's options"),
        pytest.param("10.0.0.9/user=a&password=b", "10.0.0.9/***", id="no scheme, in the path"),
        pytest.param("http://cam/a:b/c=d&e=f", "http://cam/a:b/c=d&e=f", id="harmless parameters"),
        pytest.param("srt://cam:9?passphrase=b&streamid=c", "srt://cam:9", id="SRT"),
        pytest.param("rtsp://cam/s@1", "rtsp://***", id="two readings: the host may be a part of a password"),
        pytest.param("rtsp://10.0.0.9/s@1", "rtsp://10.0.0.9/s@1", id="an IP address is no user"),
        pytest.param("http://cam/login", "http://cam/login", id="nothing to hide"),
        pytest.param("file:///rec/a.mp4", "file:///rec/a.mp4", id="a file"),
        pytest.param("me@home.mp4", "me@home.mp4", id="a file's name"),
        pytest.param("0", "0", id="a webcam"),
    ],
)
def test_of_an_address_only_scheme_host_port_and_path_are_shown(address: str, shown: str) -> None:
    assert redact_address(address) == shown
    assert redact_address(shown) == shown, "what is shown can be shown again"


@given(addresses())
def test_no_address_shows_its_credentials(secretive: Secretive) -> None:
    shown = redact_address(secretive.address)
    assert not leaked(shown, secretive)
    assert shown.partition(":")[0] == secretive.address.partition(":")[0], "the scheme tells what it is"


@given(addresses())
def test_no_text_shows_the_credentials_of_a_configured_address(secretive: Secretive) -> None:
    address = secretive.address
    keep_address(address)
    texts = [
        f"OpenCV: can't open stream {address}: timed out",
        f"first {address}\nthen {address}",
        repr(address),
        json.dumps({"url": address}),
        html.escape(address),
        quote(address, safe=""),
        repr(address.encode()),
        'rtspsrc location="' + address.replace("\\", "\\\\").replace('"', '\\"') + '" latency=0',
    ]
    assert [text for text in map(redact, texts) if leaked(text, secretive)] == []
    known.forget()


def test_a_long_text_of_what_looks_like_credentials_takes_no_time() -> None:
    began = time.process_time()
    for text in ("passw" * 20_000, "http:/ " * 7000, "a:b@" * 25_000, "x" * 100_000):
        redact(text)
    assert time.process_time() - began < 3


@given(with_user())
def test_no_text_shows_the_user_part_of_an_address_that_nobody_configured(secretive: Secretive) -> None:
    address = secretive.address
    for text in (f"no answer from {address}: timed out", repr(address), f"{address}\nand http://cam/x"):
        assert not leaked(redact(text), secretive)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot open rtsp://u:p@cam/s: timed out", "cannot open rtsp://cam/s: timed out"),
        ("a http://h/x, rtsp://u:p@i/y; http://j/z?token=1.", "a http://h/x, rtsp://i/y; http://j/z."),
        ("tcp://10.0.0.1:554?timeout=5 failed", "tcp://10.0.0.1:554 failed"),
        (
            'location="rtsp://u:p w@h/s" user-id=me user-pw="s 3" !',
            'location="rtsp://h/s" user-id=*** user-pw=*** !',
        ),
        ("exceeded with url: /v.cgi?user=a&pwd=b (Caused", "exceeded with url: /v.cgi?*** (Caused"),
        ("Authorization: Basic YTpi", "Authorization: Basic ***"),
        ("connecting to u:p@cam:80", "connecting to ***@cam:80"),
        ("rtsp://admin:secr", "rtsp://***"),
        ("mqtt.password: expected a text", "mqtt.password: expected a text"),
        ("mqtt.password_file=FILE", "mqtt.password_file=FILE"),
        ("write http://HOST:PORT/MODEL", "write http://HOST:PORT/MODEL"),
        ("write rtsp://USER:PASSWORD@host", "write rtsp://USER:PASSWORD@host"),
        ("at 12:30:05 foo@example.org wrote", "at 12:30:05 foo@example.org wrote"),
    ],
)
def test_addresses_inside_of_a_text_lose_their_credentials_and_the_rest_stays(text: str, shown: str) -> None:
    assert redact(text) == shown
