"""Cameras over HTTP with their habits: streams of JPEGs, and one picture at a time."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import cv2
import numpy as np
import pytest

from edge_node.capture.camera import capture
from edge_node.config.camera_settings import CameraSettings
from edge_node.frames import Frame


@functools.cache
def jpeg(number: int, width: int = 64) -> bytes:
    noise = np.random.default_rng(number).integers(0, 255, (48, width, 3), np.uint8)
    return cv2.imencode(".jpg", noise)[1].tobytes()


@contextmanager
def camera(answer: Callable[[Any], None]) -> Iterator[str]:
    """A camera at the address it gives, whose requests are answered by a function."""

    class One(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):  # the reader closed the connection first
                answer(self)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), One)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/video"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def watch(
    source: str, limit: int, until: str = "", **settings: Any
) -> tuple[list[Frame], list[tuple[str, str | None]]]:
    """What a camera gives and reports until there are `limit` frames or it reports the state `until`."""
    stop = threading.Event()
    timer = threading.Timer(20.0, stop.set)
    timer.start()
    frames: list[Frame] = []
    said: list[tuple[str, str | None]] = []
    wanted = CameraSettings(source=source, **settings)

    def note(state: str, reason: str | None) -> None:
        said.append((state, reason))
        if state == until:
            stop.set()

    for frame in capture("c", wanted, stop, note):
        frames.append(frame)
        if len(frames) == limit:
            stop.set()
    timer.cancel()
    return frames, said


def stream(
    count: int = 20,
    content: str = "multipart/x-mixed-replace; boundary=frame",
    miscount: int | None = 0,
    first: bytes = b"--frame\r\n",
    width: Callable[[int], int] = lambda _: 64,
    thumbnails: bool = False,
) -> Callable[[Any], None]:
    """A stream of JPEGs.

    Args:
        count: Number of pictures.
        content: The content type of the answer.
        miscount: Added to the length that each part names; None names none.
        first: The line before the first part.
        width: Of each picture.
        thumbnails: Whether each picture has a smaller JPEG in its header.
    """

    def answer(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Type", content)
        request.end_headers()
        for number in range(count):
            body = jpeg(number, width(number))
            if thumbnails:
                inner = jpeg(99)
                body = body[:2] + b"\xff\xe1" + (len(inner) + 2).to_bytes(2, "big") + inner + body[2:]
            length = f"Content-Length: {len(body) + miscount}\r\n" if miscount is not None else ""
            head = f"Content-Type: image/jpeg\r\n{length}\r\n".encode()
            request.wfile.write((first if number == 0 else b"--frame\r\n") + head + body + b"\r\n")
            time.sleep(0.002)
        request.wfile.write(b"--frame--\r\n")

    return answer


@pytest.mark.parametrize(
    "habit",
    [
        pytest.param({}, id="none"),
        pytest.param({"miscount": None}, id="no lengths"),
        pytest.param({"miscount": 37}, id="lengths too large"),
        pytest.param({"miscount": -5}, id="lengths too small"),
        pytest.param({"first": b""}, id="no first boundary"),
        pytest.param({"first": b"\r\n\r\n--frame\r\n"}, id="lines before the first boundary"),
        pytest.param({"content": "multipart/x-mixed-replace"}, id="no boundary named"),
        pytest.param({"content": "multipart/x-mixed-replace;boundary=--frame"}, id="dashes named"),
        pytest.param({"content": 'multipart/mixed; boundary="frame"'}, id="quoted"),
        pytest.param({"content": "application/octet-stream"}, id="another content type"),
        pytest.param({"thumbnails": True, "miscount": None}, id="thumbnails inside"),
    ],
)
def test_every_picture_of_a_stream_of_jpegs_comes_whatever_its_habits(habit: dict[str, Any]) -> None:
    with camera(stream(**habit)) as source:
        frames, said = watch(source, 20)
    assert len(frames) == 20
    for number, frame in enumerate(frames):
        expected = cv2.imdecode(np.frombuffer(jpeg(number), np.uint8), cv2.IMREAD_COLOR)
        assert expected is not None
        assert np.array_equal(frame.image, expected)
    assert {frame.clock for frame in frames} == {"arrival"}
    assert [state for state, _ in said] == ["streaming", "ended"]


def test_jpegs_one_behind_the_other_without_anything_between_are_a_stream_too() -> None:
    def answer(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "video/x-motion-jpeg")
        request.end_headers()
        for number in range(10):
            request.wfile.write(jpeg(number))
            time.sleep(0.002)

    with camera(answer) as source:
        frames, said = watch(source, 10)
    assert len(frames) == 10
    assert said[0] == ("streaming", None)


def test_pictures_of_another_size_are_not_scaled_and_begin_anew() -> None:
    with camera(stream(width=lambda number: 64 if number < 5 else 96)) as source:
        frames, _ = watch(source, 10)
    assert [frame.width for frame in frames] == [64] * 5 + [96] * 5
    assert [frame.seq for frame in frames if frame.restarted] == [5]


def one_picture(request: Any, body: bytes, tag: str | None = None) -> None:
    if tag is not None and request.headers.get("If-None-Match") == tag:
        request.send_response(304)
        request.end_headers()
        return
    request.send_response(200)
    request.send_header("Content-Type", "image/jpeg")
    request.send_header("Content-Length", str(len(body)))
    if tag is not None:
        request.send_header("ETag", tag)
    request.end_headers()
    request.wfile.write(body)


@pytest.mark.timing
def test_a_picture_s_address_is_polled_at_its_rate() -> None:
    asked: list[float] = []

    def answer(request: Any) -> None:
        asked.append(time.monotonic())
        one_picture(request, jpeg(len(asked)))

    with camera(answer) as source:
        frames, said = watch(source, 12, fps=20)
    assert len(frames) == 12
    assert not any(frame.restarted for frame in frames)
    assert [state for state, _ in said] == ["streaming", "ended"]
    assert np.median(np.diff(asked[1:])) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("tagged", [True, False])
def test_a_picture_that_has_not_changed_gives_no_frame_and_is_no_stall(tagged: bool) -> None:
    asked: list[int] = []

    def answer(request: Any) -> None:
        asked.append(1)
        one_picture(request, jpeg(len(asked) // 60), f'"{len(asked) // 60}"' if tagged else None)

    with camera(answer) as source:
        frames, said = watch(source, 2, fps=100, stall_s=0.5)
    assert len(frames) == 2
    assert len(asked) >= 60, "each picture was asked for during more than stall_s"
    assert [state for state, _ in said] == ["streaming", "ended"]


def test_a_picture_of_another_size_begins_anew_and_failures_in_between_are_tried_again() -> None:
    asked: list[int] = []

    def answer(request: Any) -> None:
        asked.append(1)
        if 4 <= len(asked) <= 8:
            request.send_error(503)
        elif len(asked) == 9:
            one_picture(request, b"no picture")
        else:
            one_picture(request, jpeg(len(asked), 64 if len(asked) < 12 else 128))

    with camera(answer) as source:
        frames, said = watch(source, 8, fps=50)
    assert [frame.width for frame in frames] == [64] * 4 + [128] * 4
    assert [frame.seq for frame in frames if frame.restarted] == [4]
    assert [state for state, _ in said] == ["streaming", "ended"]


def digest(request: Any) -> bool:
    """Whether a request has the digest of admin and p@s/w (RFC 2617)."""
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', request.headers.get("Authorization", "")))

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    if "response" not in given:
        return False
    user, place = md5("admin:cam:p@s/w"), md5(f"GET:{given['uri']}")
    if "qop" in given:
        user += f":{given['nonce']}:{given['nc']}:{given['cnonce']}:auth:{place}"
        return bool(given["response"] == md5(user))
    return bool(given["response"] == md5(f"{user}:{given['nonce']}:{place}"))


def basic(request: Any) -> bool:
    wanted = base64.b64encode(b"admin:p@s/w").decode()
    return bool(request.headers.get("Authorization") == f"Basic {wanted}")


@pytest.mark.parametrize("login", [basic, digest])
@pytest.mark.parametrize("kind", ["stream", "picture"])
@pytest.mark.parametrize(
    ("written", "fits"),
    [("admin:p@s/w@", True), ("admin:p%40s%2Fw@", True), ("admin:secret@", False), ("", False)],
)
def test_user_and_password_are_sent_as_the_camera_wants_them(
    login: Callable[[Any], bool], kind: str, written: str, fits: bool
) -> None:
    challenge = 'Digest realm="cam", nonce="n1", qop="auth"' if login is digest else 'Basic realm="cam"'

    def answer(request: Any) -> None:
        if login(request):
            (stream() if kind == "stream" else lambda one: one_picture(one, jpeg(time.time_ns() % 999)))(
                request
            )
            return
        request.send_response(401)
        request.send_header("WWW-Authenticate", challenge)
        request.end_headers()

    with camera(answer) as source:
        address = source.replace("http://", f"http://{written}")
        frames, said = watch(address, 5, until="" if fits else "reconnecting", fps=50)
    assert bool(frames) is fits
    reasons = " ".join(reason or "" for _, reason in said)
    assert "secret" not in reasons
    if not fits:
        assert ("percent-encode" if written else "wants a user and a password") in reasons


def test_an_address_that_sends_no_picture_any_more_is_a_camera_that_is_lost() -> None:
    asked: list[int] = []

    def answer(request: Any) -> None:
        asked.append(1)
        one_picture(request, jpeg(1) if len(asked) < 4 else b"log in first")

    with camera(answer) as source:
        _, said = watch(source, 9, until="reconnecting", fps=50, stall_s=0.5)
    assert [state for state, _ in said[:2]] == ["streaming", "reconnecting"]
    assert "sends no picture" in str(said[1][1])


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        ("500 \x1b[31mred\r" + "A" * 9999, {}, r"500 \x1b[31mred\rAA"),
        ("302 Found", {"Location": "/video"}, "302 The HTTP server returned a redirect error"),
        ("401 No", {"WWW-Authenticate": "Negotiate"}, "neither Basic nor Digest"),
        (
            "401 No",
            {"WWW-Authenticate": 'Digest realm="c", nonce="1", algorithm=ODD'},
            "neither Basic nor Digest",
        ),
    ],
)
def test_what_a_server_answers_is_one_short_printable_line(
    status: str, headers: dict[str, str], says: str
) -> None:
    def answer(request: Any) -> None:
        request.wfile.write(f"HTTP/1.0 {status}\r\n".encode("latin-1"))
        for name, value in headers.items():
            request.wfile.write(f"{name}: {value}\r\n".encode())
        request.wfile.write(b"\r\n")

    with camera(answer) as source:
        _, said = watch(source.replace("://", "://u:secret@"), 1, until="reconnecting")
    reason = str(said[0][1])
    assert says in reason
    assert reason.isprintable()
    assert len(reason) < 300
