"""Connections of every bad kind, on real sockets; limits are short, so that nothing is waited for long."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from gunicorn.config import Config

from tests.conftest import wait_until
from viewer_server.serving.answering import HAS_GONE
from viewer_server.serving.door import Door
from viewer_server.serving.incoming import Incoming
from viewer_server.serving.limits import Limits
from viewer_server.serving.peers import Peers

LIMITS = Limits(
    head_s=0.5, body_s=0.5, idle_s=0.5, leave_s=0.5, grace_s=0.5, connections=20, each=8, browsers=3,
    browsers_each=2, body=100_000, bodies=300_000,
    lanes={
        "request": (3, 2), "history": (2, 1), "download": (1, 1), "node": (1, 1), "login": (1, 1),
        "health": (1, 1),
    },
)  # fmt: skip
PATIENT = replace(LIMITS, head_s=60, body_s=60, idle_s=60, grace_s=60)


class Application:
    """A WSGI application; some of its paths hold a thread until they are let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(path)
        body = environ["wsgi.input"].read()
        if "/slow" in path:
            self.let_go.wait(60)
        if path == "/long":
            wait_until(environ[HAS_GONE])
            self.let_go.set()
        if path == "/fails":
            raise ValueError("it does")
        if path == "/large":
            body = bytes(3_000_000)
        if path == "/ws":
            environ["gunicorn.socket"].sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            environ["gunicorn.socket"].recv(1)
            raise StopIteration
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body[at : at + 100_000] for at in range(0, len(body), 100_000)]


class Opened:
    """A door with an application behind it."""

    def __init__(self, limits: Limits, trusted: tuple[str, ...]) -> None:
        self.app = Application()
        self.cut: Counter[str] = Counter()
        listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = listener.getsockname()[1]
        self.door = Door(
            [listener], Config(), self.app, Peers(trusted), limits, lambda why: self.cut.update([why])
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._connected: list[socket.socket] = []

    def _run(self) -> None:
        self.door.open()
        while not self._stop.is_set():
            self.door.turn(0.05)
        self.door.stop_listening()
        until = time.monotonic() + 2
        while not self.door.is_empty and time.monotonic() < until:
            self.door.turn(0.05)
        self.door.close()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.app.let_go.set()
        self._stop.set()
        self._thread.join()

    def hang_up(self) -> None:
        for sock in self._connected:
            sock.close()

    def connect(self, data: bytes = b"", address: str = "127.0.0.1") -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=30, source_address=(address, 0))
        self._connected.append(sock)
        sock.sendall(data)
        return sock

    def ask(self, path: str, address: str = "127.0.0.1", more: bytes = b"") -> bytes:
        with closing(self.connect(get(path, more + b"Connection: close\r\n"), address)) as sock:
            return everything(sock)


def get(path: str, more: bytes = b"") -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (path.encode(), more)


