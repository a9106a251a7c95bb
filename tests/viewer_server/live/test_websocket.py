"""Each fault that was measured in simple-websocket 1.1, on real sockets: none of them may come back."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import simple_websocket  # type: ignore[import-untyped]
import websocket as client_library

from shared.limits import NAME_LENGTH
from tests.conftest import wait_until
from viewer_server.live import websocket as module
from viewer_server.live.hub import MAX_WATCHED
from viewer_server.live.mailbox import Mailbox
from viewer_server.live.updates import BINARY, TEXT, Update, websocket_frame
from viewer_server.live.websocket import OPTIONS, SafeSocket, refuse_compression, serve

HANDSHAKE = {
    "HTTP_HOST": "127.0.0.1",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_UPGRADE": "websocket",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
    "HTTP_SEC_WEBSOCKET_EXTENSIONS": "permessage-deflate",
}
ENDS_S = 30.0


@dataclass
class Pair:
    """Both ends of one connection."""

    near: socket.socket
    client: client_library.WebSocket
    answer: bytes
    safe: SafeSocket
    ws: Any
    mailbox: Mailbox
    heard: list[str | bytes]

    def serve(self, check: Callable[[], None] = lambda: None) -> threading.Thread:
        """What the request's thread does, in one of its own."""
        thread = threading.Thread(
            target=serve, args=(self.ws, self.safe, self.mailbox, self.heard.append, check), daemon=True
        )
        thread.start()
        return thread


