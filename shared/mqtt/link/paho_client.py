"""paho's client, changed where it was measured to cost too much, or to leave something behind.

Only this file knows paho's insides. `tests/shared/mqtt/link/test_paho_client.py` shows on a real broker that
what is changed still works.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode

from shared.mqtt.link.paho_reader import PahoReader
from shared.mqtt.link.reach import Reach


class _Packet(NamedTuple):
    """What paho knows of a packet that it is to write."""

    command: int
    packet: bytes | bytearray
    mid: int
    qos: int
    info: paho.MQTTMessageInfo | None


class PahoClient(PahoReader):
    """One MQTT connection.

    Attributes:
        turns: Grows with each turn of the network loop.
        abandoned: Whether a connection that opens from now on is closed at once.
        patience_s: How long an attempt to connect may take, seconds: from looking the name up to the CONNACK.
        give_up_at: When this attempt has taken as long, by `time.monotonic`; infinite after the CONNACK.
        gave_up: Whether the last attempt ran out of time behind an open connection.
    """

    turns = 0
    abandoned = False
    patience_s = 3.0
    give_up_at = math.inf
    gave_up = False
    _writing = False

    def __init__(self, *given: Any, **named: Any) -> None:
        # A thread holds this while it writes to the socket or closes it. Only the network thread waits.
        self._wire = threading.RLock()
        self._reach = Reach()
        self._held: list[_Packet] = []  # what the thread `_holder` has published in `together`
        self._holder = 0
        super().__init__(*given, **named)

    # paho calls `on_publish` for every message at QoS 0 that it has written, and makes a reason and
    # properties for each, which costs more than writing it. Only acknowledgements at QoS 1 matter here.
    @property
    def on_publish(self) -> Any:
        """The callback for each acknowledgement at QoS 1."""
        return None if self._writing else super().on_publish

    @on_publish.setter
    def on_publish(self, call: Any) -> None:
        paho.Client.on_publish.fset(self, call)  # type: ignore[attr-defined]  # mypy takes the property for its value

    def loop_write(self) -> MQTTErrorCode:
        """Write what waits; paho's network loop calls this."""
        with self._wire:
            self._writing = True
            try:
                return super().loop_write()
            finally:
                self._writing = False

    def cut(self) -> None:
        """End the TCP connection without a word of MQTT, as a lost network does."""
        sock = self.socket()
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):  # it has gone by itself
                sock.shutdown(socket.SHUT_RDWR)

    # paho gives each of a name's addresses and the TLS handshake as much time as it gives one connection, and
    # waits for a CONNACK as long as for any sign of life.
    def _create_socket_connection(self) -> socket.socket:
        self.give_up_at, self.gave_up = time.monotonic() + self.patience_s, False
        sock = self._reach.open(self._host, self._port, self.give_up_at)
        self._connect_timeout = max(0.1, self.give_up_at - time.monotonic())  # for the TLS handshake
        return sock

    def _loop(self, timeout: float = 1.0) -> MQTTErrorCode:
        if self.give_up_at != math.inf:
            left = self.give_up_at - time.monotonic()
            if left <= 0:
                self.give_up_at, self.gave_up = math.inf, True
                self.cut()
            timeout = min(timeout, max(left, 0.0))
        return super()._loop(timeout)

    def _check_keepalive(self) -> None:
        if self.give_up_at == math.inf:
            super()._check_keepalive()

    def loop_misc(self) -> MQTTErrorCode:
        """End a turn of paho's network loop, of which there is at least one a second."""
        self.turns += 1
        return super().loop_misc()

    def still_here(self) -> None:
        """Keep the connection alive from within `take`, while that waits and nothing is read.

        Acknowledgements that wait are written, and a ping where the broker has heard nothing for a while.
        """
        self.turns += 1
        now = paho.time_func()
        with self._msgtime_mutex:
            silent_s = now - self._last_msg_out
            self._last_bytes_received = now  # nobody reads, so this is no silence of the broker's
        with self._wire:
            if any(one["command"] == paho.DISCONNECT for one in self._out_packet):
                return  # paho would call a callback with it, from within this one
            if silent_s >= self._keepalive / 3:
                self._send_simple_command(paho.PINGREQ)
            self.acknowledge()
            self._writing = True
            try:
                self._packet_write()  # an error shows with the next read
            finally:
                self._writing = False

    def allow_in_flight(self, most: int) -> None:
        """Send at most this many messages at QoS 1 before the first of them is acknowledged."""
        # The public setter refuses while there is a connection, but a broker says only then what it allows.
        self._max_inflight_messages = most

    def release(self) -> None:
        """Close what paho leaves open after its end."""
        # Without this, two descriptors stay open until the garbage collector comes.
        self._reset_sockets()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Write the messages at QoS 0 that this thread publishes meanwhile with one call.

        Every call gives the interpreter to other threads, and it takes a while to get it back. One thread at
        a time may do this. Before it waits for a message that it has published, it calls `write_held`.
        """
        self._held, self._holder = [], threading.get_ident()
        try:
            yield
        finally:
            held, self._held, self._holder = self._held, [], 0
            self._hand_over(held)

    def write_held(self) -> None:
        """Write what this thread has published in `together` so far."""
        if self._holder == threading.get_ident():
            held, self._held = self._held, []
            self._hand_over(held)

    def _packet_queue(
        self,
        command: int,
        packet: bytes | bytearray,
        mid: int,
        qos: int,
        info: paho.MQTTMessageInfo | None = None,
    ) -> MQTTErrorCode:
        # paho wakes its network thread for every message. With many messages a second, the two wake-ups and
        # the four system calls of each, between which other threads take the interpreter, cost more than the
        # rest of sending. So the publishing thread writes its message itself, unless others wait already.
        if command & 0xF0 != paho.PUBLISH:
            return super()._packet_queue(command, packet, mid, qos, info)
        one = _Packet(command, packet, mid, qos, info)
        if qos == 0 and self._holder == threading.get_ident():
            self._held.append(one)
        elif not self._hand_over([one]):
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _hand_over(self, packets: Sequence[_Packet]) -> bool:
        """Write packets, and leave to the network thread what cannot be written now.

        Returns:
            Whether there is a connection; without one they are lost.
        """
        free = self._wire.acquire(blocking=False)
        try:
            # Asked only now that nobody can replace the socket: a connection begins with its CONNECT.
            if not self.is_connected():
                _lose(packets)
                return False
            if not free:
                for one in packets:
                    super()._packet_queue(*one)
                return True
            left = self._write_now(packets)
        finally:
            if free:
                self._wire.release()
        if left:
            self._wake()
        return True

    def _write_now(self, packets: Sequence[_Packet]) -> bool:
        """Write packets; whether something is left for the network thread."""
        alone = not self._out_packet
        written = self._write(b"".join(one.packet for one in packets)) if alone else 0
        rest: list[dict[str, object]] = []
        for one in packets:
            position = min(written, len(one.packet))
            written -= position
            left = len(one.packet) - position
            if left:
                rest.append({**one._asdict(), "pos": position, "to_process": left})
            elif one.qos == 0 and one.info is not None:
                one.info._set_as_published()
        if alone:  # before what other threads have queued since: a packet may be written in part
            self._out_packet.extendleft(reversed(rest))  # type: ignore[arg-type]  # paho's own dict
        else:
            self._out_packet.extend(rest)  # type: ignore[arg-type]  # paho's own dict
        return bool(rest)

    def _write(self, packet: bytes | bytearray) -> int:
        """Write as much of a packet as the socket takes, and return how many bytes that was."""
        sock = self._sock
        # OpenSSL does not let one thread write while another one reads.
        if type(sock) is not socket.socket:
            return 0
        try:
            return sock.send(packet)
        except OSError:  # the socket is full, or the connection is lost: the network thread finds that out
            return 0

    def _wake(self) -> None:
        """Let the network thread write what waits."""
        if self._sockpairW is not None:
            with contextlib.suppress(BlockingIOError):
                self._sockpairW.send(b"\0")

    def _sock_close(self) -> None:
        # Not while another thread writes: the descriptor might be another file's by then.
        with self._wire:
            super()._sock_close()


def _lose(packets: Sequence[_Packet]) -> None:
    """Note that these were lost with the connection, as paho does when it reconnects."""
    for one in packets:
        if one.qos == 0 and one.info is not None:  # what is at QoS 1 waits for an acknowledgement
            one.info.rc = MQTTErrorCode.MQTT_ERR_CONN_LOST
            one.info._set_as_published()