def everything(sock: socket.socket) -> bytes:
    """What comes until the other side hangs up."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := sock.recv(65_536):
            found += data
    return found


@contextmanager
def opened(limits: Limits = PATIENT, trusted: tuple[str, ...] = ()) -> Iterator[Opened]:
    made = Opened(limits, trusted)
    made.start()
    try:
        yield made
    finally:
        made.hang_up()
        made.stop()


@pytest.fixture
def door() -> Iterator[Opened]:
    with opened() as made:
        yield made


def post(length: int, body: bytes) -> bytes:
    return b"POST /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (
        length,
        body,
    )


def test_requests_on_one_connection_are_answered_in_order(door: Opened) -> None:
    with closing(door.connect(get("/1") + get("/2") + get("/3", b"Connection: close\r\n"))) as sock:
        assert everything(sock).count(b"HTTP/1.1 200 OK") == 3
    assert door.app.asked == ["/1", "/2", "/3"]


def test_a_body_arrives_whole_before_a_thread_is_asked(door: Opened) -> None:
    with closing(door.connect(post(50_000, b"a" * 20_000))) as sock:
        time.sleep(0.1)
        assert door.app.asked == []
        sock.sendall(b"b" * 30_000)
        assert everything(sock).endswith(b"a" * 20_000 + b"b" * 30_000)


def test_long_work_sees_that_nobody_waits_for_it_any_longer(door: Opened) -> None:
    with closing(door.connect(get("/long"))):
        wait_until(lambda: door.app.asked)
        assert not door.app.let_go.wait(0.1)
    assert door.app.let_go.wait(30)


def test_one_that_waits_for_a_word_before_its_body_gets_it(door: Opened) -> None:
    head = post(3, b"").replace(b"Content", b"Expect: 100-continue\r\nContent")
    with closing(door.connect(head)) as sock:
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        answer = everything(sock)
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"abc")


@pytest.mark.parametrize("before", [b"", get("/first")])
def test_one_that_resets_instead_of_waiting_for_that_word_harms_nobody(before: bytes) -> None:
    door = Opened(PATIENT, ())  # not yet running: all of this is there when it accepts
    head = post(3, b"").replace(b"Content", b"Expect: 100-continue\r\nContent")
    sock = door.connect(before + head)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    door.start()
    try:
        assert door.ask("/next").startswith(b"HTTP/1.1 200")
    finally:
        door.stop()


def test_a_fault_in_reading_one_request_ends_that_connection_only(
    door: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Incoming, "is_whole", lambda _: 1 / 0)
        assert door.ask("/bad") == b""
    assert door.ask("/next").startswith(b"HTTP/1.1 200")
    assert "a request could not be read" in caplog.text


def test_a_browser_for_whom_the_machine_has_no_thread_is_told(
    door: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    for _ in range(4):  # more often than there is room for browsers
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", none_left)
            assert door.ask("/ws", more=UPGRADE).startswith(b"HTTP/1.1 503")
    with closing(door.connect(get("/ws", UPGRADE))) as browser:
        assert browser.recv(20).startswith(b"HTTP/1.1 101")


@pytest.mark.parametrize(
    ("begins", "drips"),
    [
        (b"GET / HTTP/1.1\r\nX: ", b"x"),
        (post(1000, b""), b"x"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
)
def test_a_request_that_drips_is_ended_in_time(begins: bytes, drips: bytes) -> None:
    with opened(LIMITS) as door, closing(door.connect(begins)) as sock:
        begin = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - begin < 10:
                sock.sendall(drips)
                time.sleep(0.02)
                sock.settimeout(0.02)
                with contextlib.suppress(TimeoutError):
                    answer = sock.recv(4096)
                    break
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert b"Content-Security-Policy" in answer
        assert 0.5 <= time.monotonic() - begin < 9
        assert door.app.asked == []


def test_one_that_says_nothing_is_let_go() -> None:
    with opened(LIMITS) as door, closing(door.connect()) as silent, closing(door.connect(get("/"))) as idle:
        assert everything(silent) == b""
        assert everything(idle).startswith(b"HTTP/1.1 200")


def test_one_that_never_reads_holds_no_thread_for_long_and_is_cut() -> None:
    with opened(LIMITS) as door:
        stuck = []
        for _ in range(5):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.connect(("127.0.0.1", door.port))
            sock.sendall(get("/large"))
            stuck.append(sock)
        wait_until(lambda: len(door.app.asked) == 5)
        wait_until(lambda: door.cut["reading"] >= 5)
        assert door.ask("/after").startswith(b"HTTP/1.1 200")
        for sock in stuck:
            sock.close()


def test_one_that_reads_a_little_now_and_then_is_cut_too() -> None:
    with opened(LIMITS) as door, closing(socket.socket()) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.connect(("127.0.0.1", door.port))
        sock.sendall(get("/large"))
        taken, begin = 0, time.monotonic()
        with contextlib.suppress(ConnectionError):
            while (data := sock.recv(100)) and time.monotonic() - begin < 10:
                taken += len(data)
                time.sleep(0.02)
        assert taken < 1_000_000
        assert door.cut["reading"] == 1


def test_one_that_reads_slowly_but_surely_gets_everything(door: Opened) -> None:
    with closing(door.connect(get("/large", b"Connection: close\r\n"))) as sock:
        time.sleep(0.3)
        assert len(everything(sock).partition(b"\r\n\r\n")[2]) == 3_000_000


def test_health_is_answered_while_every_thread_is_taken(door: Opened) -> None:
    slow = [door.connect(get("/slow"), f"127.0.0.{n}") for n in (2, 2, 3, 4, 4)]
    wait_until(lambda: door.app.asked.count("/slow") == 3)
    assert door.ask("/health").startswith(b"HTTP/1.1 200")
    assert door.ask("/darner/health").startswith(b"HTTP/1.1 200")
    door.app.let_go.set()
    for sock in slow:
        sock.close()


def test_one_address_does_not_take_every_thread(door: Opened) -> None:
    slow = [door.connect(get("/slow"), "127.0.0.2") for _ in range(5)]
    wait_until(lambda: door.app.asked.count("/slow") == 2)
    assert door.ask("/other").startswith(b"HTTP/1.1 200")
    assert door.app.asked.count("/slow") == 2
    door.app.let_go.set()
    for sock in slow:
        sock.close()


def test_downloads_and_questions_to_nodes_take_no_thread_from_pages(door: Opened) -> None:
    slow = [door.connect(get(path)) for path in ("/slow.csv", "/slow.ndjson", "/api/v1/slow/heatmap")]
    wait_until(lambda: len(door.app.asked) == 2)
    assert door.ask("/page").startswith(b"HTTP/1.1 200")
    assert len(door.app.asked) == 3, "one address has one thread for downloads here"
    door.app.let_go.set()
    for sock in slow:
        sock.close()


def test_questions_about_the_past_leave_a_reader_for_others(door: Opened) -> None:
    slow = [door.connect(get("/slow/api/v1/events"), "127.0.0.2") for _ in range(4)]
    wait_until(lambda: len(door.app.asked) == 1)
    assert door.ask("/api/v1/series", "127.0.0.3").startswith(b"HTTP/1.1 200")
    assert door.ask("/events", "127.0.0.2").startswith(b"HTTP/1.1 200"), "the page is none of them"
    assert door.app.asked == ["/slow/api/v1/events", "/api/v1/series", "/events"]
    door.app.let_go.set()
    for sock in slow:
        sock.close()


def test_logins_that_wait_for_their_turn_take_no_thread_from_pages(door: Opened) -> None:
    login = b"POST /slow/login HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    guesses = [door.connect(login, f"127.0.0.{n}") for n in range(2, 7)]
    wait_until(lambda: door.app.asked == ["/slow/login"])
    assert door.ask("/page").startswith(b"HTTP/1.1 200")
    assert door.app.asked == ["/slow/login", "/page"]
    door.app.let_go.set()
    for sock in guesses:
        sock.close()


def test_behind_a_proxy_the_forwarded_address_counts() -> None:
    with opened(trusted=("127.0.0.2",)) as door:
        one, other = b"X-Forwarded-For: 9.9.9.9, 10.0.0.1\r\n", b"X-Forwarded-For: 10.0.0.2\r\n"
        slow = [door.connect(get("/slow", one), "127.0.0.2") for _ in range(3)]
        wait_until(lambda: door.app.asked.count("/slow") == 2)
        assert door.ask("/other", "127.0.0.2", other).startswith(b"HTTP/1.1 200")
        more = [door.connect(address="127.0.0.2") for _ in range(12)]  # a proxy may have more than others
        assert door.ask("/still", "127.0.0.2", other).startswith(b"HTTP/1.1 200")
        assert door.cut["address"] == 0
        door.app.let_go.set()
        for sock in slow + more:
            sock.close()


def test_the_oldest_waiting_connection_of_an_address_gives_way_to_a_new_one(door: Opened) -> None:
    waiting = [door.connect(b"GET / HTT", "127.0.0.2") for _ in range(8)]
    other = door.connect(b"GET / HTT", "127.0.0.3")
    assert door.ask("/new", "127.0.0.2").startswith(b"HTTP/1.1 200")
    assert everything(waiting[0]) == b""
    other.sendall(b"P/1.1\r\nConnection: close\r\n\r\n")
    assert everything(other).startswith(b"HTTP/1.1 200")
    for sock in (*waiting, other):
        sock.close()


def test_a_log_that_nobody_reads_holds_up_nobody(door: Opened) -> None:
    read = threading.Event()

    class Stuck(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - logging's signature
            read.wait(60)

    log, stuck = logging.getLogger("darner.viewer"), Stuck()
    log.addHandler(stuck)
    try:
        waiting = [door.connect(b"GET / HTT", "127.0.0.2") for _ in range(9)]
        wait_until(lambda: door.cut["address"] > 0)
        begin = time.monotonic()
        assert door.ask("/new").startswith(b"HTTP/1.1 200")
        assert time.monotonic() - begin < 30
    finally:
        read.set()
        log.removeHandler(stuck)
    for sock in waiting:
        sock.close()


def test_when_all_are_too_many_the_address_with_most_gives_way(door: Opened) -> None:
    few = door.connect(b"GET / HTT", "127.0.0.9")
    many = [door.connect(b"GET / HTT", f"127.0.0.{n}") for n in (2, 3, 4, 5, 6) for _ in range(8)]
    wait_until(lambda: door.cut["connections"] >= 20)
    few.sendall(b"P/1.1\r\nConnection: close\r\n\r\n")
    assert everything(few).startswith(b"HTTP/1.1 200")
    for sock in (*many, few):
        sock.close()


def test_a_request_that_waits_gives_way_with_an_answer(door: Opened) -> None:
    slow = [door.connect(get("/slow"), "127.0.0.2") for _ in range(2)]
    wait_until(lambda: door.app.asked == ["/slow"] * 2)
    slow += [door.connect(get("/slow"), "127.0.0.2") for _ in range(10)]
    refused = next(text for sock in slow[2:] if (text := everything(sock)).startswith(b"HTTP/1.1 503"))
    assert b"Retry-After: 5\r\n" in refused
    door.app.let_go.set()
    for sock in slow:
        sock.close()


def test_all_bodies_together_are_bounded(door: Opened) -> None:
    uploads = [door.connect(post(100_000, b"x" * 90_000)) for _ in range(4)]
    wait_until(lambda: door.cut["bodies"] >= 1)
    assert everything(uploads[0]).startswith(b"HTTP/1.1 503")
    uploads[3].sendall(b"x" * 10_000)
    assert everything(uploads[3]).startswith(b"HTTP/1.1 200")
    for sock in uploads:
        sock.close()


UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"


def test_browsers_have_threads_of_their_own_and_a_bound_by_address(door: Opened) -> None:
    browsers = [door.connect(get("/ws", UPGRADE), "127.0.0.2") for _ in range(2)]
    assert [sock.recv(20)[:12] for sock in browsers] == [b"HTTP/1.1 101"] * 2
    assert door.ask("/ws", "127.0.0.2", UPGRADE).startswith(b"HTTP/1.1 429")
    browsers.append(door.connect(get("/ws", UPGRADE), "127.0.0.3"))
    assert browsers[2].recv(20).startswith(b"HTTP/1.1 101")
    assert door.ask("/ws", "127.0.0.4", UPGRADE).startswith(b"HTTP/1.1 503")
    assert door.ask("/other", "127.0.0.2").startswith(b"HTTP/1.1 200")
    browsers.pop(0).close()
    wait_until(lambda: door.connect(get("/ws", UPGRADE), "127.0.0.2").recv(20).startswith(b"HTTP/1.1 101"))


def test_a_body_that_is_too_long_is_refused_and_its_sender_can_read_why(door: Opened) -> None:
    with closing(door.connect(post(500_000, b"x" * 500_000))) as sock:
        answer = everything(sock)
    assert answer.startswith(b"HTTP/1.1 413")
    assert answer.endswith(b"a body of more than 100000 bytes; send less.\n")


def test_a_failing_application_is_a_500_and_the_door_goes_on(
    door: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    assert door.ask("/fails").startswith(b"HTTP/1.1 500")
    assert door.ask("/next").startswith(b"HTTP/1.1 200")
    assert "GET /fails failed" in caplog.text


def test_an_answer_in_the_making_is_sent_before_the_end() -> None:
    with opened() as door:
        sock, idle = door.connect(get("/slow")), door.connect()
        wait_until(lambda: door.app.asked == ["/slow"])
        door.stop()
        assert everything(sock).startswith(b"HTTP/1.1 200")
        assert everything(idle) == b""
