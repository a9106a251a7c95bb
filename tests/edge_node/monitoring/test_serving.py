"""What strangers can do to the node's HTTP server: nothing that the node would notice."""

from __future__ import annotations

import asyncio
import gzip
import json
import select
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from edge_node.monitoring import serving
from edge_node.monitoring.serving import CONNECTIONS, HEAD_BYTES, Answer, HttpServer, as_json
from shared.errors import ConfigError

LONG = b"darner_x 1\n" * 20_000


def fails() -> Answer:
    raise RuntimeError("a fault")


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    pages = {
        "/health": lambda: as_json({"status": "ok"}),
        "/ready": lambda: as_json({"status": "not ready"}, 503),
        "/metrics": lambda: Answer(LONG, content_type="text/plain"),
        "/fails": fails,
    }
    with HttpServer("127.0.0.1", 0, pages) as running:
        yield running


def call(server: HttpServer, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to raw bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sock:
        sock.sendall(request)
        answer = b""
        while more := sock.recv(65_536):
            answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def test_a_page_is_answered_in_whole(server: HttpServer) -> None:
    status, headers, body = call(server, get("/metrics?x=1"))
    assert (status, body) == (200, LONG)
    assert headers["Content-Length"] == str(len(LONG))
    assert headers["Connection"] == "close"
    assert call(server, get("http://edge:9108/health"))[0] == 200, "the absolute form of a proxy's request"


def test_head_has_the_headers_and_no_body(server: HttpServer) -> None:
    status, headers, body = call(server, get("/metrics", method="HEAD"))
    assert (status, headers["Content-Length"], body) == (200, str(len(LONG)), b"")


def test_who_takes_gzip_gets_it(server: HttpServer) -> None:
    _, headers, body = call(server, get("/metrics", "Accept-Encoding: deflate, gzip;q=1"))
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == LONG
    assert len(body) < len(LONG) / 20


def test_the_same_page_is_compressed_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    compress, compressed = gzip.compress, []

    def counted(body: bytes, level: int) -> bytes:
        compressed.append(body)
        return compress(body, level)

    monkeypatch.setattr(gzip, "compress", counted)
    pages = [LONG, LONG, LONG + b"darner_x 2\n"]
    with HttpServer("127.0.0.1", 0, {"/metrics": lambda: Answer(pages.pop(0))}) as running:
        bodies = [call(running, get("/metrics", "Accept-Encoding: gzip"))[2] for _ in range(3)]
    assert [gzip.decompress(body) for body in bodies] == [LONG, LONG, LONG + b"darner_x 2\n"]
    assert len(compressed) == 2


@pytest.mark.parametrize("refusal", ["gzip;q=0", "gzip; q=0.0, br", "identity"])
def test_who_refuses_gzip_gets_plain_text(server: HttpServer, refusal: str) -> None:
    _, headers, body = call(server, get("/metrics", f"Accept-Encoding: {refusal}"))
    assert "Content-Encoding" not in headers
    assert body == LONG


def test_a_status_of_503_comes_with_its_reasons(server: HttpServer) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/ready", timeout=30)
    assert raised.value.code == 503
    assert json.load(raised.value) == {"status": "not ready"}


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(get("/passwd"), 404, id="no page"),
        pytest.param(get("/health", method="POST"), 405, id="a method that changes something"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, id="TLS"),
        pytest.param(b"GET http://[::1/health HTTP/1.1\r\n\r\n", 404, id="an unfinished address"),
        pytest.param(get("/health", "X: " + "x" * HEAD_BYTES), 431, id="a head that is too long"),
        pytest.param(b"A" * (HEAD_BYTES + 1), 431, id="no line at all"),
        pytest.param(get("/fails"), 500, id="a page that fails"),
    ],
)
def test_what_is_no_request_for_a_page_is_refused_in_a_sentence(
    server: HttpServer, request_bytes: bytes, status: int
) -> None:
    found, headers, body = call(server, request_bytes)
    assert found == status
    assert json.loads(body)["error"]
    assert headers["Content-Type"] == "application/json"


def test_a_body_that_nobody_reads_does_not_cost_the_client_its_answer(server: HttpServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sock:
        sock.sendall(get("/health", "Content-Length: 50000", method="POST") + b"x" * 50_000)
        ended = select.poll()
        ended.register(sock, select.POLLRDHUP)
        assert ended.poll(5000), "the server has said all it will say"
        assert sock.recv(65_536).startswith(b"HTTP/1.1 405 ")
        assert sock.recv(1) == b"", "an end, not a reset"


def test_the_oldest_silent_connections_give_way_to_those_that_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "WITHIN_S", 60.0)
    with HttpServer("127.0.0.1", 0, {"/health": lambda: as_json({})}) as running, ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=30))
            for _ in range(CONNECTIONS + 8)
        ]
        assert call(running, get("/health"))[0] == 200
        assert [silent[at].recv(1) for at in range(9)] == [b""] * 9
        for left in silent[9:]:
            left.setblocking(False)
            with pytest.raises(BlockingIOError):
                left.recv(1)


def test_who_sends_byte_after_byte_wakes_the_server_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    pause_s, paused, sleep = 0.3, threading.Event(), asyncio.sleep

    async def noted(seconds: float) -> None:
        if seconds == pause_s:
            paused.set()
        await sleep(seconds)

    monkeypatch.setattr(serving, "READ_PAUSE_S", pause_s)
    monkeypatch.setattr(asyncio, "sleep", noted)
    with HttpServer("127.0.0.1", 0, {"/health": lambda: as_json({})}) as running:
        with socket.create_connection(("127.0.0.1", running.port), timeout=30) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            began = time.monotonic()
            sock.sendall(b"G")
            assert paused.wait(30), "it has read this byte by itself"
            sock.sendall(get("/health")[1:])
            assert sock.recv(65_536).startswith(b"HTTP/1.1 200 ")
            assert time.monotonic() - began > 0.29
        assert call(running, get("/health"))[0] == 200


def test_the_log_says_where_the_pages_are_also_when_the_port_was_a_free_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "darner.http")
    with HttpServer(
        "127.0.0.1", 0, {"/health": lambda: as_json({}), "/ready": lambda: as_json({})}
    ) as running:
        assert f"answers /health, /ready at http://127.0.0.1:{running.port}\n" in caplog.text


def test_a_client_that_is_slow_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "WITHIN_S", 0.2)
    with HttpServer("127.0.0.1", 0, {"/health": lambda: as_json({})}) as running:
        with socket.create_connection(("127.0.0.1", running.port), timeout=30) as sock:
            began = time.monotonic()
            sock.sendall(b"GET /health HTTP/1.1\r\n")
            assert sock.recv(1) == b""
            assert time.monotonic() - began < 4
        assert call(running, get("/health"))[0] == 200


def test_a_port_that_is_taken_is_one_clear_error(server: HttpServer) -> None:
    with pytest.raises(ConfigError, match=r"prometheus: 127\.0\.0\.1:\d+: Address already in use"):
        HttpServer("127.0.0.1", server.port, {}).__enter__()


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("192.0.2.1", "Cannot assign requested address"),
        ("nobody.invalid", "Name or service not known"),
    ],
)
def test_an_address_that_is_not_this_machines_is_one_clear_error(host: str, why: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"^prometheus: {host}:0: {why}; choose another prometheus\.port or host$"
    ):
        HttpServer(host, 0, {}).__enter__()
