"""The MQTT client: publishes, subscribes, and hands what arrives to a channel.

What it adds to paho; each line answers a fault that was measured:

- A callback only hands an incoming message to a channel.
- At QoS 0 a small window of unwritten messages takes the place of an endless queue (`window.py`).
- Retained state is kept and published again after every connect. Where the network is too slow for all of it,
  only the newest state of each topic waits (`retained.py`).
- The limits that a broker announces are kept: on packets, and on messages in flight (`terms.py`).
- Reconnects are jittered, and a cut network is noticed within seconds (`connection.py`).
- A trouble that waiting does not cure, such as too many open files, is an error (`troubles.py`).
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from queue import Full
from types import TracebackType
from typing import Literal

import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from shared.channel import Channel, Closed
from shared.errors import BrokerError, MessageError
from shared.log import Once
from shared.mqtt.address import Address, MqttSettings
from shared.mqtt.link.connection import Connection
from shared.mqtt.link.terms import Terms
from shared.mqtt.properties import PublishProperties
from shared.mqtt.received import Received
from shared.mqtt.retained import OFFER_AGAIN_S, Retained
from shared.mqtt.room import Room
from shared.mqtt.subscriptions import Subscriptions
from shared.mqtt.window import Window
from shared.service.watchdog import Look
from shared.wire.topics import Topic, check_prefix

log = logging.getLogger("darner.mqtt")

WINDOW = 8
"""QoS 0 messages that may wait for the socket; more of them would only be stale."""
TOGETHER = WINDOW - 2
"""Messages to publish in one `together`; the rest of the window is for other threads."""
MAX_WAITING, MAX_WAITING_BYTES = 2000, 32_000_000
"""Messages, and their bytes, that may wait for a reader; 2,000 pictures would be hundreds of megabytes."""


class Client:
    """A connection that comes back by itself; `with` starts and ends it.

    Args:
        settings: The broker and how to speak to it.
        name: The client id begins with it.
        will: Topic path and payload that the broker publishes (QoS 1, retained) when this client vanishes.
        on_refused: Called from the network thread when the broker refuses the client for good.
        sink: Called from the network thread with each message of the subscriptions, instead of `received`
            getting it. When it must wait for room, it calls `still_here` now and then.

    Attributes:
        received: Messages of the subscriptions. When the reader is slow, the oldest are dropped and counted.
        dropped: Number of messages that were not sent, by topic name. "refused" counts those that the broker
            did not take, as its PUBACK says.
        connections: Number of connections so far. With each new one, messages in flight are forgotten.
        shares: Whether the broker of the newest connection says that it has shared subscriptions.
        on_acknowledged: Called from the network thread for every acknowledged message, with the number that
            `send` returned and whether the broker took it. A callback must not wait for a lock that is held
            around `send`. It is also called for messages that `publish` and `set_state` sent.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        name: str,
        will: tuple[str, bytes] | None = None,
        on_refused: Callable[[BrokerError], None] | None = None,
        sink: Callable[[Received], None] | None = None,
    ) -> None:
        check_prefix(settings.prefix)
        self._state = Retained(self._publish_retained)
        self._connection = Connection(
            settings,
            f"{name}-{secrets.token_hex(4)}",
            will=will,
            on_refused=on_refused,
            on_accepted=self._restore,
            on_lost=self._state.lost,
        )
        self._paho = self._connection.paho
        self._paho.take = self._take
        self._paho.on_publish = self._on_publish
        self._subscriptions = Subscriptions(self._paho, settings.version)
        self._window = Window(WINDOW, self._connection.connected.is_set, self._paho.write_held)
        self._version = settings.version
        self._properties = PublishProperties(settings.version)
        self._last: paho.MQTTMessageInfo | None = None
        self._room = Room()
        self._once = Once()
        self.received: Channel[Received] = Channel(
            MAX_WAITING, room=MAX_WAITING_BYTES, size=lambda one: len(one.payload)
        )
        self._sink = sink
        self.dropped: Counter[str] = Counter()
        self.connections = 0
        self.shares = False
        self.on_acknowledged: list[Callable[[int, bool], None]] = []

    def __enter__(self) -> Client:
        self._connection.__enter__()
        self._state.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._state.close()
        self._connection.__exit__(kind, error, trace)
        with self._subscriptions.lock:
            self._subscriptions.close()
        self.received.close()

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and the connection still stands, as far as is known."""
        return self._connection.connected.is_set()

    @property
    def address(self) -> Address:
        """Where the connection leads, or is tried next."""
        return self._connection.address

    @property
    def trouble(self) -> str | None:
        """Why the last attempt to connect has failed; None while nothing is wrong."""
        return self._connection.trouble

    @property
    def subscribed(self) -> bool:
        """Whether the connection stands, and the broker has answered to every subscription."""
        with self._subscriptions.lock:
            return self.connected and self._subscriptions.settled

    @property
    def state_waiting(self) -> int:
        """Number of topics whose retained state waits for room on the connection."""
        return self._state.waiting

    def wait_connected(self, timeout: float) -> bool:
        """Wait until the broker accepts us; False when it has not within `timeout` seconds."""
        return self._connection.connected.wait(timeout)

    def wait_subscribed(self, timeout: float) -> bool:
        """Wait until the broker has answered to every subscription; False if it has not in `timeout` seconds.

        Only then is a message that somebody else publishes sure to come. "Connected" does not say that.
        """
        deadline = time.monotonic() + timeout
        with self._subscriptions.changed:
            while not (self.connected and self._subscriptions.settled):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._subscriptions.changed.wait(min(left, 0.1))  # a lost connection notifies nobody
        return True

    def hurry(self) -> None:
        """Make every later `publish` return without waiting: for a program that is about to end."""
        self._window.hurry()

    def look(self) -> Look:
        """What a watchdog sees of the network thread."""
        return self._connection.look()

    def waits(self) -> int:
        """A number that grows while a `publish` waits for the network."""
        return self._window.turns

    def abandon(self) -> None:
        """Cut the connection for good, without waiting for any thread; the broker publishes the will."""
        self._connection.abandon()

    def still_here(self) -> None:
        """Keep the connection alive; for a sink that waits, from the thread that called it."""
        self._paho.still_here()

    def cut(self) -> None:
        """End the TCP connection without a word of MQTT, as a lost network does; it is made again."""
        self._connection.cut()

    def subscribe(
        self, topic_filter: str | Iterable[str], qos: Literal[0, 1] = 0, *, as_published: bool = False
    ) -> None:
        """Receive what matches, now and after every reconnect.

        Args:
            topic_filter: May have wildcards. Several travel together.
            qos: The highest quality of service at which the broker may deliver.
            as_published: Live messages keep the retain flag of their publisher (MQTT 5 only).
        """
        filters = [topic_filter] if isinstance(topic_filter, str) else topic_filter
        with self._subscriptions.lock:
            self._subscriptions.add(filters, qos, as_published, now=self.connected)

    def unsubscribe(self, topic_filter: str | Iterable[str]) -> None:
        """Receive no longer what `subscribe` asked for by these filters."""
        filters = [topic_filter] if isinstance(topic_filter, str) else topic_filter
        with self._subscriptions.lock:
            self._subscriptions.remove(filters, now=self.connected)

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

    def _restore(self, terms: Terms) -> None:
        """Bring a new connection to where the last one was."""
        self._room.max_packet = terms.max_packet
        self.shares = terms.shared and self._version == "5"
        self.connections += 1
        # Under the lock: a filter that another thread adds before the flag is set would be forgotten.
        with self._subscriptions.lock:
            self._subscriptions.restore()
            self._state.restore()
            self._connection.connected.set()

    def _take(self, received: Received) -> None:
        with suppress(Closed):  # shutting down
            (self._sink or self.received.put_newest)(received)

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
        for listener in self.on_acknowledged:
            listener(mid, not reason.is_failure)