class Connect:
    """Makes connections and closes them all at the end."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def __call__(self, *, send_timeout: float = ENDS_S, **options: Any) -> Pair:
        listener = socket.create_server(("127.0.0.1", 0))
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        self._sockets += [listener, near, far]
        safe = SafeSocket(far, send_timeout)
        environ: dict[str, Any] = HANDSHAKE | {"gunicorn.socket": safe}
        refuse_compression(environ)
        ws = simple_websocket.Server(environ, **(OPTIONS | options))
        near.settimeout(ENDS_S)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += near.recv(1)
        client = client_library.WebSocket()
        client.sock, client.connected = near, True
        return Pair(near, client, answer, safe, ws, Mailbox(ws.event, safe.close), [])

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """A connection with the browser's end in the test's hands."""
    made = Connect()
    yield made
    made.close()


def test_answers_to_pings_and_messages_written_at_once_do_not_mix(connect: Connect) -> None:
    pair = connect()
    bodies = [bytes([number]) * 50_000 for number in range(100)]

    def send() -> None:
        for body in bodies:
            pair.safe.send(websocket_frame(BINARY, body))

    senders = [threading.Thread(target=send, daemon=True) for _ in range(2)]
    for sender in senders:
        sender.start()
    received: list[bytes] = []
    pongs = 0
    for _ in range(100):
        pair.client.ping()  # simple-websocket answers in a thread of its own
    while len(received) < 200 or pongs < 100:
        opcode, data = pair.client.recv_data(control_frame=True)
        if opcode == BINARY:
            received.append(data)
        else:
            assert opcode == client_library.ABNF.OPCODE_PONG
            pongs += 1
    for sender in senders:
        sender.join(ENDS_S)
    assert sorted(received) == sorted(bodies * 2)


def test_a_message_larger_than_every_buffer_arrives_whole(connect: Connect) -> None:
    pair = connect()
    body = bytes(range(256)) * 10_000
    sender = threading.Thread(target=pair.safe.send, args=(websocket_frame(BINARY, body),), daemon=True)
    sender.start()
    assert pair.client.recv_data() == (BINARY, body)
    sender.join(ENDS_S)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_frames_of_every_length_form_are_read_as_they_were_meant(connect: Connect, size: int) -> None:
    pair = connect()
    sender = threading.Thread(target=pair.safe.send, args=(websocket_frame(TEXT, b"x" * size),), daemon=True)
    sender.start()
    assert pair.client.recv_data() == (TEXT, b"x" * size)
    sender.join(ENDS_S)


def test_one_that_does_not_read_is_dropped_after_the_deadline(connect: Connect) -> None:
    pair = connect(send_timeout=0.2)
    thread = pair.serve()
    pair.mailbox.put(Update("state", ("big",), websocket_frame(BINARY, bytes(5_000_000))))
    thread.join(ENDS_S)
    assert not thread.is_alive()
    pair.ws.thread.join(ENDS_S)
    assert not pair.ws.thread.is_alive()


def test_one_that_reads_a_little_now_and_then_does_not_stretch_the_deadline(connect: Connect) -> None:
    pair = connect(send_timeout=0.3)
    thread = pair.serve()
    pair.mailbox.put(Update("state", ("big",), websocket_frame(BINARY, bytes(50_000_000))))
    taken = 0
    pair.near.settimeout(0.02)
    while thread.is_alive() and taken < 45_000_000:
        try:
            taken += len(pair.near.recv(4096))
        except TimeoutError:
            continue
        thread.join(0.02)
    assert not thread.is_alive()


def test_one_that_is_silent_is_dropped_although_nothing_is_sent_to_it(connect: Connect) -> None:
    pair = connect(ping_interval=0.05)
    thread = pair.serve()
    thread.join(ENDS_S)
    assert not thread.is_alive()


def test_compression_is_not_agreed_on(connect: Connect) -> None:
    pair = connect()
    assert b" 101 " in pair.answer
    assert b"extensions" not in pair.answer.lower()


def test_a_long_message_from_a_browser_ends_the_connection(connect: Connect) -> None:
    pair = connect()
    thread = pair.serve()
    pair.client.send("x" * (module.MAX_MESSAGE + 1))
    thread.join(ENDS_S)
    assert not thread.is_alive()
    assert pair.heard == []
    opcode, data = pair.client.recv_data()
    assert (opcode, int.from_bytes(data[:2], "big")) == (client_library.ABNF.OPCODE_CLOSE, 1009)


def test_a_browser_may_show_and_watch_1024_cameras_with_the_longest_names_at_once(connect: Connect) -> None:
    pair = connect()
    thread = pair.serve()
    names = [[f"{number:0{NAME_LENGTH}}", "c" * NAME_LENGTH] for number in range(MAX_WATCHED)]
    messages = [json.dumps({"type": kind, "cameras": names}) for kind in ("show", "watch")]
    for message in messages:
        pair.client.send(message)
    wait_until(lambda: len(pair.heard) == len(messages))
    assert pair.heard == messages
    pair.mailbox.close(1001, "")
    thread.join(ENDS_S)


def test_a_flood_of_short_messages_ends_the_connection(connect: Connect) -> None:
    pair = connect()
    thread = pair.serve()
    with contextlib.suppress(OSError):  # sooner or later the kernel tells the client
        for _ in range(3 * module.RECEIVE_PER_S // 4000):
            pair.client.send("x" * 4000)
    thread.join(ENDS_S)
    assert not thread.is_alive()
    assert sum(map(len, pair.heard)) <= 2 * module.RECEIVE_PER_S  # a second may have ended in between


def test_stale_frames_have_little_room_in_the_kernel(connect: Connect) -> None:
    pair = connect()
    size = socket.socket(fileno=socket.dup(pair.safe.fileno()))  # Linux reports twice what was asked for
    assert size.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * module.SEND_BUFFER
    size.close()


def test_what_the_browser_says_is_heard_while_messages_go_out(connect: Connect) -> None:
    pair = connect()
    thread = pair.serve()
    for number in range(50):
        pair.mailbox.put(Update("event", ("events", str(number)), websocket_frame(TEXT, b"news")))
        pair.client.send(json.dumps(number))
        assert pair.client.recv() == "news"
    wait_until(lambda: len(pair.heard) == 50)
    pair.client.close()
    thread.join(ENDS_S)
    assert [json.loads(message) for message in pair.heard] == list(range(50))


def test_one_that_is_sent_away_is_told_why(connect: Connect) -> None:
    pair = connect()
    thread = pair.serve()
    pair.mailbox.close(1013, "full")
    opcode, data = pair.client.recv_data()
    assert opcode == client_library.ABNF.OPCODE_CLOSE
    assert (int.from_bytes(data[:2], "big"), data[2:]) == (1013, b"full")
    thread.join(ENDS_S)
    assert not thread.is_alive()


@pytest.mark.parametrize("busy", [False, True])
def test_one_that_may_not_stay_is_sent_away_although_it_says_nothing(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    monkeypatch.setattr(module, "WATCH_S", 0.02)
    monkeypatch.setattr(module, "CHECK_S", 0.05)
    pair, looked = connect(), []

    def check() -> None:
        looked.append(1)
        if len(looked) == 3:
            pair.mailbox.close(4401, "over")

    thread = pair.serve(check)
    if busy:
        for number in range(20):
            pair.mailbox.put(Update("event", ("events", str(number)), websocket_frame(TEXT, b"news")))
    opcode, data = next(got for got in iter(pair.client.recv_data, None) if got[1] != b"news")
    assert opcode == client_library.ABNF.OPCODE_CLOSE
    assert (int.from_bytes(data[:2], "big"), data[2:]) == (4401, b"over")
    thread.join(ENDS_S)
    assert not thread.is_alive()


def test_one_that_vanishes_is_let_go(connect: Connect) -> None:
    pair = connect()
    thread = pair.serve()
    pair.near.close()
    thread.join(ENDS_S)
    assert not thread.is_alive()
