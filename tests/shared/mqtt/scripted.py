"""A small MQTT 5 broker that says in its CONNACK what a test wants, and notes who does not keep to it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers

from tests.conftest import free_port

_CONNECT, _PUBLISH, _SUBSCRIBE, _PING, _DISCONNECT = 1, 3, 8, 12, 14


class ScriptedBroker:
    """Listens on a port of its own; `with` starts and ends it.

    Args:
        connack: The properties of each CONNACK, by paho's names. The last one is for all later connections.
        reason: The reason code of each CONNACK.
        after: Packet that follows the CONNACK; "" closes the connection instead.
        ack_s: How long each PUBACK takes, seconds.
        suback_s: How long each SUBACK takes, seconds.
        granted: The reason code in each SUBACK; may be changed meanwhile.

    Attributes:
        connects: Number of CONNECT packets so far.
        subscribes: Number of SUBSCRIBE packets so far.
        asked_qos: QoS of the last subscription.
        published: Topic, QoS and retain flag of each message.
        most: The most messages at QoS 1 that were unacknowledged at a time, by connection.
    """

    def __init__(
        self,
        *connack: Mapping[str, object],
        reason: int = 0,
        after: bytes | None = None,
        ack_s: float = 0.0,
        suback_s: float = 0.0,
        granted: int = 1,
    ) -> None:
        self._connack, self._reason, self._after, self._ack_s = connack or ({},), reason, after, ack_s
        self._suback_s, self.granted = suback_s, granted
        self.port = free_port()
        self.connects = self.subscribes = self.asked_qos = 0
        self.published: list[tuple[str, int, bool]] = []
        self.most: list[int] = []
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._open: list[socket.socket] = []

    @property
    def url(self) -> str:
        """The value for the configuration key mqtt.url."""
        return f"mqtt://127.0.0.1:{self.port}"

    def __enter__(self) -> ScriptedBroker:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close all connections."""
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listening.accept()
                self._open.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        peer = _Peer(sock, self._ack_s)
        with contextlib.suppress(OSError, EOFError), sock:
            while True:
                kind, flags, body = peer.read()
                if kind == _CONNECT:
                    properties = self._connack[min(self.connects, len(self._connack) - 1)]
                    self.connects += 1
                    self.most.append(0)
                    index = len(self.most) - 1
                    peer.say(0x20, bytes((0, self._reason)) + packed(PacketTypes.CONNACK, properties))
                    if self._after is not None:
                        sock.sendall(self._after)
                        return
                elif kind == _PUBLISH:
                    size = struct.unpack("!H", body[:2])[0]
                    self.published.append((body[2 : 2 + size].decode(), flags >> 1 & 3, bool(flags & 1)))
                    if flags >> 1 & 3:
                        self.most[index] = max(self.most[index], peer.acknowledge(body[2 + size : 4 + size]))
                elif kind == _SUBSCRIBE:
                    self.subscribes += 1
                    self.asked_qos = body[-1] & 3
                    answer = body[:2] + bytes((0, self.granted))
                    _later(self._suback_s, partial(peer.say, 0x90, answer))
                elif kind == _PING:
                    peer.say(0xD0, b"")
                elif kind == _DISCONNECT:
                    return


class _Peer:
    """One connection."""

    def __init__(self, sock: socket.socket, ack_s: float) -> None:
        self._sock, self._ack_s = sock, ack_s
        self._lock = threading.Lock()
        self._unacknowledged = 0

    def read(self) -> tuple[int, int, bytes]:
        """Kind, flags and body of the next packet."""
        first = self._exactly(1)[0]
        size, shift = 0, 0
        while True:
            digit = self._exactly(1)[0]
            size |= (digit & 127) << shift
            shift += 7
            if digit < 128:
                return first >> 4, first & 15, self._exactly(size)

    def say(self, first: int, body: bytes) -> None:
        """Send a packet."""
        with self._lock:
            self._sock.sendall(framed(first, body))

    def acknowledge(self, number: bytes) -> int:
        """Send a PUBACK in a while; returns how many messages wait for theirs."""
        with self._lock:
            self._unacknowledged += 1
            waiting = self._unacknowledged
        _later(self._ack_s, lambda: self._puback(number))
        return waiting

    def _puback(self, number: bytes) -> None:
        with self._lock:
            self._unacknowledged -= 1
        self.say(0x40, number)

    def _exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            more = self._sock.recv(size - len(got))
            if not more:
                raise EOFError
            got += more
        return got


def _later(seconds: float, act: Callable[[], None]) -> None:
    def run() -> None:
        time.sleep(seconds)
        with contextlib.suppress(OSError):
            act()

    threading.Thread(target=run, daemon=True).start()


def packed(kind: int, given: Mapping[str, object]) -> bytes:
    """MQTT 5 properties as bytes."""
    properties = Properties(kind)  # type: ignore[no-untyped-call]  # paho has no type there
    for name, value in given.items():
        setattr(properties, name, value)
    return bytes(properties.pack())  # type: ignore[no-untyped-call]


def disconnect(reason: int, **given: object) -> bytes:
    """A DISCONNECT with this reason code."""
    body = bytes((reason,)) + packed(PacketTypes.DISCONNECT, given)
    return framed(0xE0, body)


def framed(first: int, body: bytes) -> bytes:
    """A packet: its first byte, its length, its body."""
    return bytes((first,)) + bytes(VariableByteIntegers.encode(len(body))) + body  # type: ignore[no-untyped-call]
