"""MQTT 5 properties of the messages that are sent: made of what a topic's row says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from shared.mqtt.received import Received
from shared.wire.topics import Topic


class _Constant(Properties):
    """Properties that do not change any more once they are sent: they are packed once.

    Packing them for each message costs as much as the rest of sending it.
    """

    def pack(self) -> bytes:
        packed: bytes | None = self.__dict__.get("packed")
        if packed is None:
            packed = self.__dict__["packed"] = super().pack()  # type: ignore[no-untyped-call]  # paho has no type there
        return packed


class PublishProperties:
    """Makes the properties of messages to publish; MQTT 3.1.1 has none, so each is None there.

    Args:
        version: The protocol that the connection speaks.
    """

    def __init__(self, version: Literal["5", "3.1.1"]) -> None:
        self._version = version
        self._plain: dict[str, Properties] = {}
        """By topic name: making properties costs as much as sending the message does."""

    def of_topic(
        self,
        topic: Topic,
        user: Mapping[str, str] | None = None,
        correlation: bytes | None = None,
        response_topic: str | None = None,
    ) -> Properties | None:
        """For a new message."""
        if self._version != "5":
            return None
        plain = not user and correlation is None and response_topic is None
        if plain and topic.name in self._plain:
            return self._plain[topic.name]
        properties = _made(
            PacketTypes.PUBLISH,
            _Constant if plain else Properties,
            ContentType="image/jpeg" if topic.payload == "jpeg" else "application/json",
            MessageExpiryInterval=topic.expiry_s,
            UserProperty=list(user.items()) if user else None,
            CorrelationData=correlation,
            ResponseTopic=response_topic,
        )
        if plain:
            self._plain[topic.name] = properties
        return properties

    def of_recorded(self, message: Received) -> Properties | None:
        """Those that a message had when it was recorded."""
        if self._version != "5":
            return None
        return _made(
            PacketTypes.PUBLISH,
            Properties,
            ContentType=message.content_type,
            MessageExpiryInterval=message.expiry_s,
            ResponseTopic=message.response_topic,
            CorrelationData=message.correlation,
            UserProperty=list(message.user_properties.items()) or None,
        )

    def of_will(self) -> Properties | None:
        """For the will, which is JSON."""
        if self._version != "5":
            return None
        return _made(PacketTypes.WILLMESSAGE, Properties, ContentType="application/json")


def _made(packet: int, kind: type[Properties], **given: object) -> Properties:
    properties = kind(packet)
    for name, value in given.items():
        if value is not None:
            setattr(properties, name, value)
    return properties
