"""What a client sends: messages at QoS 0 and 1, retained state, and recorded messages."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from queue import Full
from typing import Literal

import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from shared.errors import MessageError
from shared.log import Once
from shared.mqtt.link.connection import Connection
from shared.mqtt.properties import PublishProperties
from shared.mqtt.received import Received
from shared.mqtt.retained import OFFER_AGAIN_S, Retained
from shared.mqtt.room import Room
from shared.mqtt.window import Window
from shared.wire.topics import Topic

log = logging.getLogger("darner.mqtt")

WINDOW = 8
"""QoS 0 messages that may wait for the socket; more of them would only be stale."""
TOGETHER = WINDOW - 2
"""Messages to publish in one `together`; the rest of the window is for other threads."""


class Sending:
    """The sending half of a client.

    Args:
        connection: Whose messages these are; its owner enters it.
        version: The version of MQTT that it speaks.

    Attributes:
        dropped: Number of messages that were not sent, by topic name. "refused" counts those that the broker
            did not take, as its PUBACK says.
        on_acknowledged: Called from the network thread for every acknowledged message, with the number that
            `send` returned and whether the broker took it. A callback must not wait for a lock that is held
            around `send`. It is also called for messages that `publish` and `set_state` sent.
    """

    def __init__(self, connection: Connection, version: Literal["5", "3.1.1"]) -> None:
        self._up = connection.connected
        self._paho = connection.paho
        self._paho.on_publish = self._on_publish
        self._state = Retained(self._publish_retained)
        self._window = Window(WINDOW, self._up.is_set, self._paho.write_held)
        self._properties = PublishProperties(version)
        self._last: paho.MQTTMessageInfo | None = None
        self._room = Room()
        self._once = Once()
        self.dropped: Counter[str] = Counter()
        self.on_acknowledged: list[Callable[[int, bool], None]] = []

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and the connection still stands, as far as is known."""
        return self._up.is_set()

    @property
    def state_waiting(self) -> int:
        """Number of topics whose retained state waits for room on the connection."""
        return self._state.waiting

    def hurry(self) -> None:
        """Make every later `publish` return without waiting: for a program that is about to end."""
        self._window.hurry()

    def waits(self) -> int:
        """A number that grows while a `publish` waits for the network."""
        return self._window.turns

    def publish(
        self,
        topic: Topic,
        path: str,
        payload: bytes,
        *,
        user_properties: Mapping[str, str] | None = None,
        correlation: bytes | None = None,
        response_topic: str | None = None,
    ) -> bool:
        """Send a message that is not retained.

        At QoS 0 it waits for room in the window of unwritten messages, or until the connection is lost. Call
        it from a thread that may wait, and keep only the newest message behind it. At QoS 1 it returns at
        once. Without a connection the message is dropped.

        Returns:
            False when the message was dropped; `dropped` counts it under the topic's name.
        """
        room = self._window.wait_room() if topic.qos == 0 else self.connected
        chosen = len(correlation or b"") + len((response_topic or "").encode())
        if not room or not self._room.takes(path, payload, chosen):
            self.dropped[topic.name] += 1
            return False
        properties = self._properties.of_topic(topic, user_properties, correlation, response_topic)
        info = self._paho.publish(path, payload, topic.qos, False, properties)
        if topic.qos == 0:
            sent = info.rc == paho.MQTT_ERR_SUCCESS
            if sent:  # paho raises an error when a message that failed is asked whether it is published
                self._window.add(info)
        else:
            sent = info.rc != paho.MQTT_ERR_QUEUE_SIZE
            self._last = info if sent else self._last
        if not sent:
            self.dropped[topic.name] += 1
        return sent

    def together(self) -> AbstractContextManager[None]:
        """Write at once what this thread publishes at QoS 0 in the block, unless it must wait for room.

        One thread at a time may do this.
        """
        return self._paho.together()

    def republish(self, message: Received) -> bool:
        """Send a recorded message as it was: topic, QoS, retain flag and properties.

        It waits for room in the window at either QoS, which keeps the order.

        Returns:
            False when the message is too large or the connection was lost.
        """
        if not self._room.takes_recorded(message) or not self._window.wait_room():
            return False
        properties = self._properties.of_recorded(message)
        info = self._paho.publish(message.topic, message.payload, message.qos, message.retain, properties)
        sent = info.rc == paho.MQTT_ERR_SUCCESS
        if sent:
            self._window.add(info)
        return sent

    def flush(self, timeout: float) -> bool:
        """Wait until the window is empty; False when it is not after `timeout` seconds.

        The window holds what `republish` sent and what `publish` sent at QoS 0.
        """
        return self._window.drain(timeout)

    def send(
        self, topic: Topic, path: str, payload: bytes, user_properties: Mapping[str, str] | None = None
    ) -> int | None:
        """Send a message at QoS 1 and return at once; `on_acknowledged` is called when it is acknowledged.

        Returns:
            The number under which this connection acknowledges it; None when there is no connection.

        Raises:
            MessageError: The message is larger than readers or the broker take.
        """
        if not self.connected:
            return None
        if not self._room.takes(path, payload):
            raise MessageError(f"{path}: {len(payload)} bytes; there is room for {self.room(path)}")
        info = self._paho.publish(path, payload, 1, False, self._properties.of_topic(topic, user_properties))
        return info.mid if info.rc == paho.MQTT_ERR_SUCCESS else None

    def set_state(self, topic: Topic, path: str, payload: bytes) -> None:
        """Publish retained state now and after every reconnect; an empty payload clears it on the broker.

        State that finds no room on the connection waits, unless a newer state of the topic comes first.
        """
        if not self._room.takes(path, payload):
            self.dropped[topic.name] += 1
            return
        self._state.set(topic, path, payload)

    def clear_foreign(self, topic: Topic, path: str) -> bool:
        """Clear retained state on the broker, unless it is this client's; False if it is."""
        return self._state.clear_foreign(topic, path)

    def forget_state(self, path: str) -> None:
        """Publish a topic's retained state no more; the broker keeps what it has."""
        self._state.forget(path)

    def refresh(self, path: str | None = None) -> None:
        """Publish retained state again: that of one topic, or all of it as after a connect."""
        self._state.refresh(path)

    def clear_state(self, below: str) -> None:
        """Forget all retained state, and clear on the broker what lies below a topic."""
        for path in self._state.clear(below):
            self._paho.publish(path, b"", 1, True)

    def wait_offered(self, timeout: float) -> bool:
        """Wait until no retained state waits for room; False when some does after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self._state.waiting and self.connected and time.monotonic() < deadline:
            time.sleep(OFFER_AGAIN_S)
        return self.connected and not self._state.waiting

    def finish(self, timeout: float) -> bool:
        """Wait until everything at QoS 1 is acknowledged; False when it is not after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        if not self.wait_offered(timeout):
            return False
        if self._last is None:
            return True
        try:
            # The broker acknowledges in order, so all messages before this one are acknowledged, too.
            self._last.wait_for_publish(max(0.0, deadline - time.monotonic()))
        except (RuntimeError, ValueError):
            return False
        return self._last.is_published()

    def room(self, path: str) -> int:
        """How many bytes a payload on this topic may have, for our readers and for the broker."""
        return self._room.of(path)

    def _publish_retained(self, topic: Topic, path: str, payload: bytes) -> paho.MQTTMessageInfo | None:
        if not self._room.takes(path, payload):  # it was set when nothing was known of this broker's limit
            self.dropped[topic.name] += 1
            return None
        info = self._paho.publish(path, payload, topic.qos, True, self._properties.of_topic(topic))
        if info.rc == paho.MQTT_ERR_QUEUE_SIZE:
            raise Full
        self._last = info
        return info if info.rc == paho.MQTT_ERR_SUCCESS else None

    def _on_publish(
        self,
        client: paho.Client,  # noqa: ARG002 - paho calls it so
        userdata: object,  # noqa: ARG002 - paho calls it so
        mid: int,
        reason: ReasonCode,
        properties: Properties,  # noqa: ARG002 - paho calls it so
    ) -> None:
        if reason.is_failure:
            self.dropped["refused"] += 1
            if self._once(f"publish {reason}"):
                log.error("the broker refused a message: %s; check its access control list", reason)
        self._state.acknowledged()
        for listener in self.on_acknowledged:
            listener(mid, not reason.is_failure)
