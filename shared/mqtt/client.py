"""The MQTT client: the only file that knows paho.

What it adds to paho (each a trap that was measured): incoming messages are only handed to a channel in the
callback; QoS 0 has a small window of unwritten messages instead of an endless queue (`window`); retained
state is kept and published again after every connect, and what the network is too slow for waits, the newest
of each topic (`retained`); reconnects are jittered; a cut network is noticed in seconds; a broker's packet
limit is respected before sending; what waiting does not cure, like too many open files, is an error
(`broker_troubles`).
"""

from __future__ import annotations

import contextlib
import logging
import random
import secrets
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from queue import Full
from types import TracebackType
from typing import Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from shared.channel import Channel, Closed
from shared.errors import BrokerError, MessageError
from shared.log import Once
from shared.mqtt import tls
from shared.mqtt.address import MqttSettings, check_secrets, parse_url, read_password
from shared.mqtt.received import Received
from shared.mqtt.retained import OFFER_AGAIN_S, Retained
from shared.mqtt.troubles import BrokerTroubles
from shared.mqtt.window import Window
from shared.wire.topics import Topic, check_prefix

log = logging.getLogger("darner.mqtt")

WINDOW = 8
"""QoS 0 messages that may wait for the socket; more would only be stale ones."""
CLOSE_WITHIN_S = 1.0
"""What is not written then is given up: a network that takes nothing must not hold up the end."""
NOT_SENT = 16_384
"""Bytes in the kernel that the network has not taken, beyond which the socket waits."""
MAX_QUEUED = 1000
"""Unacknowledged messages that paho holds; it refuses the next one."""
WAITING, ROOM = 2000, 32_000_000
"""Messages, and bytes of them, that may wait for a reader: 2,000 pictures would be some hundred megabytes."""
MAX_DESCRIPTOR = 1023
"""The highest that paho can wait for: it uses select()."""


