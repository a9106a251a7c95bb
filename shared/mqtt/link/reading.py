"""From bytes of a connection to packets, and from a PUBLISH to a message of ours.

paho asks the system four times for each packet, and makes a message with forty properties of it: 41 us with
MQTT 5. This takes what has come with one call, and reads only what is there: 6 us.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from shared import limits
from shared.mqtt.received import Received

LONGEST_LENGTH = 4
"""Bytes in which MQTT writes the length of a packet."""
LONGEST = 2 * limits.PAYLOAD_BYTES
"""Bytes that are kept of a packet. A longer one is read over, whatever length it announces."""
CACHED = 64
"""Properties that are no longer than this are read once: most messages of a topic have the same."""

Properties = tuple[tuple[tuple[str, str], ...], str | None, bytes | None, str | None, int | None]
"""User properties, response topic, correlation data, content type, and seconds until the message expires."""
NONE: Properties = ((), None, None, None, None)


class Malformed(ValueError):  # noqa: N818 - what is wrong with a packet, as paho calls it
    """These bytes are no MQTT."""


class Reading:
    """What was received of a connection, and is not a whole packet yet."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._surplus = 0  # bytes to come of a packet that is too long

    def clear(self) -> None:
        """Begin anew, with another connection."""
        self._bytes.clear()
        self._surplus = 0

    def packets(self, received: bytes) -> Iterator[tuple[int, bytes]]:
        """The packets that are whole with these bytes: the first byte of each, and what follows its length.

        Of a packet that is too long there are the first `LONGEST` bytes.

        Raises:
            Malformed: No packet has such a length.
        """
        if self._surplus:
            skipped = min(self._surplus, len(received))
            self._surplus -= skipped
            received = received[skipped:]
        held = self._bytes
        held += received
        at, end = 0, len(held)
        try:
            while end - at >= 2:
                size, start = length(held, at + 1)
                kept = min(size, LONGEST)
                if start is None or start + kept > end:
                    break
                first, body, at = held[at], bytes(memoryview(held)[start : start + kept]), start + size
                yield first, body
        finally:
            self._surplus += max(0, at - end)
            del held[:at]


def length(packet: bytes | bytearray, at: int) -> tuple[int, int | None]:
    """A length of MQTT's, of one to four bytes, and where it ends; None where not all of it is there yet.

    Raises:
        Malformed: It has more bytes.
    """
    size = shift = 0
    for here in range(at, at + LONGEST_LENGTH):
        if here >= len(packet):
            return 0, None
        byte = packet[here]
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            return size, here + 1
        shift += 7
    raise Malformed("a length of more than four bytes")


def read_publish(first: int, body: bytes, *, v5: bool) -> tuple[Received, bytes]:
    """A message, and its packet identifier as two bytes, which is empty at QoS 0.

    Text that is not UTF-8 gets question marks: somebody's bad topic must not end the connection.

    Args:
        first: The packet's first byte, with QoS and retain flag.
        body: What follows its length.
        v5: Whether the connection speaks MQTT 5, which has properties.

    Raises:
        Malformed: It is cut off, or has a property that no message has.
    """
    at = 2 + int.from_bytes(body[:2], "big")
    topic = body[2:at].decode(errors="replace")
    qos, number = first >> 1 & 3, b""
    if qos:
        if qos == 3:
            raise Malformed("a message at QoS 3, which does not exist")
        number = body[at : at + 2]
        at += 2
    properties = NONE
    if v5:
        size, start = length(body, at)
        if start is None:
            raise Malformed("a message that is cut off")
        at = start + size
        if size:
            read = _read_known if size <= CACHED else _read
            properties = read(body[start:at])
    if at > len(body):
        raise Malformed("a message that is cut off")
    user, response, correlation, content, expiry_s = properties
    received = Received(
        topic, body[at:], qos, bool(first & 1), dict(user), response, correlation, content, expiry_s
    )
    return received, number


def _read(properties: bytes) -> Properties:
    user: list[tuple[str, str]] = []
    response = content = None
    correlation: bytes | None = None
    expiry_s: int | None = None
    at, end = 0, len(properties)
    while at < end:
        kind = properties[at]
        at += 1
        if kind in (0x03, 0x08, 0x09):
            value, at = _counted(properties, at)
            if kind == 0x03:
                content = value.decode(errors="replace")
            elif kind == 0x08:
                response = value.decode(errors="replace")
            else:
                correlation = value
        elif kind == 0x26:
            name, at = _counted(properties, at)
            value, at = _counted(properties, at)
            user.append((name.decode(errors="replace"), value.decode(errors="replace")))
        elif kind == 0x02:
            expiry_s, at = int.from_bytes(properties[at : at + 4], "big"), at + 4
        elif kind == 0x0B:  # the number of a subscription, which we never give
            at = length(properties, at)[1] or end + 1
        elif kind in _SIZES:
            at += _SIZES[kind]
        else:
            raise Malformed(f"a message with the property {kind}")
    if at != end:
        raise Malformed("properties that are cut off")
    return tuple(user), response, correlation, content, expiry_s


_read_known = functools.lru_cache(maxsize=512)(_read)
_SIZES = {0x01: 1, 0x23: 2}
"""Properties that say nothing here, with their bytes: payload format and topic alias."""


def _counted(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(data[at : at + 2], "big")
    if end > len(data):
        raise Malformed("properties that are cut off")
    return data[at + 2 : end], end
