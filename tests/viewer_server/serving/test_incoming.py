"""Requests as they arrive, cut anywhere; what is no request is refused as soon as that is certain."""

from __future__ import annotations

import time

import pytest
from gunicorn.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from viewer_server.serving.incoming import MAX_HEAD, MAX_LINE, Incoming, Unreadable

MAX_BODY = 1000
GET = b"GET /a?b=1 HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
)
TRAILED = CHUNKED[:-2] + b"X-Trailer: 1\r\n\r\n"


def arriving() -> Incoming:
    return Incoming(Config(), ("127.0.0.1", 1), MAX_BODY)


def read_all(pieces: list[bytes]) -> list[tuple[str, str, bytes]]:
    """Method, path and body of each request that comes in these pieces."""
    incoming, found = arriving(), []
    for piece in pieces:
        incoming.buffer += piece
        while incoming.is_whole():
            request = incoming.take()
            found.append((request.method, request.path, request.body.read()))
    assert not incoming.buffer
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([GET, POST, CHUNKED, TRAILED, b"\r\n" + GET]), min_size=1, max_size=4), st.data()
)
def test_requests_are_the_same_wherever_they_are_cut(requests: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(requests)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    expected = {"G": ("GET", "/a", b""), "P": ("POST", "/p", b"hello"), "C": ("POST", "/c", b"abcde")}
    kinds = ["G" if b"GET" in one else "C" if b"chunked" in one else "P" for one in requests]
    assert read_all(pieces) == [expected[kind] for kind in kinds]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.binary(max_size=80) | st.sampled_from([GET, POST[:-3], CHUNKED[:70], b"\r\n", b"0\r\n\r\n"]))
)
def test_whatever_comes_is_a_request_or_refused_or_waited_for(pieces: list[bytes]) -> None:
    incoming = arriving()
    try:
        for piece in pieces:
            incoming.buffer += piece
            while incoming.is_whole():
                assert len(incoming.take().body.read()) <= MAX_BODY
    except Unreadable as reason:
        assert 400 <= reason.status <= 505
    assert len(incoming.buffer) <= MAX_HEAD + sum(map(len, pieces))


HEAD = b"GET / HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x00\xc8\x01", 400),  # TLS on a port without it
        (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"SSH-2.0-x\r\n\r\n", 400),
        (b"GET /" + b"a" * MAX_LINE + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /" + b"a" * (2 * MAX_LINE), 414),  # before the line ends
        (HEAD + b"X: " + b"a" * MAX_HEAD, 431),  # before the head ends
        (HEAD + b"X: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (HEAD + b"X: 1\r\n" * 101 + b"\r\n", 431),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (HEAD + b"Transfer-Encoding: gzip, odd\r\n\r\n", 501),
        (HEAD + b"Expect: cookies\r\n\r\n", 417),
        (HEAD + b"no colon\r\n\r\n", 400),
        (HEAD + b"Host: a\r\nHost: b\r\n\r\n", 400),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (HEAD + b"Content-Length: -1\r\n\r\n", 400),
        (HEAD + b"Content-Length: 1_0\r\n\r\n", 400),
        (HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (HEAD + b"Content-Length: 1001\r\n\r\n", 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 300, 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 20_000, 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;x\ny\r\na\r\n0\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: 1\r\n" * 6000, 431),
    ],
)  # fmt: skip
def test_what_will_never_be_a_request_is_refused(data: bytes, status: int) -> None:
    incoming = arriving()
    incoming.buffer += data
    with pytest.raises(Unreadable) as refused:
        incoming.is_whole()
    assert refused.value.status == status
    assert len(str(refused.value)) < 120


def test_a_body_in_small_chunks_costs_little_time() -> None:
    incoming = Incoming(Config(), ("127.0.0.1", 1), 1_048_576)
    incoming.buffer += HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    begin = time.process_time()
    for _ in range(9):
        incoming.buffer += (b"64\r\n" + bytes(100) + b"\r\n") * 1000
        assert not incoming.is_whole()
    incoming.buffer += b"0\r\n\r\n"
    assert incoming.is_whole()
    assert time.process_time() - begin < 0.3  # gunicorn's reader of chunks needs seconds
    assert incoming.take().body.read() == bytes(900_000)


def test_chunks_whose_lengths_outweigh_the_body_are_refused() -> None:
    incoming = Incoming(Config(), ("127.0.0.1", 1), 1_048_576)
    incoming.buffer += HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 15_000
    with pytest.raises(Unreadable, match="too many chunks"):
        incoming.is_whole()
