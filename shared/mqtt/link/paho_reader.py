"""paho's client with a reading side of our own: `reading.py` takes apart what has come, many at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import MalformedPacket  # type: ignore[attr-defined]  # where it has been in all versions
from paho.mqtt.reasoncodes import ReasonCode

from shared.log import Once
from shared.mqtt.link.reading import LONGEST, Malformed, Reading, read_publish
from shared.mqtt.received import Received

log = logging.getLogger("darner.mqtt")

CHUNK = 65_536
"""Bytes that are read at a time. Between two chunks paho writes, and looks whether it has to send a ping."""
_PUBACK, _PUBREC = b"\x40\x02", b"\x50\x02"
"""How the answers to messages at QoS 1 and 2 begin."""


class PahoReader(paho.Client):
    """A client that hands its messages to `take` instead of to `on_message`.

    Attributes:
        take: Called from the network thread with each message, which is acknowledged afterwards.
    """

    take: Callable[[Received], None]

    def __init__(self, *given: Any, **named: Any) -> None:
        self._reading = Reading()
        self._read_from: object = None
        self._accepted = False  # whether the broker has answered to our CONNECT
        self._acknowledgements = bytearray()
        self._once = Once()
        super().__init__(*given, **named)

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:  # noqa: ARG002 - paho's signature
        """Handle what has come; paho's network loop calls this when there is something."""
        sock = self._sock
        if sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        if sock is not self._read_from:
            self._read_from = sock
            self._accepted = False
            self._reading.clear()
            self._acknowledgements.clear()
        try:
            received = self._sock_recv(CHUNK)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError as error:
            self._easy_log(paho.MQTT_LOG_ERR, "failed to receive on socket: %s", error)
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        if not received:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        with self._msgtime_mutex:
            self._last_bytes_received = paho.time_func()
        try:
            result = self._handle(received, sock)
        except (Malformed, MalformedPacket) as error:
            if self._once(f"malformed {error}"):
                log.error("the broker sent bytes that are no MQTT (%s); connecting again", error)
            # Not "protocol error": that would be the broker's word on us, which waiting does not cure.
            result = MQTTErrorCode.MQTT_ERR_CONN_LOST
        return self._loop_rc_handle(result) if result > 0 else result

    def acknowledge(self) -> None:
        """Queue the acknowledgements of what was taken so far."""
        if self._acknowledgements:
            made = bytes(self._acknowledgements)
            self._acknowledgements.clear()
            self._packet_queue(paho.PUBACK, made, 0, 0)

    def _handle(self, received: bytes, sock: object) -> MQTTErrorCode:
        """Handle the packets that are whole."""
        v5 = self._protocol == paho.MQTTv5
        for first, body in self._reading.packets(received):
            if first & 0xF0 == paho.PUBLISH and self._accepted:
                whole = len(body) < LONGEST
                # What is cut off may be properties, so they count as payload.
                message, number = read_publish(first, body, v5=v5 and whole)
                if whole:
                    self._give(message)
                elif self._once(message.topic):
                    log.warning("%r: skipped a message of over %d bytes", message.topic, LONGEST)
                if number:
                    # The answer to PUBREC is a PUBREL, for which paho has its own answer.
                    self._acknowledgements += (_PUBREC if message.qos == 2 else _PUBACK) + number
            else:
                self.acknowledge()
                result = self._packet(first, body)
                if result > 0:
                    return result
            if self._sock is not sock:  # a packet or somebody else has ended the connection
                return MQTTErrorCode.MQTT_ERR_SUCCESS
        self.acknowledge()
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _give(self, message: Received) -> None:
        try:
            self.take(message)
        except Exception:  # it would end the network thread in silence
            log.exception("a message on %r was lost through a fault of ours", message.topic)

    def _packet(self, first: int, body: bytes) -> MQTTErrorCode:
        """Let paho handle a packet that is no message.

        Raises:
            Malformed: It breaks MQTT, or something else than a CONNACK came first, or a second CONNACK.
        """
        answers = first & 0xF0 == paho.CONNACK
        if answers == self._accepted:
            raise Malformed("a connection begins with its only CONNACK")
        self._in_packet = _as_paho_reads(first, body)
        try:
            result = self._packet_handle()
        finally:
            self._in_packet = _as_paho_reads(0, b"")
        # paho calls a CONNACK that refuses us so, too; its reason was reported by then.
        if result == MQTTErrorCode.MQTT_ERR_PROTOCOL and not answers:
            raise Malformed(f"a packet of type {first >> 4}")
        self._accepted |= answers and result == MQTTErrorCode.MQTT_ERR_SUCCESS
        return result

    def _handle_connack(self) -> MQTTErrorCode:
        # At 3.1.1, paho answers this refusal by connecting again from here, as MQTT 3.1 for good. If that
        # fails, its error would end the network thread in silence.
        refused = paho.CONNACK_REFUSED_PROTOCOL_VERSION
        if self._protocol == paho.MQTTv311 and self._in_packet["packet"][1:] == bytes((refused,)):
            reason = ReasonCode(PacketTypes.CONNACK, "Unsupported protocol version")
            call: Any = self.on_connect
            if call is not None:
                call(self, None, paho.ConnectFlags(session_present=False), reason, None)
            return MQTTErrorCode.MQTT_ERR_CONN_REFUSED
        return super()._handle_connack()


def _as_paho_reads(first: int, body: bytes) -> Any:
    """What paho would have of a packet when it has read all of it."""
    return {
        "command": first,
        "have_remaining": 0,
        "remaining_count": [],
        "remaining_mult": 1,
        "remaining_length": len(body),
        "packet": bytearray(body),
        "to_process": 0,
        "pos": 0,
    }
