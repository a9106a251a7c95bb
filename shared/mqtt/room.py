"""How large a message may be: for our readers, and for the broker, which says so in its CONNACK."""

from __future__ import annotations

import logging

from shared import limits
from shared.log import Once
from shared.mqtt.received import Received

log = logging.getLogger("darner.mqtt")

_PROPERTIES = 256
"""Bytes that a packet has besides topic, payload and the properties that others choose, at most."""


class Room:
    """Says what fits, and logs once for each topic what does not.

    Attributes:
        max_packet: Size of the largest packet that the broker takes, bytes; None for no limit.
    """

    def __init__(self) -> None:
        self.max_packet: int | None = None
        self._once = Once()

    def of(self, path: str, chosen: int = 0) -> int:
        """How many bytes a payload on this topic may have.

        Args:
            path: The topic.
            chosen: Bytes of properties that others choose, such as the correlation data of a request.
        """
        if self.max_packet is None:
            return limits.PAYLOAD_BYTES
        left = self.max_packet - len(path.encode()) - _PROPERTIES - chosen
        return max(0, min(limits.PAYLOAD_BYTES, left))

    def takes(self, path: str, payload: bytes, chosen: int = 0) -> bool:
        """Whether a payload on this topic is small enough; the arguments are those of `of`."""
        room = self.of(path, chosen)
        if len(payload) <= room:
            return True
        if self._once(path):
            own = room == limits.PAYLOAD_BYTES
            whose = "a message may have" if own else "the broker's max_packet_size leaves room for"
            cure = "publish less" if own else "raise it or publish less"
            log.error("%s: %d bytes, but %s %d; %s", path, len(payload), whose, room, cure)
        return False

    def takes_recorded(self, message: Received) -> bool:
        """Whether a message that was recorded is small enough, with the properties that it had."""
        texts = [text for pair in message.user_properties.items() for text in pair]
        texts += [message.response_topic or "", message.content_type or ""]
        chosen = len(message.correlation or b"") + sum(len(text.encode()) + 4 for text in texts)
        return self.takes(message.topic, message.payload, chosen)
