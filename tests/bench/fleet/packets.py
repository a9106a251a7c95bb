"""As much of MQTT 5 as a simulated node needs: packets to bytes, and back."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP, DISCONNECT = 0x20, 0x30, 0x40, 0x90, 0xD0, 0xE0
PING = b"\xc0\x00"
_JSON = b"\x03\x00\x10application/json"
_JPEG = b"\x03\x00\x0aimage/jpeg"


class Packet(NamedTuple):
    """A packet from the broker.

    Attributes:
        kind: One of the constants above.
        flags: The lower half of the first byte.
        body: What follows the length.
    """

    kind: int
    flags: int
    body: bytes


def connect(client_id: str, keepalive_s: int, will_topic: str, will: bytes) -> bytes:
    """A CONNECT with a clean start and a retained will at QoS 1."""
    properties = _varint(len(_JSON)) + _JSON
    body = b"\x00\x04MQTT\x05\x2e" + struct.pack("!H", keepalive_s) + b"\x00"
    body += _text(client_id.encode()) + properties + _text(will_topic.encode()) + _text(will)
    return packet(0x10, body)


def subscribe(number: int, *filters: str) -> bytes:
    """A SUBSCRIBE at QoS 1."""
    body = struct.pack("!HB", number, 0) + b"".join(_text(one.encode()) + b"\x01" for one in filters)
    return packet(0x82, body)


def head(topic: str, *, qos: int, retain: bool, expiry_s: int | None = None) -> tuple[int, bytes, bytes]:
    """What all messages of a topic have in common, for `publish`: first byte, topic and properties."""
    properties = (_JPEG if topic.endswith("/thumbnail") else _JSON) + (
        b"" if expiry_s is None else struct.pack("!BI", 0x02, expiry_s)
    )
    return 0x30 | qos << 1 | retain, _text(topic.encode()), _varint(len(properties)) + properties


def user(name: str, value: str) -> bytes:
    """A user property."""
    return b"\x26" + _text(name.encode()) + _text(value.encode())


def publish(about: tuple[int, bytes, bytes], payload: bytes, number: int = 0, named: bytes = b"") -> bytes:
    """A PUBLISH.

    Args:
        about: Made by `head`.
        payload: The message.
        number: Packet identifier at QoS 1.
        named: User properties.
    """
    first, topic, properties = about
    if named:
        properties = properties[1:] + named  # ours are shorter than 128 bytes, so their length takes one
        properties = _varint(len(properties)) + properties
    identifier = struct.pack("!H", number) if first & 0x06 else b""
    return packet(first, b"".join((topic, identifier, properties, payload)))


def acknowledge(number: int) -> bytes:
    """A PUBACK."""
    return struct.pack("!BBH", 0x40, 2, number)


def packets(received: bytearray) -> Iterator[Packet]:
    """Take the whole packets out of what was received."""
    at = 0
    while len(received) - at >= 2:
        size, shift, start = 0, 0, at + 1
        while start < len(received):
            byte = received[start]
            size |= (byte & 0x7F) << shift
            start, shift = start + 1, shift + 7
            if byte < 0x80:
                break
        else:
            break
        if len(received) < start + size:
            break
        yield Packet(received[at] & 0xF0, received[at] & 0x0F, bytes(received[start : start + size]))
        at = start + size
    del received[:at]


def read_publish(packet: Packet) -> tuple[bytes, int, bytes]:
    """Topic, packet identifier (0 at QoS 0) and payload of a PUBLISH."""
    body, [size] = packet.body, struct.unpack_from("!H", packet.body)
    topic, at, number = body[2 : 2 + size], 2 + size, 0
    if packet.flags & 0x06:
        [number] = struct.unpack_from("!H", body, at)
        at += 2
    length, shift = 0, 0
    while True:
        byte = body[at]
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    return topic, number, body[at + length :]


def packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + _varint(len(body)) + body


def _text(value: bytes) -> bytes:
    return struct.pack("!H", len(value)) + value


def _varint(value: int) -> bytes:
    made = bytearray()
    while True:
        value, byte = value >> 7, value & 0x7F
        made.append(byte | 0x80 if value else byte)
        if not value:
            return bytes(made)