class Client:
    """A connection that comes back by itself; `with` starts and ends it.

    Args:
        settings: The broker and how to speak to it.
        name: Begins the client id.
        will: Topic path and payload the broker publishes (QoS 1, retained) when we vanish.
        on_refused: Called from the network thread when the broker refuses us for good.

    Attributes:
        received: Messages of the subscriptions; when the reader is slow the oldest are dropped and counted.
        dropped: Messages not sent, by topic name; "refused": not taken by the broker, as its PUBACK says.
        connections: Counts them; it changes when what was in flight is forgotten.
        on_acknowledged: Each is called from the network thread with the number that `send` returned, or that
            of another message, and whether the broker took it; must not wait for what is held around `send`.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        name: str,
        will: tuple[str, bytes] | None = None,
        on_refused: Callable[[BrokerError], None] | None = None,
    ) -> None:
        self._settings = settings
        self._host, self._port, self._tls = parse_url(settings.url)
        check_secrets(settings, self._host, self._tls)
        check_prefix(settings.prefix)
        self._troubles = BrokerTroubles(self._host, self._port, on_refused)
        self._connected = threading.Event()
        self._subscriptions: dict[str, tuple[int, bool]] = {}
        self._subscribing = threading.Lock()
        self._state = Retained(self._publish_retained)
        self._window = Window(WINDOW, self._connected.is_set)
        self._last: paho.MQTTMessageInfo | None = None
        self._max_packet: int | None = None
        self._once = Once()
        self._plain: dict[str, Properties] = {}  # by topic name; making them costs as much as sending does
        self.received: Channel[Received] = Channel(WAITING, room=ROOM, size=lambda one: len(one.payload))
        self.dropped: Counter[str] = Counter()
        self.connections = 0
        self.on_acknowledged: list[Callable[[int, bool], None]] = []
        self._paho = self._make(f"{name}-{secrets.token_hex(4)}", will)

    def _make(self, client_id: str, will: tuple[str, bytes] | None) -> paho.Client:
        settings = self._settings
        v5 = settings.version == "5"
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=paho.MQTTv5 if v5 else paho.MQTTv311,
        )
        client.suppress_exceptions = True  # an exception would end the network thread in silence
        client.connect_timeout = 3.0
        client.max_queued_messages_set(MAX_QUEUED)
        client.max_inflight_messages_set(20)
        if settings.username is not None:
            client.username_pw_set(settings.username, read_password(settings))
        if self._tls:
            client.tls_set_context(tls.context(settings.ca_file, settings.cert_file, settings.key_file))
            client.on_log = self._on_log
        if will:
            about = None
            if v5:
                about = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]  # paho has no type there
                about.ContentType = "application/json"
            client.will_set(will[0], will[1], qos=1, retain=True, properties=about)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_open = self._on_socket_open
        return client

    def __enter__(self) -> Client:
        self._jitter()
        if self._settings.version == "5":
            self._paho.connect_async(self._host, self._port, self._settings.keepalive_s, clean_start=True)
        else:
            self._paho.connect_async(self._host, self._port, self._settings.keepalive_s)
        self._paho.loop_start()
        self._state.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._state.close()
        self._paho.disconnect()
        cut = threading.Timer(CLOSE_WITHIN_S, self._cut)
        cut.start()
        self._paho.loop_stop()  # waits until everything is written
        cut.cancel()
        self.received.close()

    @property
    def connected(self) -> bool:
        """Whether the broker accepted us and the connection still stands, as far as is known."""
        return self._connected.is_set()

    def wait_connected(self, timeout: float) -> bool:
        """Wait until the broker accepted us; False when it did not in `timeout` seconds."""
        return self._connected.wait(timeout)

    def hurry(self) -> None:
        """From now on `publish` waits for nothing: for a program that is to end."""
        self._window.hurry()

    def subscribe(self, topic_filter: str, qos: Literal[0, 1] = 0, *, as_published: bool = False) -> None:
        """Receive what matches, now and after every reconnect.

        Args:
            topic_filter: May have wildcards.
            qos: The most that is asked for.
            as_published: Live messages keep the retain flag of their publisher (MQTT 5 only).
        """
        with self._subscribing:
            self._subscriptions[topic_filter] = (qos, as_published)
            if self.connected:
                self._subscribe(topic_filter, qos, as_published)

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

        QoS 0: waits for room in the window of unwritten messages, at most until the connection is given up,
        so call it from a thread that may wait and keep only the newest behind it. QoS 1: returns at once;
        without a connection nothing is kept.

        Returns:
            False when the message was dropped, which is counted under the topic's name.
        """
        room = self._window.wait_room() if topic.qos == 0 else self.connected
        if not room or not self._fits(path, payload):
            self.dropped[topic.name] += 1
            return False
        properties = self._properties(topic, user_properties, correlation, response_topic)
        info = self._paho.publish(path, payload, topic.qos, False, properties)
        if topic.qos == 0:
            sent = info.rc == paho.MQTT_ERR_SUCCESS
            if sent:  # asking one that failed whether it is published raises an error
                self._window.add(info)
        else:
            sent = info.rc != paho.MQTT_ERR_QUEUE_SIZE
            self._last = info if sent else self._last
        if not sent:
            self.dropped[topic.name] += 1
        return sent

    def republish(self, message: Received) -> bool:
        """Send a recorded message as it was: topic, QoS, retain flag and properties.

        Waits for room in the window at both QoS, which keeps the order; False when the connection was lost.
        """
        if not self._fits(message.topic, message.payload) or not self._window.wait_room():
            return False
        properties = None
        if self._settings.version == "5":
            properties = _properties(
                ContentType=message.content_type,
                MessageExpiryInterval=message.expiry_s,
                ResponseTopic=message.response_topic,
                CorrelationData=message.correlation,
                UserProperty=list(message.user_properties.items()) or None,
            )
        info = self._paho.publish(message.topic, message.payload, message.qos, message.retain, properties)
        sent = info.rc == paho.MQTT_ERR_SUCCESS
        if sent:
            self._window.add(info)
        return sent

    def flush(self, timeout: float) -> bool:
        """Wait until what was sent is written or acknowledged; False when it was not in `timeout` seconds."""
        return self._window.drain(timeout)

    def send(
        self, topic: Topic, path: str, payload: bytes, user_properties: Mapping[str, str] | None = None
    ) -> int | None:
        """Send a message of QoS 1 whose acknowledgement is told to `on_acknowledged`; returns at once.

        Returns:
            The number it will be acknowledged under, on this connection; None when there is no connection.

        Raises:
            MessageError: It is larger than the broker takes.
        """
        if not self.connected:
            return None
        if not self._fits(path, payload):
            raise MessageError(f"{path}: {len(payload)} bytes do not fit the broker's max_packet_size")
        info = self._paho.publish(path, payload, 1, False, self._properties(topic, user_properties))
        return info.mid if info.rc == paho.MQTT_ERR_SUCCESS else None

    def set_state(self, topic: Topic, path: str, payload: bytes) -> None:
        """Publish retained state, now and again after every reconnect; empty clears it on the broker.

        What finds no room on its way is published as soon as there is room, unless a newer state came first.
        """
        if not self._fits(path, payload):
            self.dropped[topic.name] += 1
            return
        self._state.set(topic, path, payload)

    def refresh(self, path: str | None = None) -> None:
        """Publish retained state again: all of it, as after a connect, or that of one topic."""
        self._state.refresh(path)

    def clear_state(self, below: str) -> None:
        """Forget all retained state, and take what lies below a topic back from the broker."""
        for path in self._state.clear(below):
            self._paho.publish(path, b"", 1, True)

    def finish(self, timeout: float) -> bool:
        """Wait until everything at QoS 1 was acknowledged; False when it was not in `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self._state.waiting and self.connected and time.monotonic() < deadline:
            time.sleep(OFFER_AGAIN_S)
        if not self.connected or self._state.waiting:
            return False
        if self._last is None:
            return True
        try:
            # Acknowledged after all before it: the broker answers in order.
            self._last.wait_for_publish(max(0.0, deadline - time.monotonic()))
        except (RuntimeError, ValueError):
            return False
        return self._last.is_published()

    def _cut(self) -> None:
        sock = self._paho.socket()
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):  # it has gone by itself
                sock.shutdown(socket.SHUT_RDWR)

    def _fits(self, path: str, payload: bytes) -> bool:
        if self._max_packet is None or len(payload) + len(path) + 256 <= self._max_packet:
            return True
        if self._once(path):
            log.error(
                "%s: %d bytes do not fit the broker's max_packet_size of %d; raise it or publish less",
                path,
                len(payload),
                self._max_packet,
            )
        return False

    def _publish_retained(self, topic: Topic, path: str, payload: bytes) -> paho.MQTTMessageInfo | None:
        info = self._paho.publish(path, payload, topic.qos, True, self._properties(topic))
        if info.rc == paho.MQTT_ERR_QUEUE_SIZE:
            raise Full
        self._last = info
        return info if info.rc == paho.MQTT_ERR_SUCCESS else None

    def _properties(
        self,
        topic: Topic,
        user: Mapping[str, str] | None = None,
        correlation: bytes | None = None,
        response_topic: str | None = None,
    ) -> Properties | None:
        if self._settings.version != "5":
            return None
        plain = not user and correlation is None and response_topic is None
        if plain and topic.name in self._plain:
            return self._plain[topic.name]
        properties = _properties(
            ContentType="image/jpeg" if topic.payload == "jpeg" else "application/json",
            MessageExpiryInterval=topic.expiry_s,
            UserProperty=list(user.items()) if user else None,
            CorrelationData=correlation,
            ResponseTopic=response_topic,
        )
        if plain:
            self._plain[topic.name] = properties
        return properties

    def _subscribe(self, topic_filter: str, qos: int, as_published: bool) -> None:
        if self._settings.version == "5":
            options = SubscribeOptions(qos=qos, retainAsPublished=as_published)
            self._paho.subscribe(topic_filter, options=options)
        else:
            self._paho.subscribe(topic_filter, qos)

    def _jitter(self) -> None:
        # A thousand nodes must not return to a restarted broker in the same instant; within 3 s all the same.
        self._paho.reconnect_delay_set(random.uniform(0.3, 1.0), random.uniform(1.5, 3.0))  # type: ignore[arg-type]  # seconds; floats work, the annotation says int

    def _on_connect(
        self,
        client: paho.Client,
        userdata: object,  # noqa: ARG002 - paho's signature
        flags: paho.ConnectFlags,  # noqa: ARG002
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._troubles.refused(str(reason))
            return
        self._troubles.over()
        # Else paho would send again what was in flight: its owners do that, or it is out of date.
        client.drop_out_messages()
        self._max_packet = getattr(properties, "MaximumPacketSize", None)
        client.on_log = None  # what it listens for only happens before; it would cost a line per packet
        self.connections += 1
        # Under the lock, or what another thread asks for between these and the flag would never come.
        with self._subscribing:
            for topic_filter, (qos, as_published) in self._subscriptions.items():
                self._subscribe(topic_filter, qos, as_published)
            self._state.restore()
            self._connected.set()
        log.info("connected to the broker at %s:%d", self._host, self._port)

    def _on_connect_fail(self, client: paho.Client, userdata: object) -> None:  # noqa: ARG002
        self._troubles.unreachable(sys.exc_info()[1])  # paho calls this while it handles what went wrong

    def _on_log(self, client: paho.Client, userdata: object, level: int, text: str) -> None:  # noqa: ARG002
        # TLS 1.3 brings the broker's verdict on our certificate with the first read; paho only logs it.
        if level == paho.MQTT_LOG_ERR and "ALERT" in text:
            self._troubles.untrusted("the broker refused our certificate" + tls.CERTIFICATE_FIX)

    def _on_disconnect(
        self,
        client: paho.Client,  # noqa: ARG002
        userdata: object,  # noqa: ARG002
        flags: paho.DisconnectFlags,  # noqa: ARG002
        reason: ReasonCode,
        properties: Properties | None,  # noqa: ARG002
    ) -> None:
        was_connected = self._connected.is_set()
        self._connected.clear()
        self._state.lost()
        if was_connected:  # paho can call this twice
            if reason.is_failure:
                log.warning("lost the broker (%s); reconnecting", reason)
            self._jitter()
        elif reason.is_failure:
            self._troubles.hung_up()

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:  # noqa: ARG002
        received = Received(
            message.topic,
            bytes(message.payload),
            message.qos,
            message.retain,
            dict(getattr(message.properties, "UserProperty", ())),
            getattr(message.properties, "ResponseTopic", None),
            getattr(message.properties, "CorrelationData", None),
            getattr(message.properties, "ContentType", None),
            getattr(message.properties, "MessageExpiryInterval", None),
        )
        try:
            self.received.put_newest(received)
        except Closed:
            return  # shutting down

    def _on_publish(
        self,
        client: paho.Client,  # noqa: ARG002
        userdata: object,  # noqa: ARG002
        mid: int,
        reason: ReasonCode,
        properties: Properties,  # noqa: ARG002
    ) -> None:
        if reason.is_failure:
            self.dropped["refused"] += 1
            if self._once(f"publish {reason}"):
                log.error("the broker refused a message: %s; check its access control list", reason)
        for listener in self.on_acknowledged:
            listener(mid, not reason.is_failure)

    def _on_socket_open(self, client: paho.Client, userdata: object, sock: object) -> None:  # noqa: ARG002
        if not isinstance(sock, socket.socket):
            return
        _tune(sock)
        if sock.fileno() > MAX_DESCRIPTOR:
            self._troubles.too_many_files(sock.fileno(), MAX_DESCRIPTOR)


def _properties(**given: object) -> Properties:
    """Those of a PUBLISH, by MQTT's names; None leaves one out."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no type there
    for name, value in given.items():
        if value is not None:
            setattr(properties, name, value)
    return properties


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: a cut cable is an error after 5 s, not after minutes
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5000)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # a slow link must not hold old frames by the megabyte
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOT_SENT)
