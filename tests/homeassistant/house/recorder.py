"""What the node says, with the time at which it arrived: the truth that Home Assistant is compared with."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import orjson
import paho.mqtt.client as paho
from paho.mqtt import subscribe
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PREFIX = "darner/v1"


@dataclass(frozen=True, slots=True)
class Heard:
    """One message.

    Attributes:
        at: When it arrived, seconds since 1970.
        topic: The topic without the prefix.
        retained: Whether it is a kept message that was delivered at subscribing.
        body: The message; None if the topic was cleared.
    """

    at: float
    topic: str
    retained: bool
    body: dict[str, Any] | None


class Recorder:
    """A stranger's subscriber, which keeps everything but pictures and detections. `with` connects it.

    Args:
        port: The broker's port on this machine.

    Attributes:
        heard: All messages in the order of their arrival.
        last: The newest message of each topic.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.heard: list[Heard] = []
        self.last: dict[str, Heard] = {}
        self._connected = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "recorder", protocol=paho.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._connected.set()
        self._client.on_message = self._on_message
        kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no type there
        kept.SessionExpiryInterval = 3600
        self._client.connect_async("127.0.0.1", port, keepalive=10, clean_start=False, properties=kept)

    def __enter__(self) -> Recorder:
        self._client.loop_start()
        if not self._connected.wait(10):
            raise TimeoutError("the recorder does not reach the broker")
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def since(self, at: float, topic_ends: str) -> list[Heard]:
        """Messages that the node sent after a moment.

        Args:
            at: The moment, seconds since 1970.
            topic_ends: The end of their topics.
        """
        return [one for one in list(self.heard) if one.at >= at and one.topic.endswith(topic_ends)]

    def retained(self, topic: str) -> dict[str, Any]:
        """The message that the broker keeps on any topic, such as one of discovery."""
        message = subscribe.simple(topic, port=self._port)  # type: ignore[no-untyped-call]  # paho has none
        body: dict[str, Any] = orjson.loads(message.payload)
        return body

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send something."""
        self._client.publish(topic, payload, 1, retain).wait_for_publish(10)

    def _on_connect(self, *_: object) -> None:
        # All that has numbers, events and states; no pictures, and nothing at each frame.
        topics = ["+/status", "+/info", "+/response/#", "+/camera/+/status", "+/camera/+/zone/+"]
        topics += ["+/calendar", "+/mode", "+/rules", "+/camera/+/alert"]
        topics += ["+/camera/+/events", "+/camera/+/zones", "+/camera/+/count", "+/camera/+/settings"]
        options = SubscribeOptions(qos=1, retainAsPublished=False)
        self._client.subscribe([(f"{PREFIX}/{topic}", options) for topic in topics])

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:  # noqa: ARG002
        topic = message.topic.removeprefix(f"{PREFIX}/")
        body = orjson.loads(message.payload) if message.payload else None
        one = Heard(time.time(), topic, bool(message.retain), body)
        self.heard.append(one)
        self.last[topic] = one
