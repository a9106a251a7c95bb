from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.capture.camera import capture
from edge_node.capture.readers.address import parse
from edge_node.config.camera_settings import CameraSettings


@pytest.mark.parametrize(
    ("url", "full", "login"),
    [
        ("rtsp://h/s", "rtsp://h/s", None),
        ("RTSP://h/s", "rtsp://h/s", None),
        ("rtsp://u:p@h/s", "rtsp://u:p@h/s", (b"u", b"p")),
        ("rtsp://u:p@ss@h/s", "rtsp://u:p%40ss@h/s", (b"u", b"p@ss")),
        ("rtsp://u:pa/ss@h/s", "rtsp://u:pa%2Fss@h/s", (b"u", b"pa/ss")),
        ("rtsp://u:p@s/s@10.0.0.5/s", "rtsp://u:p%40s%2Fs@10.0.0.5/s", (b"u", b"p@s/s")),
        ("rtsp://u:p@cam/s@x", "rtsp://u:p@cam/s@x", (b"u", b"p")),
        ("rtsp://u:p@cam.lan/s@10.0.0.5", "rtsp://u:p@cam.lan/s@10.0.0.5", (b"u", b"p")),
        ('rtsp://u:p@s"s\\ #%@h/s', "rtsp://u:p%40s%22s%5C%20%23%25@h/s", (b"u", b'p@s"s\\ #%')),
        ("rtsp://u:p?s#s@h:5/s", "rtsp://u:p%3Fs%23s@h:5/s", (b"u", b"p?s#s")),
        ("rtsp://u:p%40s%s@[::1]:554/s", "rtsp://u:p%40s%25s@[::1]:554/s", (b"u", b"p@s%s")),
        ("http://h/a b?x=y@z", "http://h/a%20b?x=y@z", None),
        ("http://h/a%20b?u=http://u:p@z/", "http://h/a%20b?u=http://u:p@z/", None),
        ("rtsp://u:%E9@h/s", "rtsp://u:%E9@h/s", (b"u", b"\xe9")),
        ("rtsp://u@h/s", "rtsp://u:@h/s", (b"u", b"")),
    ],
)
def test_user_and_password_are_found_whatever_characters_they_have(
    url: str, full: str, login: tuple[bytes, bytes] | None
) -> None:
    address = parse(url)
    assert (address.full, address.login) == (full, login)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: ":" not in text))
def test_an_encoded_login_comes_back_as_it_is(password: str) -> None:
    address = parse("rtsp://admin:x@cam:8554/s")
    again = parse(
        type(address)("rtsp", (b"admin", password.encode()), "cam:8554/s").full  # percent-encoded
    )
    assert again.login == (b"admin", password.encode())
    assert again.host == ("cam", 8554)


@pytest.mark.parametrize(
    ("url", "host"),
    [("rtsp://[::1]:5/s", ("::1", 5)), ("rtsp://h", ("h", None)), ("rtsp://h:/s", ("h", None))],
)
def test_host_and_port_are_told_apart(url: str, host: tuple[str, int | None]) -> None:
    assert parse(url).host == host


@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp"])
@pytest.mark.parametrize("port", ["0", "65536", "9" * 30, "9" * 5000])
def test_a_port_that_no_host_has_is_one_clear_reason(scheme: str, port: str) -> None:
    stop, reasons = threading.Event(), []

    def note(_: str, reason: str | None) -> None:
        reasons.append(reason)
        stop.set()

    settings = CameraSettings(source=f"{scheme}://127.0.0.1:{port}/cam")
    assert list(capture("c", settings, stop, note)) == []
    assert "1 to 65535" in str(reasons[0])
